"""The cache of decoded images, and the threads that decode them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from backend.errors import BadImage, ClientDisconnected, Overloaded
from backend.images import DecodedImages, source_image
from backend.runtime import Deadline
from backend.values import Pixels, Priority
from tests.fakes import noise_png, png


class SlowDecoder:
    """Decodes when it is let go, and counts the images that are decoded at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.threads = threading.Event(), list[str]()
        self.at_once = self.max_at_once = 0
        self._started = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._decode = source_image.decode_pixels
        monkeypatch.setattr(source_image, "decode_pixels", self)

    def __call__(self, data: bytes, name: str, max_scans: int) -> Pixels:
        with self._lock:
            self.threads.append(threading.current_thread().name)
            self.at_once += 1
            self.max_at_once = max(self.max_at_once, self.at_once)
        self._started.release()
        assert self.go.wait(10)
        with self._lock:
            self.at_once -= 1
        return self._decode(data, name, max_scans)

    def wait_until_started(self) -> None:
        assert self._started.acquire(timeout=10)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowDecoder:
    return SlowDecoder(monkeypatch)


def test_a_decoded_image_is_not_decoded_again(slow: SlowDecoder) -> None:
    images = DecodedImages(10**6, 10**6)
    image = images.open(noise_png(40, 30, 1), "a")
    slow.go.set()
    for _ in range(3):
        images.decode(image)
    assert image.is_decoded and len(slow.threads) == 1


def test_few_images_are_decoded_at_once_however_many_are_asked_for(slow: SlowDecoder) -> None:
    images = DecodedImages(10**6, 10**6)
    opened = [images.open(noise_png(40, 30, seed), "a") for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(images.decode, image) for image in opened]
        slow.wait_until_started()
        slow.wait_until_started()
        slow.go.set()
        for future in done:
            future.result(10)
    assert slow.max_at_once == 2 and len(slow.threads) == 8


def test_a_click_does_not_wait_for_images_that_are_prefetched(slow: SlowDecoder) -> None:
    images = DecodedImages(10**6, 10**6)
    ahead = [images.open(noise_png(40, 30, seed), "a") for seed in range(3)]
    clicked = images.open(noise_png(40, 30, 9), "b")
    with ThreadPoolExecutor(4) as pool:
        for image in ahead:
            pool.submit(images.decode, image, Priority.PREFETCH)
        slow.wait_until_started()
        click = pool.submit(images.decode, clicked, Priority.CLICK)
        slow.wait_until_started()  # the second thread takes the click, not the next image
        slow.go.set()
        click.result(10)
    assert slow.threads[:2].count("decoding-0") == 1


def test_an_image_that_is_decoded_too_slowly_is_given_up_at_the_deadline(slow: SlowDecoder) -> None:
    images = DecodedImages(10**6, 10**6)
    image = images.open(noise_png(40, 30, 1), "a")
    with pytest.raises(Overloaded, match=r"Timed out after 0 s in the decoding queue"):
        images.decode(image, Priority.CLICK, Deadline.after(0.1))
    with pytest.raises(ClientDisconnected):
        images.decode(image, Priority.CLICK, Deadline.after(10, lambda: True))
    slow.go.set()
    images.decode(image)
    assert len(slow.threads) == 1, "what was begun is used"


def test_a_damaged_image_is_evicted_and_decoded_once(slow: SlowDecoder) -> None:
    images = DecodedImages(10**6, 10**6)
    data = noise_png(64, 64, 0)[:5000]
    image = images.open(data, "a.png")
    slow.go.set()
    for _ in range(2):
        with pytest.raises(BadImage, match=r"a\.png is damaged or truncated after 5000 bytes"):
            images.decode(image)
    assert len(slow.threads) == 1
    assert images.open(data, "a.png") is not image


def test_an_image_of_another_size_than_it_says_is_a_bad_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_image, "decode_pixels", lambda *_: np.zeros((2, 3, 3), np.uint8))
    images = DecodedImages(10**6, 10**6)
    with pytest.raises(BadImage, match=r"a says that it has 4x4 pixels, but has 3x2"):
        images.decode(images.open(png(4, 4), "a"))
