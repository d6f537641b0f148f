"""Pictures for a stream of labeled images: fetched in parallel, checked, and kept on this disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby

from backend.errors import BackendError, BadImage, ExportError, ImageForbidden, ImageUnavailable
from backend.export import LabeledImage, PictureCache
from backend.images import PictureFile, SourceImage, build_picture_file, rename_to_type

FETCH_THREADS = 8
DECODE_THREADS = 2  # of their own: 12 megapixels take 120 MB, much of which the C library keeps for each thread
MAX_UNREACHABLE = 20  # pictures in a row without any reply, after which the network is taken to be down
UPRIGHT = "-upright"

FetchPicture = Callable[[LabeledImage], bytes]
OpenPicture = Callable[[bytes, str], SourceImage]


@dataclass
class PictureCounts:
    """What became of the pictures, complete when the stream has ended.

    Attributes:
        fetched: Number of pictures that were downloaded.
        resumed: Number of pictures that an export that failed had left.
        turned: Number of pictures that were written anew as upright PNGs.
        renamed: Number of pictures whose name had the suffix of another type.
        failures: Tasks that lack a picture and are left out, each with its name and the reason.
    """

    fetched: int = 0
    resumed: int = 0
    turned: int = 0
    renamed: int = 0
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Attached:
    image: LabeledImage
    was_resumed: bool
    was_turned: bool
    was_renamed: bool


class PictureSource:
    """Source of the pictures of labeled images. Thread-safe.

    Args:
        fetch: Fetches the encoded bytes of an image's picture.
        open_picture: Opens encoded bytes with a name for messages, within the limits of the settings.
        cache: Where the pictures are kept.
    """

    def __init__(self, fetch: FetchPicture, open_picture: OpenPicture, cache: PictureCache) -> None:
        self._fetch, self._open, self._cache = fetch, open_picture, cache

    def attach(self, image: LabeledImage, decoding: Executor) -> _Attached:
        """Return the image with its picture.

        Args:
            decoding: Threads to decode on.

        Raises:
            ImageUnavailable, BadImage: It cannot be fetched, is damaged, or has another size than its regions.
            ExportError: It cannot be written.
        """
        path = self._cache.find(image.image_uri)
        was_resumed = path is not None and self._is_whole(path.read_bytes(), image)
        if path is None or not was_resumed:
            file = decoding.submit(self._build_file, self._fetch(image), image).result()
            suffix = f"{UPRIGHT if file.was_turned else ''}{file.suffix}"
            path = self._cache.put(image.image_uri, file.data, suffix)
        name = rename_to_type(image.file_name, path.suffix)
        attached = replace(image, picture=path, file_name=name)
        return _Attached(attached, was_resumed, path.stem.endswith(UPRIGHT), name != image.file_name)

    def _build_file(self, content: bytes, image: LabeledImage) -> PictureFile:
        picture = self._open(content, image.image_uri)
        check_size(picture, image)
        return build_picture_file(picture)

    def _is_whole(self, content: bytes, image: LabeledImage) -> bool:
        """Whether a kept picture fits; it was decoded before it was kept."""
        try:
            check_size(self._open(content, image.image_uri), image)
        except BadImage:
            return False
        return True


def check_size(picture: SourceImage, image: LabeledImage) -> None:
    """Raise `BadImage` unless the picture has the size that the regions were drawn on."""
    if picture.size != image.size:
        raise BadImage(
            f"{picture.name} has {picture.size} pixels, but the regions were drawn on {image.size}.",
            remedy="The picture was replaced after it was annotated. Restore it, or annotate the task again.",
        )


def attach_pictures(
    images: Iterable[LabeledImage], source: PictureSource, counts: PictureCounts, *, threads: int = FETCH_THREADS
) -> Iterator[LabeledImage]:
    """Yield the images with their pictures, in the same order.

    A task of which a picture cannot be had is left out as a whole, listed among the failures, and does not stop the
    others. About four tasks for each thread are read ahead.

    Raises:
        ImageUnavailable: `MAX_UNREACHABLE` pictures in a row got no reply, so all others would fail as well.
        ExportError: A picture cannot be written.
    """
    unreachable = 0
    for task_id, future in _work_ahead(images, source, threads):
        try:
            attached = future.result()
        except ExportError:
            raise
        except BackendError as error:
            counts.failures.append(f"task {task_id}: {error}")
            unreachable = unreachable + 1 if _got_no_reply(error) else 0
            if unreachable == MAX_UNREACHABLE:
                raise ImageUnavailable(
                    f"{unreachable} pictures in a row could not be fetched. The last one: task {task_id}: {error}",
                    remedy="Run the same command again when they can; it continues with the pictures that it has.",
                ) from error
            continue
        unreachable = 0
        for one in attached:
            counts.resumed += one.was_resumed
            counts.fetched += not one.was_resumed
            counts.turned += one.was_turned
            counts.renamed += one.was_renamed
            yield one.image


def _work_ahead(
    images: Iterable[LabeledImage], source: PictureSource, threads: int
) -> Iterator[tuple[int, Future[list[_Attached]]]]:
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
    decoding = ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="picture decoding")
    waiting: deque[tuple[int, Future[list[_Attached]]]] = deque()
    try:
        for task_id, group in groupby(images, lambda image: image.task_id):
            waiting.append((task_id, pool.submit(_attach_all, source, list(group), decoding)))
            if len(waiting) >= 4 * threads:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)
        decoding.shutdown()


def _attach_all(source: PictureSource, images: list[LabeledImage], decoding: Executor) -> list[_Attached]:
    return [source.attach(image, decoding) for image in images]


def _got_no_reply(error: BackendError) -> bool:
    """Whether the network is to blame: an answer such as HTTP 404 has no other error as its cause."""
    return isinstance(error, ImageUnavailable) and not isinstance(error, ImageForbidden) and error.__cause__ is not None
