"""Evaluate the search by example with the two demo checkpoints, on scenes with several objects of a class.

    python -m scripts.demo_world.evaluate_similar [--rounds 1] [--first 850000] [--classes 16] [--tuning] [--out FILE]

Each of the 64 classes has a scene of its own in each round (see `repeated_scenes`). Each object of the class is the
exemplar once, as the mask of a click on it; the others of the class are to be found. A mask counts as correct if its
IoU with one of them is at least 0.75, one mask per object. Both renderers are evaluated; the first one also with shapes
that have no class. --tuning uses tuning seeds of the first renderer, to choose thresholds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from backend.engine import EncodedImage, clean_candidate
from backend.geometry import mask_iou
from backend.images import SourceImage
from backend.models.registry import DEMO_CLIP, DEMO_SAM
from backend.values import ClassName, Mask, Prompt
from scripts.demo_circle.targets import encode_png
from scripts.demo_world import scenes, second_renderer
from scripts.demo_world.evaluate import DEMO_PROPOSAL, count_matches
from scripts.demo_world.evaluate_text import DemoEngine, build_engine
from scripts.demo_world.repeated_scenes import draw_repeated
from scripts.demo_world.scenes import (
    CLASS_NAMES,
    COLOURS,
    EXTRA_SHAPES,
    HELD_OUT_SEED,
    SHAPES,
    TUNING_SEED,
    Kind,
    Scene,
    click_point,
)
from scripts.demo_world.search_figures import SearchFigures

FIRST = 850_000
"""Scenes from HELD_OUT_SEED + this on were first used after the rule was chosen; TUNING_SEED + 600,000 on chose it."""
ROUND_STEP = 100_000  # between the seeds of two rounds
ACCEPTED_IOU = 0.75  # a person accepts such an answer; of a worse one the exemplar is the true mask, as if corrected


def mix_kinds(colours: Sequence[str], shapes: Sequence[str]) -> tuple[Kind, ...]:
    """Pair each colour with each shape, in an order whose first pairs already have many colours and shapes."""
    diagonals = max(len(colours), len(shapes))
    places = [(row, column) for row in range(len(colours)) for column in range(len(shapes))]
    return tuple(
        (colours[i], shapes[j]) for i, j in sorted(places, key=lambda place: (place[1] - place[0]) % diagonals)
    )


KINDS = mix_kinds(COLOURS, SHAPES)
EXTRA_KINDS = mix_kinds(COLOURS, EXTRA_SHAPES)
VOCABULARY = tuple(map(ClassName, CLASS_NAMES))
"""Per-region choices of label_config.xml."""

CASES = {
    "demo world": (scenes.make_scene, KINDS),
    "second renderer": (second_renderer.make_scene, KINDS),
    "demo world, shapes without a class": (scenes.make_scene, EXTRA_KINDS),
}


@dataclass
class SimilarFigures(SearchFigures):
    """Counts over many searches by example."""

    searches: int = 0


def measure(
    engine: DemoEngine, make_scene: Callable[..., Scene], kinds: Sequence[Kind], first_seed: int
) -> SimilarFigures:
    """Evaluate a scene of each kind, with each of its objects of that kind as the exemplar."""
    figures = SimilarFigures()
    for place, kind in enumerate(tqdm(kinds, mininterval=5, desc="scenes")):
        scene = draw_repeated(make_scene, first_seed + place, kind)
        encoded = engine.encode(SourceImage(encode_png(scene)))
        masks = [item.mask for item in scene.objects if (item.colour, item.shape) == kind]
        for number, truth in enumerate(masks):
            exemplar, wanted = click_on(engine, encoded, truth), masks[:number] + masks[number + 1 :]
            found = engine.labeler.find_similar(encoded, [exemplar], [exemplar], DEMO_PROPOSAL, VOCABULARY)
            answers = [one.candidate.mask for one in found]
            figures.searches += 1
            figures.objects += len(wanted)
            figures.answered += len(answers)
            figures.found += count_matches(answers, wanted) if answers else 0
    return figures


def add_up(rounds: Sequence[SimilarFigures]) -> SimilarFigures:
    """The counts of several rounds together."""
    names = ("objects", "found", "answered", "searches")
    return SimilarFigures(**{name: sum(getattr(one, name) for one in rounds) for name in names})


def click_on(engine: DemoEngine, encoded: EncodedImage, truth: Mask) -> Mask:
    """The mask that a click on an object gives, if a person would accept it; else the true one."""
    x, y = click_point(truth)
    answer = engine.labeler.segment(encoded, Prompt(((x + 0.5, y + 0.5),), (1,)))[0]
    cleaned = clean_candidate(answer, encoded.image.size).mask
    return cleaned if mask_iou(cleaned, truth) >= ACCEPTED_IOU else truth


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="scenes for each class")
    parser.add_argument("--first", type=int, default=FIRST, help="offset of the first scene's seed")
    parser.add_argument("--classes", type=int, help="only the first of them, which mix colours and shapes")
    parser.add_argument("--case", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--tuning", action="store_true", help="tuning scenes of the first renderer only")
    parser.add_argument("--sam", type=Path, default=DEMO_SAM)
    parser.add_argument("--clip", type=Path, default=DEMO_CLIP)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    engine, report = build_engine(chosen.sam, chosen.clip), {}
    first = (TUNING_SEED if chosen.tuning else HELD_OUT_SEED) + chosen.first
    print("| scenes | searches | objects to find | recall | precision |\n|---|---|---|---|---|", flush=True)
    for name in list(CASES)[:1] if chosen.tuning else chosen.case:
        make_scene, kinds = CASES[name]
        seeds = [first + number * ROUND_STEP for number in range(chosen.rounds)]
        rounds = [measure(engine, make_scene, kinds[: chosen.classes], seed) for seed in seeds]
        total = add_up(rounds)
        print(
            f"| {name} | {total.searches} | {total.objects} | {total.recall:.3f} | {total.precision:.3f} |", flush=True
        )
        report[name] = asdict(total)
    if chosen.out:
        chosen.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
