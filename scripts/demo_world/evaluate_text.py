"""Evaluate text prompts with the two demo checkpoints and the demo project's vocabulary, on held-out scenes.

    python -m scripts.demo_world.evaluate_text [--scenes 60] [--tuning] [--out figures.json]

Each scene is searched for every object in it and for some absent ones, in four wordings: "the red ring", a synonym
("red donut"), the colour alone ("red things") and the shape alone ("all rings"). A mask counts as correct if it has an
IoU of at least 0.75 with an object that the text names, one mask per object. Both renderers are evaluated; --tuning
uses tuning seeds of the first renderer instead, to choose thresholds.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from backend.engine import EncodedImage, ImageLabeler
from backend.images import SourceImage
from backend.models.registry import DEMO_CLIP, DEMO_SAM
from backend.models.sam.segmenter import SamSegmenter
from backend.values import ClassName
from scripts.demo_circle.targets import encode_png
from scripts.demo_world.captions import SYNONYMS
from scripts.demo_world.evaluate import DEMO_PROPOSAL, RENDERERS, count_matches, load_demo_clip, load_demo_sam
from scripts.demo_world.scenes import CLASS_NAMES, COLOURS, HELD_OUT_SEED, SHAPES, TUNING_SEED, Scene, SceneObject
from scripts.demo_world.search_figures import SearchFigures

FIRST = 7000  # scenes from here on are used only here
ABSENT = 4  # absent texts per wording and scene
VOCABULARY = tuple(ClassName(name) for name in (*CLASS_NAMES, *COLOURS))
"""Per-region choices and labels of label_config.xml."""

Wording = Callable[[str, str], str]


def _synonym(shape: str) -> str:
    return (*SYNONYMS[shape], shape)[0]


WORDINGS: dict[str, Wording] = {
    "colour and shape": lambda colour, shape: f"the {colour} {shape}",
    "with a synonym": lambda colour, shape: f"{colour} {_synonym(shape)}",
    "colour alone": lambda colour, _: f"{colour} things",
    "shape alone": lambda _, shape: f"all {shape}s" if shape != "cross" else "all crosses",
}


@dataclass
class TextFigures(SearchFigures):
    """Counts over many texts; `absent` texts name no object of the scene, and `empty` of them returned no mask."""

    absent: int = 0
    empty: int = 0

    @property
    def absent_empty(self) -> float:
        return self.empty / max(self.absent, 1)

    def add(self, wanted: Sequence[SceneObject], masks: Sequence[np.ndarray]) -> None:
        """Count one text: the objects it names and the returned masks."""
        self.objects += len(wanted)
        self.answered += len(masks)
        self.found += count_matches(list(masks), [item.mask for item in wanted]) if wanted and masks else 0
        self.absent += not wanted
        self.empty += not wanted and not masks


@dataclass(frozen=True)
class DemoEngine:
    """The demo's SAM and the labeler around it."""

    segmenter: SamSegmenter
    labeler: ImageLabeler

    def encode(self, image: SourceImage) -> EncodedImage:
        return EncodedImage(image, self.segmenter.encode(image.pixels))


def build_engine(sam: Path = DEMO_SAM, clip: Path = DEMO_CLIP) -> DemoEngine:
    """Load the demo's models on the CPU."""
    segmenter = SamSegmenter(load_demo_sam(sam), device="cpu", encoder_dtype="float32")
    return DemoEngine(segmenter, ImageLabeler(segmenter, load_demo_clip(clip)))


def texts_for(scene: Scene, wording: Wording, rng: np.random.Generator) -> dict[str, list[SceneObject]]:
    """Build a scene's texts with the objects each one names: all present ones, and ABSENT texts of absent objects."""
    texts: dict[str, list[SceneObject]] = {wording(item.colour, item.shape): [] for item in scene.objects}
    for item in scene.objects:
        texts[wording(item.colour, item.shape)].append(item)
    others = sorted({wording(colour, shape) for colour in COLOURS for shape in SHAPES} - texts.keys())
    chosen = rng.choice(others, min(ABSENT, len(others)), replace=False) if others else ()
    return texts | {str(text): [] for text in chosen}


def measure(
    engine: DemoEngine, make_scene: Callable[[int], Scene], seeds: Sequence[int], wordings: Sequence[str]
) -> dict[str, TextFigures]:
    """Evaluate each wording over the scenes of these seeds."""
    figures = {name: TextFigures() for name in wordings}
    for seed in tqdm(seeds, mininterval=5, desc="scenes"):
        scene = make_scene(seed)
        encoded = engine.encode(SourceImage(encode_png(scene)))
        for name in wordings:
            for text, wanted in texts_for(scene, WORDINGS[name], np.random.default_rng(seed)).items():
                found = engine.labeler.search_all(encoded, [text], DEMO_PROPOSAL, VOCABULARY)
                figures[name].add(wanted, [one.candidate.mask for one in found])
    return figures


def table(figures: dict[str, TextFigures]) -> str:
    """Format the figures as a Markdown table, one line per wording."""
    lines = [
        "| text | objects | recall | precision | texts of absent things | of those empty |",
        "|---|---|---|---|---|---|",
    ]
    for name, f in figures.items():
        lines.append(
            f"| {name} | {f.objects} | {f.recall:.3f} | {f.precision:.3f} | {f.absent} | {f.absent_empty:.3f} |"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--tuning", action="store_true", help="tuning scenes of the first renderer only")
    parser.add_argument("--sam", type=Path, default=DEMO_SAM)
    parser.add_argument("--clip", type=Path, default=DEMO_CLIP)
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    engine, report = build_engine(chosen.sam, chosen.clip), {}
    first = (TUNING_SEED if chosen.tuning else HELD_OUT_SEED) + FIRST
    for renderer in list(RENDERERS)[: 1 if chosen.tuning else None]:
        figures = measure(engine, RENDERERS[renderer], range(first, first + chosen.scenes), list(WORDINGS))
        print(f"\n{renderer}: {chosen.scenes} scenes\n\n{table(figures)}\n", flush=True)
        report[renderer] = {name: asdict(found) for name, found in figures.items()}
    if chosen.out:
        chosen.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
