"""Encoding of class names in the queue of the models, in batches between which other requests have their turn."""

from __future__ import annotations

from collections.abc import Sequence

from backend.engine.image_labeler import ImageLabeler
from backend.runtime import NO_DEADLINE, Deadline, PriorityExecutor
from backend.values import ClassName, Priority


def encode_texts_queued(
    labeler: ImageLabeler,
    executor: PriorityExecutor,
    vocabularies: Sequence[Sequence[ClassName]],
    templates: Sequence[str],
    priority: Priority,
    deadline: Deadline = NO_DEADLINE,
) -> None:
    """Encode the vocabularies that are not cached yet.

    Of several requests for the same vocabulary one encodes a batch at a time, and the others wait on their own threads.

    Args:
        vocabularies: Those that the request needs.
        templates: CLIP's prompt templates; () for the model's.

    Raises:
        Overloaded: Not all are encoded in time. What is encoded is kept for the next request.
        ClientDisconnected: The client disconnected.
    """
    for vocabulary in vocabularies:
        pending = labeler.pending_texts(vocabulary, templates)
        while pending is not None and not pending.is_done:
            if pending.turn.acquire(timeout=deadline.poll_seconds):
                try:
                    if not pending.is_done:  # another request may have encoded the last batch meanwhile
                        executor.run(priority, pending.encode_next, deadline)
                finally:
                    pending.turn.release()
            deadline.raise_if_over()
