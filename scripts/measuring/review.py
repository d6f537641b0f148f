"""The cost of scoring masks for review: two answers of SAM for each mask, from the embedding that is there already."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from backend.engine import EncodedImage, segment_image
from backend.images import SourceImage
from scripts.measuring.place import Picture
from scripts.measuring.subjects import Subject
from scripts.measuring.timing import Row, build_row, time_ms


def measure_review(subject: Subject, pictures: Sequence[Picture]) -> Row:
    """Measure each picture once, after one that does not count: the masks are made, then scored."""
    labeler, options = subject.predictor.labeler, subject.predictor.default_proposal()
    scoring_ms, making_ms, counts = [], [], []
    for picture in pictures:
        image = SourceImage(picture.png)
        encoded = EncodedImage(image, subject.segmenter.encode(image.pixels))
        making_ms.append(time_ms(partial(segment_image, labeler, encoded, options)))
        masks = [region.mask for region in segment_image(labeler, encoded, options)]
        scoring_ms.append(time_ms(partial(labeler.measure_agreement, encoded, masks)))
        counts.append(len(masks))
    size, masks_an_image = pictures[0].scene.size, float(np.mean(counts[1:]))
    return build_row(
        "Pre-annotation",
        f"an image of {size}, --review, SAM {subject.name}",
        scoring_ms[1:],
        remark=f"in addition, for {masks_an_image:.1f} masks an image; "
        f"making them from the embedding takes {np.median(making_ms[1:]):.0f} ms",
    )
