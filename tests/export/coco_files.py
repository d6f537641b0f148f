"""COCO files for the tests: written by the writer, read as JSON and by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from backend.export import LabeledImage
from backend.export.writers.coco import CocoWriter
from tests.export.sets import CATEGORIES, write


def coco_of(
    images: Sequence[LabeledImage], categories: tuple[str, ...] = CATEGORIES, tolerance: float | None = None
) -> dict[str, Any]:
    """Write the images and return `instances.json`."""
    with tempfile.TemporaryDirectory() as folder:
        write(CocoWriter(tolerance), Path(folder, "out"), images, categories)
        document: dict[str, Any] = json.loads(Path(folder, "out", "instances.json").read_bytes())
        return document


def load(document: dict[str, Any], folder: Path) -> COCO:
    path = folder / "judged.json"
    path.write_text(json.dumps(document))
    return load_file(path)


def load_file(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def judge_itself(truth: COCO, kind: str) -> COCOeval:
    """Evaluate a data set against itself, with as many detections a picture as there are regions."""
    detections = [{**entry, "score": 1.0} for entry in truth.dataset["annotations"]]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(detections), kind)
        most = max(len(truth.getAnnIds(imgIds=[number])) for number in truth.getImgIds())
        evaluation.params.maxDets = [1, 10, max(100, most)]
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation
