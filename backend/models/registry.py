"""The models that can be loaded, by the name that SAM_MODEL or CLIP_MODEL gives. Listing them loads no torch.

A new family of segmenters is one module with a builder, which returns a `protocols.Segmenter`, and an entry in
`SEGMENTERS` for each of its checkpoints. CLIP models are open_clip's, whose names are open-ended, so `CLASSIFIERS`
holds only those that open_clip does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path

from backend.errors import BadSettings
from backend.models.protocols import Segmenter
from backend.values import ProposalParameters


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
    """A file of weights that its authors publish.

    Attributes:
        url: Where it is downloaded from.
        megabytes: Its size, for listings.
        sha256: The digest it must have; None where the Hugging Face hub states it at download time.
        local_name: Its name in the weights folder; "" for the last part of the URL.
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
        builder: "module:function", a `SegmenterBuilder` that is imported only when the model is built.
        licence: SPDX identifier of the weights' licence, or the name that their authors gave it.
        abilities: The prompts and tasks it handles.
        automatic_masks: Default parameters of automatic masks.
        published: Where its weights come from; None for a model without published weights.
        bundled: Its weights in this package, if they are part of it.
        is_demo: Whether it knows only the drawn scenes of the demo.
    """

    name: str
    family: str
    builder: str
    licence: str
    abilities: frozenset[Ability]
    automatic_masks: ProposalParameters
    published: PublishedFile | None = None
    bundled: Path | None = None
    is_demo: bool = False


@dataclass(frozen=True)
class ClassifierEntry:
    """A CLIP model that open_clip builds.

    Attributes:
        name: The value of CLIP_MODEL.
        templates: Sentences with a `{}` for the class name; their text features are averaged.
        configs: Folder with its open_clip config, NAME.json; None for models that open_clip knows.
        bundled: Its weights in this package, if they are part of it.
        is_demo: Whether it knows only the drawn scenes of the demo.
    """

    name: str
    templates: tuple[str, ...]
    configs: Path | None = None
    bundled: Path | None = None
    is_demo: bool = False


SegmenterBuilder = Callable[..., Segmenter]
"""Called as `build(entry, checkpoint, device=…, dtype=…)` with the words of DEVICE and SAM_DTYPE.

It raises `CheckpointError` for weights that it cannot load, `BadSettings` for a device or a dtype that does not exist.
"""

_DEMO = Path(__file__).parent / "demo"
DEMO_SAM = _DEMO / "sam_demo.safetensors"
DEMO_CLIP = _DEMO / "clip_demo.safetensors"
DEMO_CONFIGS = _DEMO  # the folder of demo-clip.json
DEMO_TEMPLATES = ("a photo of a {}.", "a {}.")
"""What the demo CLIP has read around a class name in training."""
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
    """A SAM of Meta's first release. The digits in a file's name are of its MD5; the pin is the same file's SHA-256."""
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
            automatic_masks=ProposalParameters(10, 0.75, 0.75, 100, 0.7),
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
    for entry in (ClassifierEntry("demo-clip", DEMO_TEMPLATES, configs=DEMO_CONFIGS, bundled=DEMO_CLIP, is_demo=True),)
}


def find_segmenter(name: str) -> SegmenterEntry:
    """Look up the entry of a segmenter.

    Raises:
        BadSettings: No segmenter has this name; the remedy lists those there are.
    """
    if name not in SEGMENTERS:
        raise BadSettings(
            f"SAM_MODEL is {name!r}, which is no known architecture.",
            remedy=f"Choose one of {', '.join(SEGMENTERS)}.",
        )
    return SEGMENTERS[name]


def find_classifier(name: str) -> ClassifierEntry:
    """Look up the entry of a CLIP model; a name without one is taken for a model of open_clip's."""
    return CLASSIFIERS.get(name) or ClassifierEntry(name, PHOTO_TEMPLATES)


def published_segmenters() -> dict[str, PublishedFile]:
    """The published files of weights, by the names of their segmenters."""
    return {name: entry.published for name, entry in SEGMENTERS.items() if entry.published is not None}


def build_segmenter(entry: SegmenterEntry, checkpoint: Path, *, device: str, dtype: str) -> Segmenter:
    """Import the entry's builder and build the model from a checkpoint on this disk; see `SegmenterBuilder`."""
    module, _, function = entry.builder.partition(":")
    build: SegmenterBuilder = getattr(import_module(module), function)
    return build(entry, checkpoint, device=device, dtype=dtype)
