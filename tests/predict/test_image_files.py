"""Image files on their way to an answer: bad downloads, rotated photos, slow decoding."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from backend.errors import BadImage, Overloaded
from backend.fetching import ImageFetcher
from backend.images import source_image
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import ClassifyImage, FindText, SegmentAll, TaskImage, parse_prompted_task
from backend.label_studio.results import decode_brush
from backend.runtime import Deadline
from backend.values import Candidate, ImageEmbedding, Mask, Pixels, Priority, Prompt, ReviseLogits, Size
from tests.fakes import (
    CONFIG,
    CONFIG_WITH_IMAGE_CHOICES,
    OPTIONS,
    FakeClassifier,
    FakeSegmenter,
    Hall,
    keypoint,
    noise_png,
    png,
    rectangle,
)
from tests.images.files import ORIENTED_FORMATS, encode_image, exif_block, upright
from tests.servers import Answer, LocalServer, Seen
from tests.tokens import LEGACY

UPLOAD = "/data/upload/2/a.png"
LOCAL = "/data/local-files/?d=a.png"
LOGIN_PAGE = b"<!doctype html><title>Log in</title>"
GOOD = noise_png(40, 30, 1)
CUT_OFF = noise_png(64, 64, 0)[:5000]


class Replies:
    """A server's replies with status 200, one after the other; the last one again and again."""

    def __init__(self, server: LocalServer, *bodies: bytes) -> None:
        self.server, self._bodies = server, list(bodies)
        server.respond = self

    def __call__(self, seen: Seen, handler: object) -> Answer:
        body = self._bodies.pop(0) if len(self._bodies) > 1 else self._bodies[0]
        etag = f'"{len(body)}"'
        return (304, {}, b"") if seen.headers.get("if-none-match") == etag else (200, {"ETag": etag}, body)

    def hall(self) -> Hall:
        return Hall(fetcher=ImageFetcher(self.server.url, LEGACY, frozenset(), 1 << 20, 5.0))


@pytest.mark.parametrize("bad", [LOGIN_PAGE, CUT_OFF], ids=["a login page", "a file that is cut off"])
@pytest.mark.parametrize("uri", [UPLOAD, LOCAL])
def test_a_bad_download_costs_one_click(start_server: Callable[[], LocalServer], uri: str, bad: bytes) -> None:
    replies = Replies(start_server(), bad, GOOD)
    hall = replies.hall()
    size = (64, 64) if bad is CUT_OFF else (40, 30)
    with pytest.raises(BadImage, match=r"is not an image|is damaged or truncated"):
        hall.document(keypoint(50, 50, size=size), uri=uri)
    for _ in range(2):
        assert hall.document(keypoint(50, 50), uri=uri)["result"]
    assert len(replies.server.seen) == 2, "the good one is kept"


def test_an_image_that_stays_damaged_is_fetched_each_time_and_never_confirmed_as_unchanged(
    start_server: Callable[[], LocalServer],
) -> None:
    replies = Replies(start_server(), CUT_OFF)
    hall = replies.hall()
    for _ in range(3):
        with pytest.raises(BadImage, match="is damaged or truncated"):
            hall.document(keypoint(50, 50, size=(64, 64)), uri=LOCAL)
    assert [seen.headers.get("if-none-match") for seen in replies.server.seen] == [None] * 3


def test_a_damaged_image_that_is_prefetched_is_fetched_again_for_the_click(
    start_server: Callable[[], LocalServer],
) -> None:
    hall = Replies(start_server(), CUT_OFF, GOOD).hall()
    opened = hall.predictor.fetch_image(TaskImage("img", UPLOAD, 1, "3"), prefetch=True)
    with pytest.raises(BadImage):
        hall.predictor.warm(opened, priority=Priority.PREFETCH)
    assert hall.document(keypoint(50, 50), uri=UPLOAD)["result"]


class SameColour(FakeSegmenter):
    """The mask of a click is all that has nearly the colour under it."""

    def encode(self, pixels: Pixels) -> ImageEmbedding:
        self.pixels = pixels.astype(int)
        return super().encode(pixels)

    def decode(
        self,
        embedding: ImageEmbedding,
        prompt: Prompt,
        *,
        max_masks: int | None = None,
        revise: ReviseLogits | None = None,
    ) -> list[Candidate]:
        x, y = (int(value) for value in prompt.point_coords[0])
        mask: Mask = np.abs(self.pixels - self.pixels[y, x]).max(axis=2) < 40
        return [Candidate(mask, 0.9)]


