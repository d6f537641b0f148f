"""What the registry knows of each model and of its published weights. Importing it does not import torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

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
class PublishedFolder:
    """A model folder on the Hugging Face hub: config, weights, and what else its classes read.

    Attributes:
        repository: "owner/name" on the hub.
        files: Names of the files that the model cannot do without.
        megabytes: Size of all of them, for listings.
        revision: Branch or commit. Of a branch, the commit of the first download is locked; see `model_lock`.
        optional_files: Names of files that are downloaded if the revision has them.
        pins: Names of files and their SHA-256, as this project knows them.
    """

    repository: str
    files: tuple[str, ...]
    megabytes: int
    revision: str = "main"
    optional_files: tuple[str, ...] = ()
    pins: tuple[tuple[str, str], ...] = ()

    @property
    def file_name(self) -> str:
        """Name of the folder in the weights folder."""
        return self.repository.replace("/", "--")


Published = PublishedFile | PublishedFolder


@dataclass(frozen=True)
class SegmenterEntry:
    """A promptable segmentation model.

    Attributes:
        name: The value of SAM_MODEL.
        family: Models of one family share code and the layout of their embeddings.
        builder: "module:function" of a `SegmenterBuilder`, which is imported only when the model is built.
        licence: SPDX identifier of the weights' licence, or the name that its authors gave it.
        abilities: Prompts and tasks that it handles.
        automatic_masks: Default parameters of automatic masks; `ProposalOptions` to say which masks are kept, too.
        min_click_score: Minimum predicted IoU of a single click; any other is taken for a click on nothing. 0 for a
            model of which no such limit is known.
        min_box_score: Minimum predicted IoU of a box without points, likewise.
        published: Source of its weights; None for a model without published weights.
        bundled: Weights file in this package, if there is one.
        is_demo: Whether it was trained only on the drawn scenes of the demo.
        suggested_for: Where it is the model to begin with, such as "a CPU"; "" for a model that is not suggested.
        million_parameters: Parameters of the model as it is built here, in millions; 0 if unknown.
    """

    name: str
    family: str
    builder: str
    licence: str
    abilities: frozenset[Ability]
    automatic_masks: ProposalParameters
    min_click_score: float = 0.0
    min_box_score: float = 0.0
    published: Published | None = None
    bundled: Path | None = None
    is_demo: bool = False
    suggested_for: str = ""
    million_parameters: float = 0.0


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


@dataclass(frozen=True)
class DetectorEntry:
    """A model that finds the boxes of what texts name.

    Attributes:
        name: The value of DETECTOR.
        builder: "module:function" of a `DetectorBuilder`, which is imported only when the model is built.
        licence: SPDX identifier of the weights' licence.
        min_score: Default score that a box must reach.
        published: Source of its weights.
        million_parameters: As in `SegmenterEntry`.
        model_type: What the config.json of its folder must say.
    """

    name: str
    builder: str
    licence: str
    min_score: float
    published: PublishedFolder
    million_parameters: float = 0.0
    model_type: str = "grounding-dino"
