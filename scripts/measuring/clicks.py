"""Clicks: encoding an image, a click on it, and the return to an earlier image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson

from backend.engine import EncodedImage
from backend.label_studio.requests import PredictRequest, parse_body, parse_predict_body, parse_predict_request
from backend.values import Prompt
from scripts.measuring.place import CLASSES_AND_MASKS, MASKS_ONLY, Json, Picture, build_body
from scripts.measuring.subjects import Subject
from scripts.measuring.timing import Row, build_row, compare, time_ms

PREDICT = "SamPredictor.predict(multimask_output=True)"


def measure_model(subject: Subject, picture: Picture, *, encodes: int, repeats: int) -> list[Row]:
    """Measure SAM alone: the encoder, and the decoder on an encoded image."""
    pixels, peer = picture.scene.pixels, subject.new_peer()
    embedding = subject.segmenter.encode(pixels)
    peer.set_image(pixels)
    prompt, click = Prompt((picture.click,), (1,)), _peer_click(peer, picture)
    group = f"SAM {subject.name}"
    return [
        compare(
            group,
            "encode an image",
            lambda: subject.segmenter.encode(pixels),
            "SamPredictor.set_image",
            lambda: subject.new_peer().set_image(pixels),
            repeats=encodes,
        ),
        compare(
            group,
            "decode a click to the best mask",
            lambda: subject.segmenter.decode(embedding, prompt, max_masks=1),
            PREDICT,
            click,
            repeats=repeats,
        ),
        compare(
            group,
            "decode a click to all three masks",
            lambda: subject.segmenter.decode(embedding, prompt),
            PREDICT,
            click,
            repeats=repeats,
        ),
    ]


def measure_click(subject: Subject, pictures: Sequence[Picture], *, repeats: int, aim: float) -> list[Row]:
    """Measure a click without HTTP, from the parsed request to the JSON, on an encoded image."""
    picture, group = pictures[0], f"A click, SAM {subject.name}"
    peer = subject.new_peer()
    peer.set_image(picture.scene.pixels)
    rows = [
        compare(
            group,
            "warm click: mask as brush RLE in JSON",
            build_click(subject, build_body(picture, MASKS_ONLY)),
            PREDICT,
            _peer_click(peer, picture),
            repeats=repeats,
            aim=aim,
            remark="the peer stops at its arrays; here the RLE and the JSON are included",
        )
    ]
    if subject.predictor.labeler.can_classify:
        with_class = build_click(subject, build_body(picture, CLASSES_AND_MASKS))
        rows.append(
            compare(
                group,
                "warm click: mask and class",
                with_class,
                PREDICT,
                _peer_click(peer, picture),
                repeats=repeats,
                remark=f"the peer gives no class; CLIP encodes {_count_clip(subject, with_class)}",
            )
        )
    return rows


def _count_clip(subject: Subject, click: Callable[[], object]) -> str:
    """Count the runs of CLIP's image encoder in a click, and its crops."""
    batches: list[int] = []
    visual = subject.predictor.labeler._classifier._clip.model.visual  # type: ignore[union-attr]
    hook = visual.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    click()
    hook.remove()
    return f"{sum(batches)} crop(s) in {len(batches)} forward(s)"


def measure_next_click(subject: Subject, picture: Picture, *, repeats: int) -> Row:
    """Measure the fourth click of an object, at a new place in each repeat, so that no cached answer helps."""
    labeler, encoded = subject.predictor.labeler, _encode(subject, picture)
    (x, y), mine_ms, peer_ms = picture.click, [], []
    for repeat in range(repeats + 1):
        coords = tuple((x + shift * (repeat + 1) / (repeats + 1), y + shift) for shift in (0, 3, -3, 2))
        first = [Prompt(coords[:count], (1, 0, 1, 0)[:count]) for count in (1, 2, 3)]
        peer_ms.append(time_ms(partial(labeler.segment, encoded, first[0])))
        labeler.segment(encoded, first[1]), labeler.segment(encoded, first[2])
        mine_ms.append(time_ms(partial(labeler.segment, encoded, Prompt(coords, (1, 0, 1, 0)))))
    return build_row(
        f"A click, SAM {subject.name}",
        "the fourth click of an object",
        mine_ms[1:],
        peer="its first click",
        peer_ms=peer_ms[1:],
        remark="each costs one decode, with a mask prompt from the second on",
    )


def measure_return(subject: Subject, pictures: Sequence[Picture], *, repeats: int) -> Row:
    """Measure image A, image B and A again, against a server that caches one image, as Label Studio's SAM example."""
    here, there = (build_click(subject, build_body(picture, MASKS_ONLY)) for picture in pictures[:2])
    peer, encodes = subject.new_peer(), CountedEncodes(subject)
    mine_ms, peer_ms = [], []
    for _ in range(repeats):
        here(), there()
        mine_ms.append(time_ms(here))
        peer_ms.append(time_ms(lambda: _set_and_click(peer, pictures[0])))
    return build_row(
        f"A click, SAM {subject.name}",
        "first click back on image A, after B",
        mine_ms,
        peer="one cached image: set_image + predict",
        peer_ms=peer_ms,
        remark=f"{encodes.stop()} encodes here in {repeats} ways there and back, {2 * repeats} by the peer",
    )


class CountedEncodes:
    """Counter of the images that the backend's encoder processes until `stop`."""

    def __init__(self, subject: Subject) -> None:
        self._count = 0
        encoder = subject.predictor.labeler._segmenter._sam.model.image_encoder  # type: ignore[attr-defined]
        self._hook = encoder.register_forward_hook(self._add)

    def _add(self, *_: object) -> None:
        self._count += 1

    def stop(self) -> int:
        self._hook.remove()
        return self._count


def build_click(subject: Subject, body: Json | bytes) -> Callable[[], object]:
    """Build a click on an encoded image, without the server's timeout."""
    request = parse_request(body if isinstance(body, bytes) else orjson.dumps(body))
    (task,), config, asked = request.tasks, request.config, request.request
    if asked is None:
        raise ValueError("The body asks for nothing.")
    subject.predictor.warm(subject.predictor.fetch_image(task.images[0]))

    def answer() -> bytes:
        return orjson.dumps({"results": [subject.predictor.predict(task, config, asked)]})

    return answer


def _encode(subject: Subject, picture: Picture) -> EncodedImage:
    task = parse_request(orjson.dumps(build_body(picture, MASKS_ONLY))).tasks[0]
    image = subject.predictor.fetch_image(task.images[0])
    return EncodedImage(image, subject.segmenter.encode(image.pixels))


def parse_request(body: bytes) -> PredictRequest:
    return parse_predict_request(parse_predict_body(parse_body(body)))


def _peer_click(peer: Any, picture: Picture) -> Callable[[], object]:
    coords, labels = np.array([picture.click]), np.array([1])
    return lambda: peer.predict(point_coords=coords, point_labels=labels, multimask_output=True)


def _set_and_click(peer: Any, picture: Picture) -> None:
    peer.set_image(picture.scene.pixels)
    _peer_click(peer, picture)()
