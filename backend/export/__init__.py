"""Data set formats, one per file: `LabeledImage` and `Segment` values come in, files on disk go out.

No network I/O and no Label Studio here; `bulk` reads the annotations.
"""

from backend.export.coco import build_coco
from backend.export.consensus import merge_annotators
from backend.export.cutout import Background, encode_cutout, parse_colour
from backend.export.files import PARTIAL, write_bytes, write_json, write_json_list
from backend.export.formats import FORMATS, Format, FormatOptions
from backend.export.label_statistics import LabelStatistics, encode_rows
from backend.export.overlay import choose_colours, encode_overlay
from backend.export.records import (
    DataSet,
    EncodedRegion,
    KeyPoint,
    LabeledImage,
    check_region,
    count_empty,
    encode_region,
)
from backend.export.segment_pngs import LabelNames, Segment, encode_segment
from backend.export.writer import Writer

__all__ = [
    "FORMATS",
    "PARTIAL",
    "Background",
    "DataSet",
    "EncodedRegion",
    "Format",
    "FormatOptions",
    "KeyPoint",
    "LabelNames",
    "LabelStatistics",
    "LabeledImage",
    "Segment",
    "Writer",
    "build_coco",
    "check_region",
    "choose_colours",
    "count_empty",
    "encode_cutout",
    "encode_overlay",
    "encode_region",
    "encode_rows",
    "encode_segment",
    "merge_annotators",
    "parse_colour",
    "write_bytes",
    "write_json",
    "write_json_list",
]
