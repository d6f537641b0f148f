"""An image's embedding in its turn: only encoding takes one of the models' threads, waiting never does."""

from __future__ import annotations

from backend.engine.image_labeler import Awaited, ImageLabeler
from backend.errors import Overloaded
from backend.images import SourceImage
from backend.runtime import ENDLESS, Patience, PriorityExecutor
from backend.values import ImageEmbedding, Priority


def embed_in_turn(
    labeler: ImageLabeler,
    executor: PriorityExecutor,
    image: SourceImage,
    priority: Priority,
    patience: Patience = ENDLESS,
) -> ImageEmbedding:
    """The image's embedding, from the cache, from the encoder, or from whoever encodes this image already.

    To wait for somebody else, in this process or in another replica, is the caller's own thread's business: a replica
    that hangs costs those who want its image, and not the models.

    Args:
        priority: What is computed `Priority.AHEAD` does not drive out what is in use.

    Raises:
        Overloaded: Not there in time.
        ClientGone: Nobody waits for it any more. What is being encoded is kept all the same.
    """
    ahead = priority is Priority.AHEAD
    found = labeler.find_embedding(image, ahead=ahead)
    while found is None:
        made = executor.run(priority, lambda: labeler.try_embed(image, ahead=ahead), patience)
        found = made if isinstance(made, ImageEmbedding) else _wait(made, image, patience)
    return found


def _wait(made: Awaited, image: SourceImage, patience: Patience) -> ImageEmbedding | None:
    """What somebody else computes; None where they gave it up or left it in the cache."""
    while True:
        found = made.wait(patience.until_next_look)
        if found is not None or not made.is_pending:
            return found
        patience.check()
        if patience.is_over:
            message = f"Another worker has been encoding {image.name} for too long."
            raise Overloaded(message, remedy="Try again in a moment.")
