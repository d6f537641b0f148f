"""The annotator's minute: encoding an image, a click on it, the way back to an image seen before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from backend.label_studio.brush_rle import encode_brush
from backend.label_studio.tasks import PredictRequest, parse_predict_request
from backend.values import Mask, Prompt
from scripts.measuring.place import CLASSES_AND_MASKS, MASKS_ONLY, Json, Picture, build_body
from scripts.measuring.subjects import Subject
from scripts.measuring.timing import Row, build_row, compare, time_ms

PREDICT = "SamPredictor.predict(multimask_output=True)"
REGIONS = 200


def measure_model(subject: Subject, picture: Picture, *, encodes: int, repeats: int) -> list[Row]:
    """SAM alone: the encoder, and the decoder on an image that is encoded."""
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
            lambda: subject.segmenter.decode(embedding, prompt, most=1),
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
    """A click inside the server, from the parsed request to finished JSON, on an image that is encoded."""
    picture, group = pictures[0], f"A click, SAM {subject.name}"
    peer = subject.new_peer()
    peer.set_image(picture.scene.pixels)
    rows = [
        compare(
            group,
            "warm click: mask as brush RLE in JSON",
            _click(subject, build_body(picture, MASKS_ONLY)),
            PREDICT,
            _peer_click(peer, picture),
            repeats=repeats,
            aim=aim,
            remark="the peer stops at its arrays; here the RLE and the JSON are included",
        )
    ]
    if subject.predictor.labeler.can_classify:
        rows.append(
            compare(
                group,
                "warm click: mask and class",
                _click(subject, build_body(picture, CLASSES_AND_MASKS)),
                PREDICT,
                _peer_click(peer, picture),
                repeats=repeats,
                remark="the peer gives no class",
            )
        )
    return rows


def measure_return(subject: Subject, pictures: Sequence[Picture], *, repeats: int) -> Row:
    """Image A, image B and back to A, beside a server that remembers one image, as Label Studio's SAM example does."""
    here, there = (_click(subject, build_body(picture, MASKS_ONLY)) for picture in pictures[:2])
    peer = subject.new_peer()
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
    )


def measure_payload(subject: Subject, picture: Picture, *, repeats: int) -> list[Row]:
    """The same click on a task that holds 200 finished regions, and what reading such a body costs."""
    masks = [candidate.mask for candidate in _some_masks(subject, picture)]
    regions = [_region(index, masks[index % len(masks)]) for index in range(REGIONS)]
    full = build_body(picture, MASKS_ONLY, [{"id": 1, "result": regions}])
    light, heavy = (orjson.dumps(body) for body in (build_body(picture, MASKS_ONLY), full))
    group = f"A click, SAM {subject.name}"
    megabytes = len(heavy) / 1e6
    return [
        compare(
            group,
            f"warm click on a task with {REGIONS} regions, once it is parsed",
            _click(subject, full),
            "the same without regions",
            _click(subject, build_body(picture, MASKS_ONLY)),
            repeats=repeats,
        ),
        compare(
            group,
            f"read and parse that body ({megabytes:.1f} MB)",
            lambda: _parse(heavy),
            f"a body without regions ({len(light) / 1e3:.1f} kB)",
            lambda: _parse(light),
            repeats=repeats,
        ),
    ]


def _click(subject: Subject, body: Json) -> Callable[[], object]:
    """A click whose image is encoded already, without the limit that the server sets for a piece of work."""
    request = parse_predict_request(body)
    subject.predictor.labeler.embed(subject.predictor.fetch_image(request.tasks[0]))

    def answer() -> bytes:
        return orjson.dumps({"results": [subject.predictor.predict_document(request.tasks[0], request.config)]})

    return answer


def _parse(body: bytes) -> PredictRequest:
    return parse_predict_request(orjson.loads(body))


def _peer_click(peer: Any, picture: Picture) -> Callable[[], object]:
    coords, labels = np.array([picture.click]), np.array([1])
    return lambda: peer.predict(point_coords=coords, point_labels=labels, multimask_output=True)


def _set_and_click(peer: Any, picture: Picture) -> None:
    peer.set_image(picture.scene.pixels)
    _peer_click(peer, picture)()


def _some_masks(subject: Subject, picture: Picture) -> list[Any]:
    embedding = subject.segmenter.encode(picture.scene.pixels)
    return subject.segmenter.decode(embedding, Prompt((picture.click,), (1,)))


def _region(index: int, mask: Mask) -> Json:
    height, width = mask.shape
    value = {"format": "rle", "rle": encode_brush(mask), "brushlabels": ["red"]}
    return {
        "id": f"region{index}",
        "type": "brushlabels",
        "from_name": "brush",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "value": value,
    }
