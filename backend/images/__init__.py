"""Encoded bytes to upright pixels: decoding, EXIF orientation, pixel limits, and a cache of decoded images.

Bytes come in, `SourceImage` goes out; no network. The only user of PIL beside `export`.
"""

from backend.images.source_image import DecodedImages, SourceImage

__all__ = ["DecodedImages", "SourceImage"]
