"""Automatic masks against SamAutomaticMaskGenerator with the same weights and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.modeling import Sam

from backend.models.sam.segmenter import SamSegmenter
from backend.models.sam.steps import features_of
from backend.settings import Settings
from backend.values import Candidate, ImageEmbedding, Pixels, ProposalParameters
from scripts.demo_world.evaluate import count_matches
from scripts.measuring.place import Picture
from scripts.measuring.subjects import Subject, build_subject, with_random_weights
from scripts.measuring.timing import Row, build_row, compare, time_ms

GROUP = "Automatic masks"
DEFAULT_BATCH = 64  # points per batch of SamAutomaticMaskGenerator
BATCHES = (64, 32, 16, 8, 4)  # from which its best one is chosen
POINTS_PER_SIDE = 10  # the ratio is the same for a finer grid, on which the library takes minutes
RANDOM_POINTS_PER_SIDE = 10
RANDOM_SURVIVORS = 100
RANDOM_AIM = 4.0


def measure_with_encoder(subject: Subject, pictures: Sequence[Picture], *, aims: tuple[float, float]) -> list[Row]:
    """Measure image to masks, against the library with its default batch and with its best one.

    Args:
        aims: Targets against the two.
    """
    parameters = replace(subject.predictor.default_proposal(), points_per_side=POINTS_PER_SIDE)
    best = _choose_batch(subject.sam, parameters, pictures[0])
    default, tuned = (build_generator(subject.sam, parameters, batch) for batch in (DEFAULT_BATCH, best))
    _extend([], subject, pictures[0].scene.pixels, parameters)  # a warm-up; the library had its own
    counts, times = [], []
    for picture in pictures:
        found: list[Candidate] = []
        mine = partial(_extend, found, subject, picture.scene.pixels, parameters)
        peers = (partial(generator.generate, picture.scene.pixels) for generator in (default, tuned))
        times.append([time_ms(mine), *map(time_ms, peers)])
        counts.append(len(found))
    mine_ms, default_ms, best_ms = zip(*times, strict=True)
    side, size = parameters.points_per_side, pictures[0].scene.size
    what = f"an image of {size}, {side}x{side} points, encoder included, SAM {subject.name}"
    build = partial(build_row, GROUP, what, mine_ms, remark=f"{np.mean(counts):.1f} masks an image")
    peer = "SamAutomaticMaskGenerator, its"
    return [
        build(peer=f"{peer} default batch of {DEFAULT_BATCH} points", peer_ms=default_ms, aim=aims[0]),
        build(peer=f"{peer} best batch, {best} points", peer_ms=best_ms, aim=aims[1]),
    ]


def measure_fast_mode(subject: Subject, pictures: Sequence[Picture]) -> Row:
    """Measure fast mode against exact mode after the encoder, with the default grid, and count what both find."""
    exact = subject.predictor.default_proposal()
    found, times, objects = {True: 0, False: 0}, [], 0
    for picture in pictures:
        embedding, truths = subject.segmenter.encode(picture.scene.pixels), [o.mask for o in picture.scene.objects]
        objects += len(truths)
        pair = []
        for fast in (True, False):
            masks: list[Candidate] = []
            pair.append(time_ms(partial(_propose_into, masks, subject, embedding, replace(exact, fast=fast))))
            found[fast] += count_matches([candidate.mask for candidate in masks], truths)
        times.append(pair)
    fast_ms, exact_ms = zip(*times, strict=True)
    side, size = exact.points_per_side, pictures[0].scene.size
    return build_row(
        GROUP,
        f"fast mode, an image of {size}, {side}x{side} points, after the encoder, SAM {subject.name}",
        fast_ms,
        peer="here, exact mode",
        peer_ms=exact_ms,
        remark=f"of {objects} objects, fast mode finds {found[True]} at IoU 0.75 and exact mode {found[False]}",
    )


def _propose_into(
    masks: list[Candidate], subject: Subject, embedding: ImageEmbedding, parameters: ProposalParameters
) -> None:
    masks += subject.segmenter.propose(embedding, parameters)


def measure_random_models(settings: Settings, picture: Picture, folder: Path, *, repeats: int) -> list[Row]:
    """Measure ViT-B with random weights, and on a GPU ViT-H, too, which takes minutes an image on a CPU."""
    rows = []
    for name in ("vit_b", "vit_h"):
        subject = build_subject(with_random_weights(settings, name, folder).model_copy(update={"clip_model": "none"}))
        rows.append(_measure_random(subject, picture, aim=RANDOM_AIM, repeats=repeats))
        if not subject.segmenter.device.startswith("cuda"):
            break
    return rows


def _extend(found: list[Candidate], subject: Subject, pixels: Pixels, parameters: ProposalParameters) -> None:
    found += subject.segmenter.propose(subject.segmenter.encode(pixels), parameters)


def _measure_random(subject: Subject, picture: Picture, *, aim: float, repeats: int) -> Row:
    """Measure a model with random weights after the encoder, with a limit that about 100 masks survive."""
    embedding = subject.segmenter.encode(picture.scene.pixels)
    parameters = limit_survivors(subject.segmenter, embedding, RANDOM_POINTS_PER_SIDE)
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


def limit_survivors(segmenter: SamSegmenter, embedding: ImageEmbedding, points_per_side: int) -> ProposalParameters:
    """Return parameters with the predicted IoU that about `RANDOM_SURVIVORS` masks exceed; none is a duplicate."""
    everything = ProposalParameters(points_per_side, -1.0, 0.0, 0, 1.0)
    scores = [candidate.score for candidate in segmenter.propose(embedding, everything)]
    return replace(everything, pred_iou_thresh=scores[min(RANDOM_SURVIVORS, len(scores) - 1)])


def build_generator(
    sam: Sam, parameters: ProposalParameters, points_per_batch: int, embedding: ImageEmbedding | None = None
) -> SamAutomaticMaskGenerator:
    """Build the library's generator with our parameters; given an embedding, it never runs the encoder."""
    names = ProposalParameters.__dataclass_fields__
    chosen = {name: value for name, value in asdict(parameters).items() if name in names and name != "fast"}
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


def _choose_batch(sam: Sam, parameters: ProposalParameters, picture: Picture) -> int:
    """Return the library's fastest number of points per batch, on a picture and 8x8 points."""
    few = replace(parameters, points_per_side=8)
    generators = {batch: build_generator(sam, few, batch) for batch in BATCHES}
    times = {batch: time_ms(partial(one.generate, picture.scene.pixels)) for batch, one in generators.items()}
    return min(times, key=lambda batch: times[batch])
