"""DecodedImages: the cache of decoded images, and the threads that decode them."""

from __future__ import annotations

from backend.errors import BadImage
from backend.images.source_image import MAX_SCANS, SourceImage
from backend.runtime import NO_DEADLINE, Deadline, LeastRecentlyUsed, PriorityExecutor
from backend.values import Priority

_THREADS = 2  # one takes up to 1.3 GB while it decodes 64 megapixels
_THREADS_FOR_CLICKS = 1


class DecodedImages:
    """LRU cache of decoded images within a byte budget, so that a warm click decodes nothing.

    The key is the encoded file itself: the byte cache returns the same `bytes` object each time and Python caches its
    hash, so a hit costs one dictionary look-up. Images are decoded on threads of their own, so that a slow one delays
    neither the models nor a request beyond its deadline.
    """

    def __init__(self, max_bytes: int, max_pixels: int, max_prefetched: int = 0, *, max_scans: int = MAX_SCANS) -> None:
        self._max_pixels, self._max_scans = max_pixels, max_scans
        self._images = LeastRecentlyUsed[tuple[bytes, str], SourceImage](
            max_bytes, lambda image: image.nbytes, max_prefetched
        )
        self._executor = PriorityExecutor(_THREADS, _THREADS_FOR_CLICKS, name="decoding")

    def open(self, data: bytes, name: str, *, prefetch: bool = False) -> SourceImage:
        """Return the image of these bytes.

        Args:
            prefetch: The image is prefetched (see `runtime.lru`).

        Raises:
            BadImage: As `SourceImage`.
        """
        look = self._images.peek if prefetch else self._images.get
        kept = look((data, name))  # the name too, or a message could name another project's file
        if kept is not None:
            return kept
        image = SourceImage(data, name, self._max_pixels, self._max_scans)
        self._images.put((data, name), image, prefetch=prefetch)
        return image

    def decode(self, image: SourceImage, priority: Priority = Priority.CLICK, deadline: Deadline = NO_DEADLINE) -> None:
        """Decode an image that was opened here, and wait for it; one that cannot be decoded is evicted.

        Raises:
            BadImage: The file is truncated or damaged.
            Overloaded: Not decoded by the deadline. Decoding that has begun goes on, for the next request.
            ClientDisconnected: The client disconnected.
        """
        if not image.is_decoded:
            self._executor.run(priority, lambda: self.decode_here(image), deadline)

    def decode_here(self, image: SourceImage) -> None:
        """Decode an image that was opened here, on this thread; one that cannot be decoded is evicted.

        Raises:
            BadImage: The file is truncated or damaged.
        """
        try:
            _ = image.pixels
        except BadImage:
            self._images.discard(lambda _, kept: kept is image)
            raise
