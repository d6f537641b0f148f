"""Label Studio's results and their codecs: regions with masks to JSON and back.

On one side there are masks in pixels, on the other percentages, brush RLE and PNG data URLs.
"""

from backend.label_studio.results.brush_rle import decode_brush, encode_brush
from backend.label_studio.results.brush_runs import brush_box, decode_brush_runs
from backend.label_studio.results.brush_strokes import has_strokes
from backend.label_studio.results.build import EMPTY_ANSWER, build_prediction, build_results, control_of
from backend.label_studio.results.drawn_regions import (
    DrawnRegion,
    Verdict,
    check_drawn,
    find_drawn,
    key_point_xy,
    outline_of,
    parent_of,
)
from backend.label_studio.results.fields import (
    KEYPOINT,
    MAX_SIDE,
    RECTANGLE,
    Result,
    drawn_size_of,
    ids_of,
    join_labels,
    json_type_of,
    kind_of_region,
    label_of,
    objects_of,
    results_of,
    value_of,
)
from backend.label_studio.results.key_point import build_key_point
from backend.label_studio.results.labeled_region import LabeledRegion
from backend.label_studio.results.message import MESSAGE_ID, add_message, build_message, join_remedy
from backend.label_studio.results.parse import (
    SavedRegion,
    count_left_out,
    find_regions,
    parse_image_choices,
    parse_regions,
    pick_image,
)
from backend.label_studio.results.region_ids import is_own_id, new_region_id
from backend.label_studio.results.region_notes import build_note, is_own_note
from backend.label_studio.results.region_values import (
    MAX_PERCENT,
    build_value,
    is_percent,
    mask_from_value,
    polygon_box,
)

__all__ = [
    "EMPTY_ANSWER",
    "KEYPOINT",
    "MAX_PERCENT",
    "MAX_SIDE",
    "MESSAGE_ID",
    "RECTANGLE",
    "DrawnRegion",
    "LabeledRegion",
    "Result",
    "SavedRegion",
    "Verdict",
    "add_message",
    "brush_box",
    "build_key_point",
    "build_message",
    "build_note",
    "build_prediction",
    "build_results",
    "build_value",
    "check_drawn",
    "control_of",
    "count_left_out",
    "decode_brush",
    "decode_brush_runs",
    "drawn_size_of",
    "encode_brush",
    "find_drawn",
    "find_regions",
    "has_strokes",
    "ids_of",
    "is_own_id",
    "is_own_note",
    "is_percent",
    "join_labels",
    "join_remedy",
    "json_type_of",
    "key_point_xy",
    "kind_of_region",
    "label_of",
    "mask_from_value",
    "new_region_id",
    "objects_of",
    "outline_of",
    "parent_of",
    "parse_image_choices",
    "parse_regions",
    "pick_image",
    "polygon_box",
    "results_of",
    "value_of",
]
