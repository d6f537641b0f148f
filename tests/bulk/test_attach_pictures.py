"""Pictures of a data set: in order, checked, resumed; one that cannot be had costs its task and no other."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from backend.bulk import PictureCounts, PictureSource, attach_pictures
from backend.bulk.attach_pictures import DECODE_THREADS
from backend.errors import ExportError, ImageForbidden, ImageUnavailable
from backend.export import ExportFolder, LabeledImage, PictureCache
from backend.images import SourceImage
from backend.values import Size
from tests.images.files import encode_image, exif_block

SIZE = Size(6, 4)


def picture(uri: str) -> bytes:
    return encode_image(np.full((4, 6, 3), hashlib.sha256(uri.encode()).digest()[0], np.uint8), "PNG")


def image(number: int, uri: str = "", name: str = "") -> LabeledImage:
    uri = uri or f"/data/{number}.png"
    return LabeledImage(name or f"{number}-task{number}.png", SIZE, number, 1, image_uri=uri, image_id=number)


class Site:
    """What the pictures are fetched from."""

    def __init__(self, reply: Callable[[str], bytes] = picture) -> None:
        self.reply, self.asked, self._lock = reply, Counter[str](), threading.Lock()

    def fetch(self, image: LabeledImage) -> bytes:
        with self._lock:
            self.asked[image.image_uri] += 1
        return self.reply(image.image_uri)

    def source(self, folder: Path) -> PictureSource:
        return PictureSource(self.fetch, SourceImage, PictureCache(folder, "here"))


def gone(uri: str) -> ImageUnavailable:
    return ImageUnavailable(f"host returned HTTP 404 for {uri}.", remedy="Check that the image still exists there.")


def test_each_image_gets_its_own_bytes_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    first_may_end, counts = threading.Event(), PictureCounts()

    def slow_at_first(uri: str) -> bytes:
        if uri == "/data/0.png":
            assert first_may_end.wait(10)
        if uri == "/data/5.png":
            first_may_end.set()  # the others overtake the first one
        return picture(uri)

    images = [image(number) for number in range(50)]
    attached = list(attach_pictures(iter(images), Site(slow_at_first).source(tmp_path), counts, threads=4))
    assert [one.task_id for one in attached] == list(range(50))
    assert [one.picture and one.picture.read_bytes() for one in attached] == [picture(one.image_uri) for one in images]
    assert [one.file_name for one in attached] == [one.file_name for one in images]
    assert (counts.fetched, counts.resumed, counts.turned, counts.renamed, counts.failures) == (50, 0, 0, 0, [])


def test_only_a_few_tasks_are_read_ahead(tmp_path: Path) -> None:
    read = 0

    def images() -> Iterator[LabeledImage]:
        nonlocal read
        for number in range(1000):
            read = number
            yield image(number)

    stream = attach_pictures(images(), Site().source(tmp_path), PictureCounts(), threads=2)
    for number, _ in zip(range(20), stream, strict=False):
        assert read <= number + 9
    stream.close()


def test_pictures_are_decoded_on_two_threads_so_that_their_pixels_stay_few(tmp_path: Path) -> None:
    decoding, site = set[str](), Site()

    def open_picture(content: bytes, name: str) -> SourceImage:
        decoding.add(threading.current_thread().name)
        return SourceImage(content, name)

    source = PictureSource(site.fetch, open_picture, PictureCache(tmp_path, "here"))
    assert len(list(attach_pictures([image(number) for number in range(60)], source, PictureCounts()))) == 60
    assert 1 <= len(decoding) <= DECODE_THREADS == 2


def test_a_picture_that_cannot_be_had_leaves_out_its_whole_task_and_no_other(tmp_path: Path) -> None:
    def reply(uri: str) -> bytes:
        if uri == "/gone.png":
            raise gone(uri)
        return picture(uri) if uri != "/page.html" else b"<html>Please log in</html>"

    images = [image(1), image(2), image(2, "/gone.png"), image(3, "/page.html"), image(4)]
    counts = PictureCounts()
    attached = list(attach_pictures(images, Site(reply).source(tmp_path), counts))
    assert [one.task_id for one in attached] == [1, 4]
    assert counts.failures[0] == (
        "task 2: host returned HTTP 404 for /gone.png. Check that the image still exists there."
    )
    assert counts.failures[1].startswith("task 3: /page.html is not an image: 26 bytes")


def test_a_picture_of_another_size_than_its_regions_is_refused(tmp_path: Path) -> None:
    counts = PictureCounts()
    site = Site(lambda _: encode_image(np.zeros((6, 4, 3), np.uint8), "PNG"))
    assert list(attach_pictures([image(7)], site.source(tmp_path), counts)) == []
    assert counts.failures == [
        "task 7: /data/7.png has 4x6 pixels, but the regions were drawn on 6x4. The picture was replaced after it was "
        "annotated. Restore it, or annotate the task again."
    ]
    assert not tmp_path.exists() or list(tmp_path.iterdir()) == []


def test_a_truncated_picture_is_refused(tmp_path: Path) -> None:
    counts = PictureCounts()
    data = encode_image(np.random.default_rng(0).integers(0, 255, (4, 6, 3), np.uint8), "PNG")
    assert list(attach_pictures([image(7)], Site(lambda _: data[:-40]).source(tmp_path), counts)) == []
    assert counts.failures[0].startswith("task 7: /data/7.png is damaged or truncated")


def test_a_turned_photograph_becomes_an_upright_png_and_a_lying_name_gets_its_true_suffix(tmp_path: Path) -> None:
    photo = encode_image(np.zeros((6, 4, 3), np.uint8), "JPEG", exif_block(6))  # 6x4 upright
    plain = encode_image(np.zeros((4, 6, 3), np.uint8), "JPEG")
    site = Site(lambda uri: {"/photo.jpg": photo, "/plain.png": plain}[uri])
    images = [image(1, "/photo.jpg", "photo-task1.jpg"), image(2, "/plain.png", "plain-task2.png")]
    for counts in (PictureCounts(), PictureCounts()):  # the second time from the cache
        turned, renamed = attach_pictures(images, site.source(tmp_path), counts)
        assert (turned.file_name, renamed.file_name) == ("photo-task1.png", "plain-task2.jpg")
        assert turned.picture is not None and renamed.picture is not None
        assert turned.picture.read_bytes().startswith(b"\x89PNG")
        assert renamed.picture.read_bytes() == plain
        assert (counts.turned, counts.renamed) == (1, 2)
    assert site.asked.total() == 2


def test_an_export_that_failed_is_continued_with_the_pictures_that_it_has(tmp_path: Path) -> None:
    site, images = Site(), [image(number) for number in range(10)]
    folder = ExportFolder(tmp_path / "birds")
    with pytest.raises(ConnectionResetError), folder:
        for number, _ in enumerate(attach_pictures(images[:6], site.source(folder.pictures), PictureCounts())):
            if number == 5:
                raise ConnectionResetError
    assert [path.name for path in tmp_path.iterdir()] == ["birds.pictures"]
    counts, again = PictureCounts(), ExportFolder(tmp_path / "birds")
    with again as staging:
        for one in attach_pictures(images, site.source(again.pictures), counts):
            assert one.picture is not None
            os.link(one.picture, staging / one.file_name)
    assert (counts.resumed, counts.fetched) == (6, 4)
    assert set(site.asked.values()) == {1}
    assert [path.name for path in tmp_path.iterdir()] == ["birds"]
    assert (tmp_path / "birds" / "7-task7.png").read_bytes() == picture("/data/7.png")


@pytest.mark.parametrize("left", [b"", b"\x89PNG\r\n\x1a\n", encode_image(np.zeros((9, 9, 3), np.uint8), "PNG")])
def test_a_kept_file_that_is_not_the_picture_is_fetched_again(tmp_path: Path, left: bytes) -> None:
    PictureCache(tmp_path, "here").put("/data/1.png", left, ".png")
    counts = PictureCounts()
    (one,) = attach_pictures([image(1)], Site().source(tmp_path), counts)
    assert one.picture is not None and one.picture.read_bytes() == picture("/data/1.png")
    assert (counts.fetched, counts.resumed) == (1, 0)


def test_a_network_that_is_down_stops_the_export_and_lost_pictures_do_not(tmp_path: Path) -> None:
    def down(uri: str) -> bytes:
        raise ImageUnavailable(
            f"{uri} could not be fetched from host: ConnectionError.", remedy="Check."
        ) from OSError()

    def lost(uri: str) -> bytes:
        raise gone(uri)

    def forbidden(uri: str) -> bytes:
        raise ImageForbidden("No.", remedy="None.") from OSError()

    images, counts = [image(number) for number in range(1, 61)], PictureCounts()
    with pytest.raises(ImageUnavailable) as caught:
        list(attach_pictures(images, Site(down).source(tmp_path), counts))
    assert caught.value.message.startswith(
        "20 pictures in a row could not be fetched. The last one: task 20: /data/20.png could not be fetched"
    )
    assert "Run the same command again" in caught.value.remedy
    for reply in (lost, forbidden):
        counts = PictureCounts()
        assert list(attach_pictures(images, Site(reply).source(tmp_path), counts)) == []
        assert len(counts.failures) == 60


def test_a_disk_that_is_full_stops_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("backend.export.files.os.fsync", full)
    with pytest.raises(ExportError, match=r"\.png could not be written: No space left on device\."):
        list(attach_pictures([image(1)], Site().source(tmp_path), PictureCounts()))
    assert list(tmp_path.iterdir()) == []
