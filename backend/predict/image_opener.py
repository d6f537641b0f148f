"""From the URI in a task to an image that is fetched, opened and decoded."""

from __future__ import annotations

from functools import partial

from backend.errors import BadImage
from backend.fetching import show_url
from backend.images import DecodedImages, SourceImage
from backend.label_studio.requests import TaskImage
from backend.predict.ports import Fetcher
from backend.runtime import Deadline, stage
from backend.values import Priority


class ImageOpener:
    """The images of tasks.

    Args:
        fetcher: Brings the bytes of an image URI.
        images: Keeps the last images decoded.
    """

    def __init__(self, fetcher: Fetcher, images: DecodedImages) -> None:
        self._fetcher, self._images = fetcher, images

    def fetch(self, image: TaskImage, *, prefetch: bool = False, wait_seconds: float | None = None) -> SourceImage:
        """Fetch and open an image of a task.

        Args:
            prefetch: The image is prefetched, so it must not evict what is in use.
            wait_seconds: Timeout; the download continues in the background after it.

        Raises:
            ImageUnavailable, ImageForbidden, BadImage: It cannot be fetched, or is not an image.
        """
        open_image = partial(self._images.open, name=show_url(image.uri), prefetch=prefetch)
        with stage("fetch"):
            data = self._fetcher.fetch(
                image.uri,
                image.task_id,
                image.project_id,
                prefetch=prefetch,
                wait_seconds=wait_seconds,
                check=open_image,  # before the bytes are cached
            )
        return open_image(data)

    def decode(self, image: SourceImage, priority: Priority, deadline: Deadline) -> None:
        """Decode the image on one of the threads for that; the next request fetches it again if it is damaged."""
        try:
            self._images.decode(image, priority, deadline)
        except BadImage:
            self._fetcher.forget(image.data)
            raise

    def decode_here(self, image: SourceImage) -> None:
        """Decode the image on this thread; otherwise as `decode`."""
        try:
            self._images.decode_here(image)
        except BadImage:
            self._fetcher.forget(image.data)
            raise
