"""Download published weights: `python -m scripts.download_models sam2.1_hiera_tiny ViT-B-32/laion2b_s34b_b79k`.

`--list` shows the models. Names with a slash are open_clip models and their pretrained tags. Downloads resume; complete
ones are compared with this project's pins and with `models.lock.json` in the weights folder, and not fetched again.

HF_ENDPOINT is the address of a mirror of the Hugging Face hub. HF_TOKEN is the token of an account there; models with a
licence to accept need it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from backend.models.checkpoints import sha256_of, verify_pin
from backend.models.download import OnProgress, check_disk, download
from backend.models.entries import PublishedFile
from backend.models.hub import Hub
from backend.models.hub_download import HubModel, fetch_model
from backend.models.model_lock import LOCK_NAME, only_one_download
from backend.settings import Settings
from scripts.console import run_command
from scripts.downloading.digest_files import check_digest_file
from scripts.downloading.model_table import print_models
from scripts.downloading.wanted import Wanted, resolve


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch all given models, or list all there are; return the exit status."""
    options = _parse(arguments)
    return run_command(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    weights_dir = options.weights_dir or Settings.from_environment().weights_path
    if options.list:
        print_models(weights_dir)
        return 0
    hub = Hub.from_variables(os.environ)
    for wanted in [resolve(name, weights_dir) for name in options.models]:
        if isinstance(wanted.source, PublishedFile):
            _fetch_pinned(wanted, wanted.source)
        else:
            _fetch_from_hub(wanted, wanted.source, hub, update=options.update)
        print(f"Use it with {wanted.settings}")
    return 0


def _fetch_pinned(wanted: Wanted, file: PublishedFile) -> None:
    if wanted.target.exists():
        verify_pin(wanted.target, file)
        print(f"{wanted.target} already exists.")
    else:
        with only_one_download(wanted.target.parent), _show_progress(file.file_name) as on_progress:
            check_disk(wanted.target.parent, _missing_bytes(wanted.target, file))
            download(file.url, wanted.target, sha256=file.sha256, on_progress=on_progress)
    print(f"{wanted.target.name}: SHA-256 {sha256_of(wanted.target)}, as this project pins it.")


def _missing_bytes(target: Path, file: PublishedFile) -> int:
    part = target.with_name(target.name + ".part")
    return max(0, file.megabytes * 1_000_000 - (part.stat().st_size if part.exists() else 0))


def _fetch_from_hub(wanted: Wanted, model: HubModel, hub: Hub, *, update: bool) -> None:
    weights_dir = wanted.target.parent
    if not update:
        check_digest_file(wanted.target)
    fetched = fetch_model(model, weights_dir, hub, update=update, open_progress=_show_progress)
    locked = fetched.locked
    if not fetched.new_files:
        print(f"{wanted.target} already exists.")
    print(f"{wanted.target.name}: {locked.repository} at commit {locked.commit}")
    pinned = {Path(model.files[name]).name for name in model.pins}
    for name, digest in sorted(locked.files.items()):
        trust = "pinned" if name in pinned else "locked now" if name in fetched.new_files else "as locked"
        print(f"  SHA-256 {digest}  {name} ({trust})")
    if set(fetched.new_files) - pinned:
        print(f"From now on {weights_dir / LOCK_NAME} says what these files must be.")


@contextmanager
def _show_progress(name: str) -> Iterator[OnProgress]:
    with tqdm(unit="B", unit_scale=True, unit_divisor=1000, desc=name) as bar:

        def show(have: int, total: int | None) -> None:
            bar.total = total
            bar.update(have - bar.n)

        yield show


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.download_models", description="Download published weights, or list them."
    )
    parser.add_argument("models", nargs="*", help="a name that --list shows, or MODEL/TAG of open_clip")
    parser.add_argument("--list", action="store_true", help="show the models, their licences, and which are here")
    parser.add_argument(
        "--update", action="store_true", help="take the newest commit in place of the locked one; replaces files"
    )
    parser.add_argument("--weights-dir", type=Path, help="target folder (default: WEIGHTS_DIR, else weights)")
    options = parser.parse_args(arguments)
    if bool(options.models) == options.list:
        parser.error("give the names of models, or --list")
    return options


if __name__ == "__main__":
    sys.exit(main())
