"""Corrections of SAM's own answers: their box and clicks are continued, instead of correcting a mask on the page.

The mask alone does not tell how sure SAM was where. The prompt that made it does, because SAM answers it again with the
same logits, and its answer to one more click is better than a correction of the mask (see docs/demo_models.md). It is
known as long as the answer is remembered (`last_answers`), and it counts only if the mask is pixel for pixel the
one that was answered: a person may have painted on it, or moved a polygon's points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backend.label_studio.config import ImageConfig
from backend.label_studio.results import LabeledRegion
from backend.predict.remembered_answer import RememberedAnswer, decode_remembered
from backend.values import Prompt


def find_chain(answers: Sequence[RememberedAnswer], region: LabeledRegion, config: ImageConfig) -> Prompt | None:
    """Return the box and clicks that a region is SAM's answer to; None if not known, or if it has been changed since.

    Args:
        answers: To look in, newest first.
        region: On the page.
    """
    if region.painted is not None:
        return None
    for answer in answers:
        chain = answer.chains.get(region.region_id)
        if chain is None:
            continue
        results = [result for result in answer.results if result.get("id") == region.region_id]
        if any(np.array_equal(answered.mask, region.mask) for answered in decode_remembered(results, config)):
            return chain
    return None


def continue_chain(chain: Prompt, clicks: Prompt) -> Prompt:
    """Return a chain with further clicks; a box of theirs does not count."""
    coords, labels = (*chain.point_coords, *clicks.point_coords), (*chain.point_labels, *clicks.point_labels)
    return replace(chain, point_coords=coords, point_labels=labels)
