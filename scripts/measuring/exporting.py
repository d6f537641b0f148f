"""The COCO export against label_studio_sdk's converter, and against painting the masks, on the committed mask sets.

Every side starts from the same JSON file and ends with a closed COCO file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from label_studio_sdk.converter import Converter

from backend.bulk import AnnotationReader, ReadCounts, read_images, read_task_file
from backend.export import FORMATS, DataSet, FormatOptions, LabeledImage, encode_region
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.results import decode_record_starts, decode_brush, encode_brush
from backend.values import Mask, Size
from scripts.measuring.mask_sets import MASK_SETS, load_masks
from scripts.measuring.place import MASKS_ONLY, Json
from scripts.measuring.timing import Row, build_row, compare, per_item, time_ms

GROUP = "Export"
LABELS = ("red", "blue")
CONFIG = parse_labeling_config(MASKS_ONLY)
TASKS = 5
TIMES_SDK = 20.0
TIMES_PAINTED = {"3k": 5.0, "5k": 5.0, "13k": 3.0}
COCO_FILE = "instances.json"


def measure_export(folder: Path, *, repeats: int) -> list[Row]:
    """Measure each mask set; the times are per mask."""
    return [row for name in MASK_SETS for row in _measure_set(name, folder / f"export-{name}", repeats)]
