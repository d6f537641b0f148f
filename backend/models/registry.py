"""Registry of the models that SAM_MODEL and CLIP_MODEL can name. Listing them does not import torch.

A new family of segmenters needs a module with a builder that returns a `protocols.Segmenter`, and an entry in
`SEGMENTERS` for each of its checkpoints. CLIP_MODEL accepts any of open_clip's model names, so `CLASSIFIERS` holds only
the models that open_clip does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path

from backend.errors import BadSettings
from backend.models.protocols import Segmenter
from backend.values import Lexicon, ProposalParameters


class Ability(Enum):
    """A kind of prompt or task that a segmenter handles."""

    POINTS = "points"
    BOXES = "boxes"
    MASKS = "masks"
    AUTOMATIC_MASKS = "automatic masks"
    TEXT = "text"
    EXEMPLARS = "exemplars"
    VIDEO = "video"


@dataclass(frozen=True)
class PublishedFile:
    """A weights file published by its authors.

    Attributes:
        url: Download URL.
        megabytes: Size, for listings.
        sha256: Expected digest; None if the Hugging Face hub provides it at download time.
        local_name: File name in the weights folder; "" for the last part of the URL.
    """

    url: str
    megabytes: int
    sha256: str | None = None
    local_name: str = ""

    @property
    def file_name(self) -> str:
        return self.local_name or self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class SegmenterEntry:
    """A promptable segmentation model.

    Attributes:
        name: The value of SAM_MODEL.
        family: Models of one family share code and the layout of their embeddings.
        builder: "module:function" of a `SegmenterBuilder`, which is imported only when the model is built.
        licence: SPDX identifier of the weights' licence, or the name that its authors gave it.
        abilities: Prompts and tasks that it handles.
        automatic_masks: Default parameters of automatic masks.
        min_click_score: Minimum predicted IoU of a single click; any other is taken for a click on nothing. 0 for a
            model of which no such limit is known.
        published: Source of its weights; None for a model without published weights.
        bundled: Weights file in this package, if there is one.
        is_demo: Whether it was trained only on the drawn scenes of the demo.
    """

    name: str
    family: str
    builder: str
    licence: str
    abilities: frozenset[Ability]
    automatic_masks: ProposalParameters
    min_click_score: float = 0.0
    published: PublishedFile | None = None
    bundled: Path | None = None
    is_demo: bool = False


@dataclass(frozen=True)
class ClassifierEntry:
    """A CLIP model that open_clip builds.

    Attributes:
        name: The value of CLIP_MODEL.
        templates: Sentences with a `{}` for the class name; their text features are averaged.
        configs: Folder with its open_clip config, NAME.json; None for open_clip's own models.
        bundled: Weights file in this package, if there is one.
        is_demo: Whether it was trained only on the drawn scenes of the demo.
        lexicon: The only words that the bundled weights know; None for a model that reads any words.
    """

    name: str
    templates: tuple[str, ...]
    configs: Path | None = None
    bundled: Path | None = None
    is_demo: bool = False
    lexicon: Lexicon | None = None


SegmenterBuilder = Callable[..., Segmenter]
"""Called as `build(entry, checkpoint, device=…, dtype=…)` with the values of DEVICE and SAM_DTYPE.

Raises `CheckpointError` for weights that cannot be loaded, `BadSettings` for a device or dtype that does not exist.
"""

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
_SAM1_ABILITIES = frozenset({Ability.POINTS, Ability.BOXES, Ability.MASKS, Ability.AUTOMATIC_MASKS})


def _published_sam1(name: str, digits: str, megabytes: int, sha256: str) -> SegmenterEntry:
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
            automatic_masks=ProposalParameters(20, 0.65, 0.65, 100, 0.6),
            min_click_score=0.5,
            bundled=DEMO_SAM,
            is_demo=True,
        ),
        _published_sam1("vit_b", "01ec64", 375, "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"),
        _published_sam1("vit_l", "0b3195", 1250, "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"),
        _published_sam1("vit_h", "4b8939", 2565, "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"),
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


def find_segmenter(name: str) -> SegmenterEntry:
    """Return the entry of a segmenter.

    Raises:
        BadSettings: Unknown name; the remedy lists the known ones.
    """
    if name not in SEGMENTERS:
        raise BadSettings(
            f"SAM_MODEL is {name!r}, which is not a known model.",
            remedy=f"Choose one of {', '.join(SEGMENTERS)}.",
        )
    return SEGMENTERS[name]


def find_classifier(name: str) -> ClassifierEntry:
    """Return the entry of a CLIP model; a name without an entry is taken as the name of an open_clip model."""
    return CLASSIFIERS.get(name) or ClassifierEntry(name, PHOTO_TEMPLATES)


def published_segmenters() -> dict[str, PublishedFile]:
    """Return the published weights files by segmenter name."""
    return {name: entry.published for name, entry in SEGMENTERS.items() if entry.published is not None}


def build_segmenter(entry: SegmenterEntry, checkpoint: Path, *, device: str, dtype: str) -> Segmenter:
    """Import the entry's builder and build the model from a checkpoint on disk; see `SegmenterBuilder`."""
    module, _, function = entry.builder.partition(":")
    build: SegmenterBuilder = getattr(import_module(module), function)
    return build(entry, checkpoint, device=device, dtype=dtype)
