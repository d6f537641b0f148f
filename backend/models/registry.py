"""Registry of the models that SAM_MODEL, CLIP_MODEL and DETECTOR can name. Listing them does not import torch.

A new family of segmenters needs a module with a builder that returns a `protocols.Segmenter`, and an entry in
`SEGMENTERS` for each of its checkpoints. CLIP_MODEL accepts any of open_clip's model names, so `CLASSIFIERS` holds only
the models that open_clip does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from pathlib import Path

from backend.errors import BadSettings
from backend.models import hub_folders
from backend.models.entries import (
    Ability,
    ClassifierEntry,
    DetectorEntry,
    Published,
    PublishedFile,
    PublishedFolder,
    SegmenterEntry,
)
from backend.models.protocols import Detector, Segmenter
from backend.values import Lexicon, Nesting, ProposalOptions, ProposalParameters

SegmenterBuilder = Callable[..., Segmenter]
"""Called as `build(entry, checkpoint, device=…, dtype=…)` with the values of DEVICE and SAM_DTYPE.

Raises `CheckpointError` for weights that cannot be loaded, `BadSettings` for a device or dtype that does not exist.
The checkpoint is a file for a `PublishedFile` and a folder for a `PublishedFolder`.
"""
DetectorBuilder = Callable[..., Detector]
"""Called as `build(entry, folder, device=…)` with the value of DEVICE; raises as a `SegmenterBuilder`."""

_DEMO = Path(__file__).parent / "demo"
DEMO_SAM = _DEMO / "sam_demo.safetensors"
DEMO_CLIP = _DEMO / "clip_demo.safetensors"
DEMO_CONFIGS = _DEMO  # the folder of demo-clip.json
DEMO_TEMPLATES = ("a photo of a {}.", "a {}.")
"""Templates that the demo CLIP was trained with."""
_COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
_SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "ellipse", "crescent")
_OTHER_SHAPE_NAMES = ("disc", "dot", "box", "donut", "plus", "oval", "moon")
_BACKGROUNDS = ("background", "solid", "gradient", "clouds", "stripes", "checker", "grain", "wood", "bricks")
DEMO_LEXICON = Lexicon(
    frozenset((*_COLOURS, *_SHAPES, *_OTHER_SHAPE_NAMES, *_BACKGROUNDS)),
    limits="The demo models know coloured shapes only.",
    example="the red ring",
)
"""The words of the captions that the demo CLIP was trained with."""
PHOTO_TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a close-up photo of a {}.",
    "a cropped photo of a {}.",
    "a photo of a small {}.",
    "a photo of a large {}.",
)

_SAM1_BUILDER = "backend.models.sam.family:build"
_MOBILE_SAM_COMMIT = "f706ad9c4eb7f219c00d9050e46328518ffb65d2"
_MOBILE_SAM = PublishedFile(
    f"https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/{_MOBILE_SAM_COMMIT}/weights/mobile_sam.pt",
    megabytes=41,
    sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
)
_SAM1_ABILITIES = frozenset({Ability.POINTS, Ability.BOXES, Ability.MASKS, Ability.AUTOMATIC_MASKS})


def _published_sam1(name: str, digits: str, megabytes: int, parameters: float, sha256: str) -> SegmenterEntry:
    """Build the entry of a SAM of Meta's first release; `digits` are from the file's MD5, the pin is its SHA-256."""
    url = f"https://dl.fbaipublicfiles.com/segment_anything/sam_{name}_{digits}.pth"
    return SegmenterEntry(
        name,
        family="sam1",
        builder=_SAM1_BUILDER,
        licence="Apache-2.0",
        abilities=_SAM1_ABILITIES,
        automatic_masks=ProposalParameters(32, 0.86, 0.92, 100, 0.7),
        published=PublishedFile(url, megabytes, sha256),
        million_parameters=parameters,
    )


def _published_sam2(name: str, parameters: float, folder: PublishedFolder) -> SegmenterEntry:
    """Build the entry of a model that transformers' Sam2Model or EdgeTamModel loads."""
    return SegmenterEntry(
        name,
        family="edgetam" if name == "edgetam" else "sam2",
        builder="backend.models.transformers_sam.family:build",
        licence="Apache-2.0",
        abilities=_SAM1_ABILITIES,
        automatic_masks=ProposalParameters(32, 0.8, 0.95, 100, 0.7),
        published=folder,
        million_parameters=parameters,
    )


