"""Encoded bytes to upright pixels: limits, EXIF orientation, decoding, and a cache of decoded images.

Bytes come in, `SourceImage` goes out; no network. The only user of PIL beside `export`. PIL never sees the metadata of
a file (see `bare_file`), so nothing in it can make an image fail or cost work.
"""

from backend.images.decoded_images import DecodedImages
from backend.images.picture_file import PictureFile, build_picture_file, rename_to_type
from backend.images.preview import encode_preview
from backend.images.source_image import SourceImage

__all__ = [
    "DecodedImages",
    "PictureFile",
    "SourceImage",
    "build_picture_file",
    "encode_preview",
    "rename_to_type",
]
