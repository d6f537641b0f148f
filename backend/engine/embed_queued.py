"""Encoding in the queue of the models: only encoding takes one of their threads, waiting never does."""

from __future__ import annotations

from collections.abc import Callable

from backend.engine.encoded_image import EncodedImage
from backend.engine.image_encoder import ImageEncoder
from backend.engine.ports import PendingEmbedding
from backend.errors import Overloaded
from backend.images import SourceImage
from backend.runtime import NO_DEADLINE, Deadline, PriorityExecutor, note_embedding, timed
from backend.values import ImageEmbedding, Priority


def embed_queued(
    encoder: ImageEncoder,
    executor: PriorityExecutor,
    image: SourceImage,
    priority: Priority,
    deadline: Deadline = NO_DEADLINE,
    *,
    decode: Callable[[], object] | None = None,
) -> EncodedImage:
    """Return the image with its embedding, from the cache, from the encoder, or from another thread or replica.

    The caller's own thread waits for an embedding that is computed elsewhere: a replica that hangs delays only the
    requests for its image, and none of the models' threads.

    Args:
        priority: What is computed with `Priority.PREFETCH` does not evict what is in use.
        decode: Decodes the image before it is queued, so that no thread of the models has to.

    Raises:
        Overloaded: Not there in time.
        ClientDisconnected: The client disconnected. What is being encoded is kept all the same.
    """
    prefetch = priority is Priority.PREFETCH
    encoded = encoder.find(image, prefetch=prefetch)
    while encoded is None:
        if decode is not None:
            decode()
        made = executor.run(priority, lambda: encoder.try_encode(image, prefetch=prefetch), deadline)
        if isinstance(made, EncodedImage):
            return made
        note_embedding("computed")  # not warm: this request waits for the computation, too
        embedding = _wait(made, image, deadline)
        encoded = None if embedding is None else EncodedImage(image, embedding)
    return encoded


@timed("queue")
def _wait(pending: PendingEmbedding, image: SourceImage, deadline: Deadline) -> ImageEmbedding | None:
    """Return what is computed elsewhere; None where that was given up or left in the cache."""
    while True:
        embedding = pending.wait(deadline.poll_seconds)
        if embedding is not None or not pending.is_pending:
            return embedding
        deadline.raise_if_disconnected()
        if deadline.has_passed:
            message = f"Another worker has been encoding {image.name} for too long."
            raise Overloaded(message, remedy="Try again in a moment.")