SEGMENTERS: dict[str, SegmenterEntry] = {
    entry.name: entry
    for entry in (
        SegmenterEntry(
            "demo",
            family="sam1",
            builder=_SAM1_BUILDER,
            licence="Apache-2.0",
            abilities=_SAM1_ABILITIES,
            automatic_masks=ProposalOptions(20, 0.7, 0.75, 100, 0.7, mask_nms_thresh=0.6, nesting=Nesting.BEST),
            min_click_score=0.5,
            min_box_score=0.1,
            bundled=DEMO_SAM,
            is_demo=True,
            million_parameters=1.2,
        ),
        SegmenterEntry(
            "mobile_sam",
            family="mobile_sam",
            builder="backend.models.sam.mobile_sam:build",
            licence="Apache-2.0",
            abilities=_SAM1_ABILITIES,
            automatic_masks=ProposalParameters(32, 0.86, 0.92, 100, 0.7),
            published=_MOBILE_SAM,
            suggested_for="a CPU",
            million_parameters=9.8,
        ),
        _published_sam2("sam2.1_hiera_tiny", 31.4, hub_folders.SAM2_1_HIERA_TINY),
        _published_sam2("sam2.1_hiera_small", 38.5, hub_folders.SAM2_1_HIERA_SMALL),
        _published_sam2("sam2.1_hiera_base_plus", 73.3, hub_folders.SAM2_1_HIERA_BASE_PLUS),
        _published_sam2("sam2.1_hiera_large", 216.9, hub_folders.SAM2_1_HIERA_LARGE),
        _published_sam2("edgetam", 9.1, hub_folders.EDGETAM),
        _published_sam1(
            "vit_b", "01ec64", 375, 93.7, "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"
        ),
        _published_sam1(
            "vit_l", "0b3195", 1250, 312.3, "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"
        ),
        _published_sam1(
            "vit_h", "4b8939", 2565, 641.1, "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"
        ),
    )
}
CLASSIFIERS: dict[str, ClassifierEntry] = {
    entry.name: entry
    for entry in (
        ClassifierEntry(
            "demo-clip",
            DEMO_TEMPLATES,
            configs=DEMO_CONFIGS,
            bundled=DEMO_CLIP,
            is_demo=True,
            lexicon=DEMO_LEXICON,
        ),
    )
}


def _published_detector(
    name: str, min_score: float, parameters: float, folder: PublishedFolder, model_type: str = "mm-grounding-dino"
) -> DetectorEntry:
    builder = "backend.models.detectors.grounding_dino:build"
    return DetectorEntry(name, builder, "Apache-2.0", min_score, folder, parameters, model_type)


DETECTORS: dict[str, DetectorEntry] = {
    entry.name: entry
    for entry in (
        _published_detector("llmdet_tiny", 0.3, 172.3, hub_folders.LLMDET_TINY),
        _published_detector("llmdet_base", 0.3, 232.3, hub_folders.LLMDET_BASE),
        _published_detector("grounding_dino_tiny", 0.25, 172.3, hub_folders.GROUNDING_DINO_TINY, "grounding-dino"),
    )
}


def find_segmenter(name: str) -> SegmenterEntry:
    """Return the entry of a segmenter.

    Raises:
        BadSettings: Unknown name; the remedy suggests the closest one and lists all.
    """
    if name not in SEGMENTERS:
        raise _unknown("SAM_MODEL", name, tuple(SEGMENTERS))
    return SEGMENTERS[name]


def find_classifier(name: str) -> ClassifierEntry:
    """Return the entry of a CLIP model; a name without an entry is taken as the name of an open_clip model."""
    return CLASSIFIERS.get(name) or ClassifierEntry(name, PHOTO_TEMPLATES)


def published_segmenters() -> dict[str, Published]:
    """Return the published weights by segmenter name."""
    return {name: entry.published for name, entry in SEGMENTERS.items() if entry.published is not None}


def build_segmenter(entry: SegmenterEntry, checkpoint: Path, *, device: str, dtype: str) -> Segmenter:
    """Import the entry's builder and build the model from a checkpoint on disk; see `SegmenterBuilder`.

    Raises:
        OutOfMemory: The weights do not fit into memory; the remedy names a smaller model.
    """
    from backend.models.out_of_memory import explain_out_of_memory  # imports torch

    module, _, function = entry.builder.partition(":")
    build: SegmenterBuilder = getattr(import_module(module), function)
    load = partial(build, entry, checkpoint, device=device, dtype=dtype)
    return explain_out_of_memory(entry.name, f"this machine (DEVICE={device})", "its weights", load)


def find_detector(name: str) -> DetectorEntry:
    """Return the entry of a detector.

    Raises:
        BadSettings: Unknown name; the remedy suggests the closest one and lists all.
    """
    if name not in DETECTORS:
        raise _unknown("DETECTOR", name, ("none", *DETECTORS))
    return DETECTORS[name]


def build_detector(entry: DetectorEntry, folder: Path, *, device: str) -> Detector:
    """Import the entry's builder and build the model from a folder on disk; see `DetectorBuilder`.

    Raises:
        OutOfMemory: The weights do not fit into memory.
    """
    from backend.models.out_of_memory import explain_out_of_memory  # imports torch

    module, _, function = entry.builder.partition(":")
    build: DetectorBuilder = getattr(import_module(module), function)
    load = partial(build, entry, folder, device=device)
    return explain_out_of_memory(entry.name, f"this machine (DEVICE={device})", "its weights", load)


def _unknown(setting: str, name: str, known: Sequence[str]) -> BadSettings:
    close = get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    return BadSettings(
        f"{setting} is {name!r}, which is not a known model.", remedy=f"{meant}Choose one of {', '.join(known)}."
    )
