"""Fetch real weights: `python -m scripts.download_models vit_b ViT-B-32/laion2b_s34b_b79k`.

Names with a slash are open_clip models and their pretrained tags; others are SAM's. What arrived whole is not fetched
again, what arrived half is continued, and everything whose digest is known is checked against it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from backend.errors import BadSettings
from backend.models.checkpoints import SAM_FILES, clip_file_name, download, fetch_hub_digest, sha256_of, verify_pin
from backend.settings import Settings
from scripts.console import run_command

_HUB = "https://huggingface.co/{repository}/resolve/main/open_clip_model.safetensors"


@dataclass(frozen=True)
class Wanted:
    """One file to fetch: its address, where it goes, its SHA-256 if it is pinned here, and how to use it."""

    url: str
    target: Path
    sha256: str | None
    settings: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch every model named; 0 when all are there."""
    options = _parse(arguments)
    return run_command(lambda: _fetch_all(options.models, options.weights_dir))


def _fetch_all(names: Sequence[str], weights_dir: Path) -> int:
    for wanted in [resolve(name, weights_dir) for name in names]:
        _fetch(wanted)
    return 0


def resolve(name: str, weights_dir: Path) -> Wanted:
    """What has to be fetched for a model's name.

    Raises:
        BadSettings: Nobody publishes a model of this name; the remedy lists those there are.
    """
    model, _, tag = name.partition("/")
    if tag:
        return _resolve_clip(model, tag, weights_dir)
    published = SAM_FILES.get(name)
    if published is None:
        raise BadSettings(
            f"{name!r} is no model that can be fetched.",
            remedy=f"Choose {', '.join(SAM_FILES)} or an open_clip model with its tag, as ViT-B-32/laion2b_s34b_b79k.",
        )
    return Wanted(published.url, weights_dir / published.file_name, published.sha256, f"SAM_MODEL={name}")


def _resolve_clip(model: str, tag: str, weights_dir: Path) -> Wanted:
    import open_clip

    found = open_clip.get_pretrained_cfg(model, tag)
    repository = str(found.get("hf_hub", "")).rstrip("/")
    if not repository:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)) or "none"
        raise BadSettings(
            f"open_clip has no weights on the hub for {model}/{tag}.", remedy=f"Tags it knows for {model}: {tags}."
        )
    target = weights_dir / clip_file_name(model, tag)
    return Wanted(_HUB.format(repository=repository), target, None, f"CLIP_MODEL={model} CLIP_PRETRAINED={tag}")


def _fetch(wanted: Wanted) -> None:
    if wanted.target.exists():
        _check(wanted)
        print(f"{wanted.target} is there already.")
    else:
        with tqdm(unit="B", unit_scale=True, unit_divisor=1024, desc=wanted.target.name) as bar:
            sha256 = wanted.sha256 or fetch_hub_digest(wanted.url)
            download(wanted.url, wanted.target, sha256=sha256, on_progress=_show_on(bar))
    print(f"SHA-256 {sha256_of(wanted.target)}. Use it with {wanted.settings}")


def _check(wanted: Wanted) -> None:
    for published in SAM_FILES.values():
        if published.url == wanted.url:
            verify_pin(wanted.target, published)


def _show_on(bar: tqdm) -> Callable[[int, int | None], None]:
    def show(have: int, total: int | None) -> None:
        bar.total = total
        bar.update(have - bar.n)

    return show


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.download_models", description="Fetch real weights.")
    parser.add_argument("models", nargs="+", help=f"{', '.join(SAM_FILES)}, or MODEL/TAG of open_clip")
    default = Settings.from_environment().weights_path
    parser.add_argument("--weights-dir", type=Path, default=default, help="where they go (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
