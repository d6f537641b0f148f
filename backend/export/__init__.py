"""Data set formats, one per file: `LabeledImage` and `Segment` values come in, files on disk go out; and back for some.

No network I/O and no Label Studio here; `bulk` reads the annotations.
"""

from backend.export.consensus import merge_annotators
from backend.export.cutout import Background, encode_cutout, parse_colour
from backend.export.data_set_readme import write_readme
from backend.export.data_set_statistics import DataSetStatistics
from backend.export.files import PARTIAL, link_or_copy, write_bytes, write_json, write_json_list
from backend.export.found_images import FoundBox, FoundDataSet, FoundImage, FoundRegions, OnBadRegion
from backend.export.identities import AnnotationIds, build_file_name, build_image_id, build_image_parts, uri_to_name
from backend.export.label_statistics import LabelStatistics, encode_rows
from backend.export.output_folder.commit import ExportFolder
from backend.export.output_folder.export_record import check_folder, read_record
from backend.export.output_folder.picture_cache import PictureCache
from backend.export.overlay import choose_colours, encode_overlay
from backend.export.readers.read_boxes import BoxFile, read_boxes
from backend.export.readers.read_coco import read_coco
from backend.export.readers.read_masks import read_masks
from backend.export.readers.read_yolo import read_yolo
from backend.export.records import (
    DataSet,
    EncodedRegion,
    KeyPoint,
    LabeledImage,
    check_region,
    count_empty,
    encode_region,
)
from backend.export.region_classes import ChoiceClasses, CrowdMarks
from backend.export.region_counts import RegionCounts
from backend.export.region_overlaps import measure_ious
from backend.export.segment_pngs import LabelNames, Segment, encode_segment
from backend.export.split_images import split_images
from backend.export.splits import SPLITS
from backend.export.writers.coco import write_coco
from backend.export.writers.formats import FORMATS, Format, FormatOptions
from backend.export.writers.writer import Writer
from backend.export.writers.writer_set import WriterSet, Written, list_places

__all__ = [
    "FORMATS",
    "PARTIAL",
    "SPLITS",
    "AnnotationIds",
    "Background",
    "BoxFile",
    "ChoiceClasses",
    "CrowdMarks",
    "DataSet",
    "DataSetStatistics",
    "EncodedRegion",
    "ExportFolder",
    "Format",
    "FormatOptions",
    "FoundBox",
    "FoundDataSet",
    "FoundImage",
    "FoundRegions",
    "KeyPoint",
    "LabelNames",
    "LabelStatistics",
    "LabeledImage",
    "OnBadRegion",
    "PictureCache",
    "RegionCounts",
    "Segment",
    "Writer",
    "WriterSet",
    "Written",
    "build_file_name",
    "build_image_id",
    "build_image_parts",
    "check_folder",
    "check_region",
    "choose_colours",
    "count_empty",
    "encode_cutout",
    "encode_overlay",
    "encode_region",
    "encode_rows",
    "encode_segment",
    "link_or_copy",
    "list_places",
    "measure_ious",
    "merge_annotators",
    "parse_colour",
    "read_boxes",
    "read_coco",
    "read_masks",
    "read_record",
    "read_yolo",
    "split_images",
    "uri_to_name",
    "write_bytes",
    "write_coco",
    "write_json",
    "write_json_list",
    "write_readme",
]
