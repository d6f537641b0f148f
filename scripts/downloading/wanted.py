"""Names of models on the command line → what has to be downloaded for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from backend.errors import BadSettings
from backend.models.checkpoints import clip_file_name
from backend.models.entries import Published, PublishedFile, PublishedFolder
from backend.models.hub import PUBLIC_HUB
from backend.models.hub_download import HubModel
from backend.models.registry import CLASSIFIERS, DETECTORS, SEGMENTERS, published_segmenters

CLIP_EXAMPLE = "ViT-B-32/laion2b_s34b_b79k"
_CLIP_FILE = "open_clip_model.safetensors"


@dataclass(frozen=True)
class Wanted:
    """A model to download.

    Attributes:
        name: As the person called it.
        source: A file with a known digest, or files on the hub.
        target: The file or folder that it becomes.
        settings: The settings that use it.
    """

    name: str
    source: PublishedFile | HubModel
    target: Path
    settings: str


def resolve(name: str, weights_dir: Path) -> Wanted:
    """Find what to download for a model's name.

    Raises:
        BadSettings: The model is unknown; the remedy suggests the closest name and lists all.
    """
    segmenters, detectors = published_segmenters(), {n: entry.published for n, entry in DETECTORS.items()}
    if name in segmenters:
        return _resolve_published(name, segmenters[name], weights_dir, f"SAM_MODEL={name}")
    if name in detectors:
        return _resolve_published(name, detectors[name], weights_dir, f"DETECTOR={name}")
    _refuse_repository(name, {**segmenters, **detectors})
    model, _, tag = name.partition("/")
    if tag:
        return _resolve_clip(name, model, tag, weights_dir)
    known = (*segmenters, *detectors)
    if name in SEGMENTERS or name in CLASSIFIERS:
        raise BadSettings(f"{name} ships with this project.", remedy="It needs no download.")
    close = get_close_matches(name, known, n=1)
    meant = f"Did you mean {close[0]}? " if close else ""
    raise BadSettings(
        f"Unknown model {name!r}.",
        remedy=f"{meant}Choose {', '.join(known)}, or an open_clip MODEL/TAG such as {CLIP_EXAMPLE}.",
    )


def _refuse_repository(name: str, published: dict[str, Published]) -> None:
    """Raise `BadSettings` for the name of a repository on the hub, which is not what the settings call the model."""
    for known, source in published.items():
        if isinstance(source, PublishedFolder) and name.lower() == source.repository.lower():
            raise BadSettings(f"{name} is called {known} here.", remedy=f"Choose {known}.")


def _resolve_published(name: str, published: Published, weights_dir: Path, settings: str) -> Wanted:
    target = weights_dir / published.file_name
    if isinstance(published, PublishedFolder):
        return Wanted(name, HubModel.of_folder(published), target, settings)
    if published.sha256 is not None:
        return Wanted(name, published, target, settings)
    address = re.fullmatch(rf"{PUBLIC_HUB}/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", published.url)
    assert address is not None, "a file that is not on the hub has a pin"
    repository, revision, file = address.groups()
    return Wanted(name, _single_file(repository, revision, file, target), target, settings)


def _resolve_clip(name: str, model: str, tag: str, weights_dir: Path) -> Wanted:
    import open_clip

    config = open_clip.get_pretrained_cfg(model, tag)
    parts = str(config.get("hf_hub", "")).strip("/").split("/")  # owner, repository and sometimes a file name
    if len(parts) < 2:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise BadSettings(
            f"open_clip has no weights on the hub for {model}/{tag}.", remedy=f"Tags known for {model}: {tags}."
        )
    repository, file = "/".join(parts[:2]), "/".join(parts[2:]) or _CLIP_FILE
    target, settings = weights_dir / clip_file_name(model, tag), f"CLIP_MODEL={model} CLIP_PRETRAINED={tag}"
    if Path(file).suffix != target.suffix:  # a tag implies .safetensors, so another format is set by its path
        target = target.with_suffix(Path(file).suffix)
        settings = f"CLIP_MODEL={model} CLIP_PRETRAINED={target}"
    return Wanted(name, _single_file(repository, "main", file, target), target, settings)


def _single_file(repository: str, revision: str, file: str, target: Path) -> HubModel:
    return HubModel(target.name, repository, revision, {file: target.name})
