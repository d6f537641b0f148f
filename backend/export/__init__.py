"""Data set formats, one per file: `LabeledImage` values come in, files on disk go out.

No network I/O and no Label Studio here; `bulk` reads the annotations.
"""

from backend.export.coco import EncodedRegion, LabeledImage, build_coco, check_region, count_empty, encode_region
from backend.export.files import write_json

__all__ = ["EncodedRegion", "LabeledImage", "build_coco", "check_region", "count_empty", "encode_region", "write_json"]
