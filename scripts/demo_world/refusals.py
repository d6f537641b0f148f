"""What the evaluations of prompts on nothing share: encoded scenes, counts of refusals, and their command."""

from __future__ import annotations

import argparse
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image
from tqdm import tqdm

from backend.engine import EncodedImage
from backend.images import SourceImage
from backend.models.sam.segmenter import SamSegmenter
from scripts.demo_world.evaluate import RENDERERS
from scripts.demo_world.scenes import HELD_OUT_SEED, TUNING_SEED, Scene

RIGHT_IOU = 0.5  # of a mask with the object that the prompt means
Figures = dict[str, dict[str, float]]
"""By kind of prompt: how many there are, and the shares that are refused, refused though right, and answered right."""


@dataclass
class RefusalCounts:
    """Counts of prompts by their kind.

    Attributes:
        noun: What the prompts are, for the figures.
    """

    noun: str
    prompts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refused_though_right: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, *, is_refused: bool, is_right: bool) -> None:
        """Count a prompt; `is_right` is about SAM's answer, refused or not."""
        self.prompts[kind] += 1
        self.refused[kind] += is_refused
        self.refused_though_right[kind] += is_refused and is_right
        self.right[kind] += is_right and not is_refused

    def figures(self, kinds: Sequence[str]) -> Figures:
        """Return the counts as shares."""
        return {
            kind: {
                self.noun: self.prompts[kind],
                "refused": self.refused[kind] / max(self.prompts[kind], 1),
                "refused_though_right": self.refused_though_right[kind] / max(self.prompts[kind], 1),
                "right": self.right[kind] / max(self.prompts[kind], 1),
            }
            for kind in kinds
        }


def encode_scenes(
    renderer: str, segmenter: SamSegmenter, seeds: range, title: str
) -> Iterator[tuple[int, Scene, EncodedImage]]:
    """Draw and encode the scenes of the seeds, one after the other."""
    for seed in tqdm(seeds, desc=f"{renderer}, {title}", mininterval=5):
        scene, file = RENDERERS[renderer](seed), io.BytesIO()
        Image.fromarray(scene.pixels).save(file, "PNG", compress_level=1)
        image = SourceImage(file.getvalue())
        yield seed, scene, EncodedImage(image, segmenter.encode(image.pixels))


def run_evaluation(
    evaluate: Callable[[str, int, int, float], str],
    description: str | None,
    unseen: int,
    min_score: float,
    arguments: list[str] | None,
) -> None:
    """Parse the options and print a line for each renderer; thresholds are chosen on the first one alone.

    Args:
        evaluate: Gets the renderer, the number of scenes, the first scene's seed and the minimum score.
        unseen, min_score: The options' default values.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--first", type=int, default=unseen, help="offset of the first scene")
    parser.add_argument("--min-score", type=float, default=min_score)
    parser.add_argument("--tuning", action="store_true", help="use the scenes for choosing thresholds")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    first = (TUNING_SEED if chosen.tuning else HELD_OUT_SEED) + chosen.first
    for renderer in list(RENDERERS)[:1] if chosen.tuning else RENDERERS:
        print(f"{renderer}: {evaluate(renderer, chosen.scenes, first, chosen.min_score)}")
