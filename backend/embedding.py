"""An image's embedding in its turn: only encoding takes one of the models' threads, waiting never does."""

from __future__ import annotations

import time

from backend.errors import Overloaded
from backend.executor import PriorityExecutor
from backend.image import SourceImage
from backend.labeler import ImageLabeler
from backend.values import ImageEmbedding, Priority


def embed_in_turn(
    labeler: ImageLabeler, executor: PriorityExecutor, image: SourceImage, priority: Priority, end: float | None = None
) -> ImageEmbedding:
    """The image's embedding, from the cache, from the encoder, or from whoever encodes this image already.

    To wait for somebody else, in this process or in another replica, is the caller's own thread's business: a replica
    that hangs costs those who want its image, and not the models.

    Args:
        priority: What is computed `Priority.AHEAD` does not drive out what is in use.
        end: In monotonic seconds; None to wait as long as it takes.

    Raises:
        Overloaded: Not there in time.
    """
    ahead = priority is Priority.AHEAD
    found = labeler.find_embedding(image, ahead=ahead)
    while found is None:
        made = executor.run(priority, lambda: labeler.try_embed(image, ahead=ahead), remaining(end))
        found = made if isinstance(made, ImageEmbedding) else made.wait(remaining(end))
        if found is None and remaining(end) == 0:
            message = f"Another worker has been encoding {image.name} for too long."
            raise Overloaded(message, remedy="Try again in a moment.")
    return found


def remaining(end: float | None) -> float | None:
    """Seconds until `end`, in monotonic seconds, and 0 after it; None for no end."""
    return None if end is None else max(end - time.monotonic(), 0.0)
