"""Detection in the queue of the models: a turn of its own, so that clicks need not wait for the masks as well."""

from __future__ import annotations

from collections.abc import Sequence

from backend.engine.image_labeler import ImageLabeler
from backend.images import SourceImage
from backend.runtime import NO_DEADLINE, Deadline, PriorityExecutor
from backend.values import Priority


def detect_queued(
    labeler: ImageLabeler,
    executor: PriorityExecutor,
    image: SourceImage,
    texts: Sequence[str],
    priority: Priority,
    deadline: Deadline = NO_DEADLINE,
) -> None:
    """Let the detector find what the texts name, so that the search for them only makes masks of its boxes.

    Args:
        image: Decoded.
        texts: If there are none, or there is no detector, nothing is done.

    Raises:
        BadPrompt: A text that names nothing, or that the detector cannot read.
        Overloaded: The detector did not get its turn in time.
        ClientDisconnected: The client disconnected.
    """
    boxes = labeler.boxes
    if boxes is not None and texts:
        boxes.check(texts)
        executor.run(priority, lambda: boxes.detect(image, texts), deadline)
