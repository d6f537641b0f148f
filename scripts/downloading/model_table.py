"""The table of `scripts.download_models --list`: each model with licence, sizes, abilities and whether it is here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from backend.errors import CheckpointError
from backend.models.entries import Ability, DetectorEntry, Published, PublishedFile, PublishedFolder, SegmenterEntry
from backend.models.model_lock import LockedModel, read_lock, verify_download
from backend.models.registry import DETECTORS, SEGMENTERS
from scripts.downloading.wanted import CLIP_EXAMPLE

StateOf = Callable[[Path, Published | None], str]
_BYTES_OF_FLOAT32 = 4
_SHORT = {Ability.AUTOMATIC_MASKS: "automatic"}
_NOTES = (
    "memory     weights in float32, 4 bytes a parameter; half for a GPU's encoder",
    "automatic  masks of everything in an image",
    "here       verified: as this project pins it, or as it was downloaded",
    f"CLIP       MODEL/TAG of open_clip, such as {CLIP_EXAMPLE} (605 MB)",
)


def print_models(weights_dir: Path) -> None:
    """Print the tables, then what is wrong with the files that are here.

    Digests of what is here are computed, which takes a second or two for each GB. With a damaged lock they are compared
    with this project's pins only.
    """
    lock, problems = dict[str, LockedModel](), list[str]()
    try:
        lock = read_lock(weights_dir)
    except CheckpointError as error:
        problems.append(str(error))

    def state_of(path: Path, published: Published | None) -> str:
        try:
            return _describe_state(path, published, weights_dir, lock)
        except CheckpointError as error:
            problems.append(str(error))
            return "changed"

    console = Console(highlight=False)
    segmenters = (_describe_segmenter(entry, weights_dir, state_of) for entry in SEGMENTERS.values())
    detectors = (_describe_detector(entry, weights_dir, state_of) for entry in DETECTORS.values())
    console.print(_build_table("SAM_MODEL", "prompts, tasks", segmenters))
    console.print(_build_table("DETECTOR", "prompts, tasks", detectors))
    for path in sorted(weights_dir.glob("open_clip_*")):
        if path.suffix in (".safetensors", ".bin"):
            console.print(f" {path.name}: {state_of(path, None)}")
    suggested = [f"suggested  {one.name}, for {one.suggested_for}" for one in SEGMENTERS.values() if one.suggested_for]
    for text in (*suggested, *_NOTES, *problems):
        console.print(f" {text}", soft_wrap=True)


def _build_table(setting: str, abilities: str, rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for header in (setting, "licence"):
        table.add_column(header, no_wrap=True)
    for header in ("download\n(MB)", "memory\n(MB)"):
        table.add_column(header, justify="right")
    table.add_column(abilities, min_width=16)
    table.add_column("here", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _describe_segmenter(entry: SegmenterEntry, weights_dir: Path, state_of: StateOf) -> tuple[str, ...]:
    abilities = ", ".join(_SHORT.get(ability, ability.value) for ability in Ability if ability in entry.abilities)
    download, here = "-", "bundled" if entry.bundled is not None else "-"
    if entry.published is not None:
        download = str(entry.published.megabytes)
        here = state_of(weights_dir / entry.published.file_name, entry.published)
    return entry.name, entry.licence, download, _memory(entry.million_parameters), abilities, here


def _describe_detector(entry: DetectorEntry, weights_dir: Path, state_of: StateOf) -> tuple[str, ...]:
    here = state_of(weights_dir / entry.published.file_name, entry.published)
    memory = _memory(entry.million_parameters)
    return entry.name, entry.licence, str(entry.published.megabytes), memory, "words to boxes", here


def _memory(million_parameters: float) -> str:
    return f"{million_parameters * _BYTES_OF_FLOAT32:.0f}" if million_parameters else "?"


def _describe_state(path: Path, published: Published | None, weights_dir: Path, lock: Mapping[str, LockedModel]) -> str:
    """Return whether a model is here.

    Raises:
        CheckpointError: It is not as it was downloaded.
    """
    parts = [*weights_dir.glob(f"{path.name}.*part"), *path.glob("*.part")]
    if isinstance(published, PublishedFolder) and not all((path / name).is_file() for name in published.files):
        return "partial" if parts or path.exists() else "-"
    if not path.exists():
        return "partial" if parts else "-"
    verify_download(path, published, weights_dir, lock)
    is_pinned = isinstance(published, PublishedFile) and published.sha256 is not None
    return "verified" if path.name in lock or is_pinned else "unverified"
