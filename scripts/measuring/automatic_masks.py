"""Automatic masks against SamAutomaticMaskGenerator with the same weights and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

import numpy as np
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import Sam

from backend.models.sam.steps import features_of
from backend.values import ImageEmbedding, ProposalParameters
from scripts.measuring.place import Picture
from scripts.measuring.subjects import Subject
from scripts.measuring.timing import Row, build_row, compare, time_ms

GROUP = "Automatic masks"
DEFAULT_BATCH = 64  # points per batch of SamAutomaticMaskGenerator
BATCHES = (1, 4, 16, 64, 256)  # from which its best one is chosen
RANDOM_POINTS_PER_SIDE = 10
RANDOM_SURVIVORS = 100


def measure_with_encoder(
    subject: Subject, pictures: Sequence[Picture], *, aims: tuple[float, float], rounds: int
) -> list[Row]:
    """Measure image to masks, against the library with its default batch and with its best one.

    Args:
        aims: Targets against the two.
    """
    parameters = subject.predictor.default_proposal()
    best = _choose_batch(subject.sam, parameters, pictures[0])
    peers = {batch: build_generator(subject.sam, parameters, batch) for batch in (DEFAULT_BATCH, best)}
    times: dict[int, list[float]] = {0: [], **{batch: [] for batch in peers}}
    count = 0
    for picture in [pictures[0], *pictures] * rounds:
        pixels = picture.scene.pixels
        masks: list[object] = []
        times[0].append(time_ms(lambda kept=masks, image=pixels: kept.extend(_propose(subject, image, parameters))))
        for batch, peer in peers.items():
            times[batch].append(time_ms(partial(peer.generate, pixels)))
        count += len(masks)
    size, side = pictures[0].scene.size, parameters.points_per_side
    what = f"an image of {size}, {side}x{side} points, encoder included, SAM {subject.name}"
    remark = f"{count / len(times[0]):.1f} masks an image"
    return [
        build_row(
            GROUP,
            what,
            times[0][1:],  # the first image is a warm-up
            peer=f"SamAutomaticMaskGenerator, {name} of {batch} points",
            peer_ms=times[batch][1:],
            aim=aim,
            remark=remark,
        )
        for name, batch, aim in (("its default batch", DEFAULT_BATCH, aims[0]), ("its best batch", best, aims[1]))
    ]


def measure_random(subject: Subject, picture: Picture, *, aim: float, repeats: int) -> Row:
    """Measure a model with random weights after the encoder, with a limit that about 100 masks survive."""
    embedding = subject.segmenter.encode(picture.scene.pixels)
    parameters = _limit_survivors(subject, embedding)
    generator = build_generator(subject.sam, parameters, DEFAULT_BATCH, embedding)
    count = len(subject.segmenter.propose(embedding, parameters))
    size, side = picture.scene.size, parameters.points_per_side
    return compare(
        GROUP,
        f"an image of {size}, {side}x{side} points, after the encoder, random {subject.name}",
        lambda: subject.segmenter.propose(embedding, parameters),
        f"SamAutomaticMaskGenerator, its default batch of {DEFAULT_BATCH} points",
        lambda: generator.generate(picture.scene.pixels),
        repeats=repeats,
        aim=aim,
        remark=f"{count} masks remain",
    )


def _limit_survivors(subject: Subject, embedding: ImageEmbedding) -> ProposalParameters:
    """Return parameters with the predicted IoU that about `RANDOM_SURVIVORS` masks exceed; none is a duplicate."""
    everything = ProposalParameters(RANDOM_POINTS_PER_SIDE, -1.0, 0.0, 0, 1.0)
    scores = [candidate.score for candidate in subject.segmenter.propose(embedding, everything)]
    return replace(everything, pred_iou_thresh=scores[min(RANDOM_SURVIVORS, len(scores) - 1)])


def build_generator(
    sam: Sam, parameters: ProposalParameters, points_per_batch: int, embedding: ImageEmbedding | None = None
) -> SamAutomaticMaskGenerator:
    """Build the library's generator with our parameters; given an embedding, it never runs the encoder."""
    names = ProposalParameters.__dataclass_fields__
    chosen = {name: value for name, value in asdict(parameters).items() if name in names}
    generator = SamAutomaticMaskGenerator(sam, points_per_batch=points_per_batch, **chosen)
    if embedding is not None:
        generator.predictor = _EmbeddedPredictor(sam, embedding)
    return generator


class _EmbeddedPredictor(SamPredictor):
    """SamPredictor that takes every image for the one of an embedding."""

    def __init__(self, sam: Sam, embedding: ImageEmbedding) -> None:
        super().__init__(sam)
        self._embedding = embedding

    def set_image(self, image: np.ndarray, image_format: str = "RGB") -> None:
        size, input_size = self._embedding.original_size, self._embedding.input_size
        self.original_size, self.input_size = (size.height, size.width), (input_size.height, input_size.width)
        self.features = features_of(self.model, self._embedding)
        self.is_image_set = True


def _propose(subject: Subject, pixels: np.ndarray, parameters: ProposalParameters) -> list[object]:
    return list(subject.segmenter.propose(subject.segmenter.encode(pixels), parameters))


def _choose_batch(sam: Sam, parameters: ProposalParameters, picture: Picture) -> int:
    """Return the library's fastest number of points per batch on one picture."""
    generators = {batch: build_generator(sam, parameters, batch) for batch in BATCHES}
    generators[DEFAULT_BATCH].generate(picture.scene.pixels)
    times = {batch: time_ms(partial(one.generate, picture.scene.pixels)) for batch, one in generators.items()}
    return min(times, key=lambda batch: times[batch])
