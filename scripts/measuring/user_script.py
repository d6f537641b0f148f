"""A project's images through the pipeline, against the script that a user would write with the same models."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import requests
from label_studio_sdk import LabelStudio
from label_studio_sdk.converter.brush import mask2rle
from PIL import Image

from backend.bulk import PipelineRunner, build_task_pipeline
from backend.label_studio.api import PredictionClient
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import SegmentAll
from scripts.measuring.automatic_masks import DEFAULT_BATCH, build_generator
from scripts.measuring.bulk import ClipLoop, class_vocabulary
from scripts.measuring.place import CLASSES_AND_MASKS, Picture, run_server
from scripts.measuring.subjects import Subject
from scripts.measuring.timing import Row, build_row, time_ms

Json = dict[str, Any]
TOKEN = "0" * 40  # of the legacy kind, which is sent as it is
VERSION = "bench"


def measure_user_script(
    subject: Subject, pictures: Sequence[Picture], *, repeats: int, aim: float | None = None
) -> Row:
    """Measure both on the same pictures, from their URIs to imported predictions.

    On a CPU it is CPU time, because a fair script would keep one core busy, too. Neither side waits for Label Studio:
    what answers the import only reads it.
    """
    clock = "cpu" if next(subject.sam.parameters()).device.type == "cpu" else "wall"
    with accept_predictions() as url:
        script = UserScript(subject, url)
        project = ProjectThroughPipeline(subject, url)
        script.run(pictures[:1])
        project.run(pictures[:1])
        mine_ms, peer_ms = [], []
        for _ in range(repeats):
            mine_ms.append(time_ms(partial(project.run, pictures), clock) / len(pictures))
            peer_ms.append(time_ms(partial(script.run, pictures), clock) / len(pictures))
    return build_row(
        "Pre-annotation",
        f"an image of {pictures[0].scene.size} from its URI to the import, SAM {subject.name}",
        mine_ms,
        peer="a script: SamAutomaticMaskGenerator, CLIP loop, mask2rle, import by label_studio_sdk",
        peer_ms=peer_ms,
        aim=aim,
        remark=f"{script.masks / script.images:.1f} masks an image, same parameters; {clock} time of one process",
    )


class ProjectThroughPipeline:
    """Our side: the stages of `scripts.preannotate` in one process, and one import."""

    def __init__(self, subject: Subject, url: str) -> None:
        config = parse_labeling_config(CLASSES_AND_MASKS)
        steps = subject.predictor.stages(config, SegmentAll(), uses_cache=False)
        self._key, self._runner = config.images[0].data_key, PipelineRunner(build_task_pipeline(steps))
        self._client = PredictionClient(url, TOKEN)

    def run(self, pictures: Sequence[Picture]) -> None:
        """Predict all pictures and import them."""
        tasks = [{"id": number, "data": {self._key: picture.uri}} for number, picture in enumerate(pictures)]
        documents = []
        for outcome in self._runner(tasks):
            if outcome.error is not None:
                raise outcome.error
            named = {**(outcome.prediction or {}), "task": outcome.task["id"], "model_version": VERSION}
            documents.append(json.dumps(named).encode())
        self._client.import_documents("1", documents)


class UserScript:
    """The peer: an image after the other through the libraries, as their examples show it."""

    def __init__(self, subject: Subject, url: str) -> None:
        self._generator = build_generator(subject.sam, subject.predictor.default_proposal(), DEFAULT_BATCH)
        self._names = [label.name for label in class_vocabulary()]
        self._loop = ClipLoop(subject, self._names)
        self._sdk = LabelStudio(base_url=url, api_key=TOKEN)
        self._files = subject.settings.label_studio_url
        self.images = self.masks = 0

    def run(self, pictures: Sequence[Picture]) -> None:
        """Predict each picture and import it."""
        for number, picture in enumerate(pictures):
            content = requests.get(f"{self._files}{picture.uri}", timeout=60).content
            pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
            records: list[Any] = self._generator.generate(pixels)
            names = self._loop.classify(pixels, [record["segmentation"] for record in records])
            results = [self._result(record, name) for record, name in zip(records, names, strict=True)]
            self._sdk.predictions.create(task=number, model_version=VERSION, result=results, score=1.0)
            self.images, self.masks = self.images + 1, self.masks + len(records)

    def _result(self, record: Json, name: str) -> Json:
        mask = record["segmentation"]
        return {
            "type": "brushlabels",
            "from_name": "mask",
            "to_name": "image",
            "original_width": mask.shape[1],
            "original_height": mask.shape[0],
            "value": {"format": "rle", "rle": mask2rle(mask.astype(np.uint8) * 255), "brushlabels": [name]},
        }


@contextmanager
def accept_predictions() -> Iterator[str]:
    """Serve what accepts predictions and answers as Label Studio does; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            content = json.dumps({"id": 1, "task": 1, "result": [], "created": 1}).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with run_server(Handler) as url:
        yield url