@pytest.mark.parametrize("image_format", ORIENTED_FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_click_on_a_rotated_photo_gives_the_object_that_is_under_it(image_format: str, orientation: int) -> None:
    stored = np.full((48, 80, 3), 30, np.uint8)
    stored[16:32, 48:64] = (240, 60, 60)
    thing = upright((stored == 240).any(axis=2), orientation)
    hall = Hall(segmenter=SameColour(), files={"a": encode_image(stored, image_format, exif_block(orientation))})
    height, width = thing.shape
    y, x = np.argwhere(thing).mean(axis=0) + 0.5
    click = keypoint(100 * x / width, 100 * y / height, size=(width, height))
    document = hall.document(click, uri="a")
    assert (decode_brush(document["result"][0]["value"]["rle"], Size(width, height)) == thing).all()


REQUESTS = {
    "a click": ([keypoint(50, 50)], ClassifyImage()),
    "a click whose label CLIP picks": ([keypoint(50, 50, "AUTO")], ClassifyImage()),
    "a box": ([rectangle(10, 10, 50, 50)], ClassifyImage()),
    "a text": ([], FindText(("dog",), OPTIONS)),
    "everything": ([], SegmentAll(OPTIONS)),
    "the class of the image": ([], ClassifyImage()),
}


@pytest.fixture
def decoding_threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the threads that decoded an image."""
    names: list[str] = []
    decode = source_image.decode_pixels

    def record(*arguments: object) -> Pixels:
        names.append(threading.current_thread().name)
        return decode(*arguments)

    monkeypatch.setattr(source_image, "decode_pixels", record)
    return names


@pytest.mark.parametrize(("prompts", "request_"), REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("embedding_is_cached", [False, True])
def test_no_thread_of_the_models_decodes_an_image(
    prompts: list[dict], request_: object, embedding_is_cached: bool, decoding_threads: list[str]
) -> None:
    hall = Hall(classifier=FakeClassifier(looks=["dog"]))
    xml = CONFIG_WITH_IMAGE_CHOICES
    if embedding_is_cached:
        hall.fetcher.files["copy.png"] = hall.fetcher.files["a.png"]  # under another name its pixels are not cached
        hall.predictor.warm(hall.predictor.fetch_image(TaskImage("img", "copy.png", 1, "3")))
        assert len(hall.segmenter.encoded) == 1
        decoding_threads.clear()
    assert hall.document(*prompts, xml=xml, request=request_)["result"]
    assert len(decoding_threads) == 1 and decoding_threads[0].startswith("decoding-")


def test_a_click_that_needs_only_sam_does_not_decode_an_image_whose_embedding_is_cached(
    decoding_threads: list[str],
) -> None:
    hall = Hall(classifier=FakeClassifier())
    without_classes = CONFIG[: CONFIG.index("<Choices")] + "</View>"
    hall.document(keypoint(50, 50), xml=without_classes)
    hall.fetcher.files["b.png"] = hall.fetcher.files["a.png"]  # another name: its pixels are not cached
    decoding_threads.clear()
    assert hall.document(keypoint(50, 50), xml=without_classes, uri="b.png")["result"]
    assert decoding_threads == []


def test_a_click_waits_for_decoding_only_until_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    decode = source_image.decode_pixels

    def decode_slowly(*arguments: object) -> Pixels:
        assert go.wait(60)
        return decode(*arguments)

    monkeypatch.setattr(source_image, "decode_pixels", decode_slowly)
    hall, config = Hall(), parse_labeling_config(CONFIG)
    task, click = parse_prompted_task(
        {"id": 1, "data": {"photo": "a.png"}}, config, [keypoint(50, 50)], None, project_id="3"
    )
    started = time.monotonic()
    with pytest.raises(Overloaded, match="in the decoding queue"):
        hall.predictor.predict(task, config, click, deadline=Deadline.after(1.0))
    assert time.monotonic() - started < 30
    go.set()
    assert hall.predictor.predict(task, config, click)


def test_a_rotated_jpeg_with_a_malformed_tag_is_answered() -> None:
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, "JPEG", exif=b"Exif\0\0" + exif_block(6, (0x011A, 2, 1, 65)))
    assert Hall(files={"a": file.getvalue()}).document(keypoint(50, 50, size=(30, 40)), uri="a")["result"]


def test_the_bytes_of_a_good_image_are_not_forgotten() -> None:
    hall = Hall(files={"a.png": png(40, 30)})
    hall.document(keypoint(50, 50))
    assert hall.fetcher.forgotten == []
