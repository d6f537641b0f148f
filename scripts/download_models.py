"""Download published weights: `python -m scripts.download_models vit_b ViT-B-32/laion2b_s34b_b79k`.

Names with a slash are open_clip models and their pretrained tags; others are SAM models. Complete files are not fetched
again, partial downloads are resumed, and files with a known SHA-256 are verified: SAM's digests are pinned in this
project, open_clip's come from the hub and are stored beside the file (FILE.sha256, in the format of `sha256sum -c`).
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from backend.errors import BadSettings, CheckpointError, shorten
from backend.models.checkpoints import clip_file_name, sha256_of, verify_pin
from backend.models.download import download, fetch_hub_digest
from backend.models.registry import SEGMENTERS, Ability, PublishedFile, published_segmenters
from backend.settings import Settings
from scripts.console import run_command

_HUB = "https://huggingface.co/{repository}/resolve/main/{file}"
_HUB_FILE = "open_clip_model.safetensors"


@dataclass(frozen=True)
class Wanted:
    """A file to fetch: its URL, target path, registry entry if it has one, and the settings that use it."""

    url: str
    target: Path
    published: PublishedFile | None
    settings: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch all given models; return the exit status."""
    options = _parse(arguments)
    return run_command(lambda: _fetch_all(options.models, options.weights_dir))


def _fetch_all(names: Sequence[str], weights_dir: Path | None) -> int:
    weights_dir = weights_dir or Settings.from_environment().weights_path
    for wanted in [resolve(name, weights_dir) for name in names]:
        _fetch(wanted)
    return 0


def resolve(name: str, weights_dir: Path) -> Wanted:
    """Find the file to fetch for a model's name.

    Raises:
        BadSettings: The model is unknown; the remedy lists the known ones.
    """
    model, _, tag = name.partition("/")
    if tag:
        return _resolve_clip(model, tag, weights_dir)
    segmenters = published_segmenters()
    if name not in segmenters:
        raise BadSettings(
            f"Unknown model {name!r}.",
            remedy=f"Choose {', '.join(segmenters)}, or an open_clip MODEL/TAG, e.g. ViT-B-32/laion2b_s34b_b79k.",
        )
    published = segmenters[name]
    return Wanted(published.url, weights_dir / published.file_name, published, f"SAM_MODEL={name}")


def _resolve_clip(model: str, tag: str, weights_dir: Path) -> Wanted:
    import open_clip

    config = open_clip.get_pretrained_cfg(model, tag)
    parts = str(config.get("hf_hub", "")).strip("/").split("/")  # owner, repository and sometimes a file name
    if len(parts) < 2:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise BadSettings(
            f"open_clip has no weights on the hub for {model}/{tag}.", remedy=f"Tags known for {model}: {tags}."
        )
    url = _HUB.format(repository="/".join(parts[:2]), file="/".join(parts[2:]) or _HUB_FILE)
    target = weights_dir / clip_file_name(model, tag)
    suffix = Path(url).suffix
    if suffix == target.suffix:
        return Wanted(url, target, None, f"CLIP_MODEL={model} CLIP_PRETRAINED={tag}")
    target = target.with_suffix(suffix)  # a tag implies .safetensors, so another format is set by its path
    return Wanted(url, target, None, f"CLIP_MODEL={model} CLIP_PRETRAINED={target}")


def _fetch(wanted: Wanted) -> None:
    if wanted.target.exists():
        _check(wanted)
        print(f"{wanted.target} already exists.")
    else:
        with tqdm(unit="B", unit_scale=True, unit_divisor=1024, desc=wanted.target.name) as bar:
            pinned = wanted.published and wanted.published.sha256
            sha256 = pinned or fetch_hub_digest(wanted.url)
            download(wanted.url, wanted.target, sha256=sha256, on_progress=_show_on(bar))
        if pinned is None:
            _write_digest(wanted.target, sha256)
    print(f"SHA-256 {sha256_of(wanted.target)}. Use it with {wanted.settings}")


def _check(wanted: Wanted) -> None:
    if wanted.published is not None and wanted.published.sha256 is not None:
        verify_pin(wanted.target, wanted.published)
        return
    expected = _read_digest(wanted.target)
    if expected is None:
        print(f"{wanted.target} was not verified: {_digest_path(wanted.target).name} is missing.")
    elif sha256_of(wanted.target) != expected:
        raise CheckpointError(
            f"{wanted.target} has SHA-256 {sha256_of(wanted.target)}, expected {expected}.",
            remedy="The file is damaged: delete it and run the command again.",
        )


def _digest_path(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _write_digest(target: Path, sha256: str) -> None:
    try:
        _digest_path(target).write_text(f"{sha256}  {target.name}\n", encoding="ascii")
    except OSError as error:
        raise CheckpointError(
            f"{_digest_path(target)} could not be written: {error.strerror}.",
            remedy="The weights are complete and usable, but cannot be verified next time.",
        ) from error


def _read_digest(target: Path) -> str | None:
    path = _digest_path(target)
    if not path.exists():
        return None
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.", remedy="Delete it.") from error
    digest = text.partition(" ")[0].strip()
    if re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise CheckpointError(f"{path} must start with a SHA-256, got {shorten(repr(digest))}.", remedy="Delete it.")
    return digest


def _show_on(bar: tqdm) -> Callable[[int, int | None], None]:
    def show(have: int, total: int | None) -> None:
        bar.total = total
        bar.update(have - bar.n)

    return show


def _describe_segmenters() -> str:
    """List the available segmenters, one per line: name, size, licence and abilities."""
    lines = ["segmenters:"]
    for name, published in published_segmenters().items():
        entry = SEGMENTERS[name]
        abilities = ", ".join(ability.value for ability in Ability if ability in entry.abilities)
        lines.append(f"  {name:<10} {published.megabytes:>6} MB   {entry.licence}   {abilities}")
    return "\n".join(lines)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.download_models",
        description="Download published weights.",
        epilog=_describe_segmenters(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", help="a name from the list below, or MODEL/TAG of open_clip")
    parser.add_argument("--weights-dir", type=Path, help="target folder (default: WEIGHTS_DIR, else weights)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
