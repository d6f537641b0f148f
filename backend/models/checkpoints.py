"""Where weights come from: names, addresses, SHA-256 pins; download with resume; verify before load.

SAM's published file names carry the first six digits of their MD5 (sam_vit_b_01ec64), not of their SHA-256; the pins
here are the SHA-256 of those same files. open_clip's weights come from the Hugging Face hub under the names that
open_clip itself knows; their digest is what the hub says of the file before it sends it (`X-Linked-ETag`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from backend.errors import CheckpointError

_CHUNK = 1 << 20
_NO_NETWORK = "Check the network and the disk and run the same command again: it continues where it stopped."
_DEMO = Path(__file__).parent / "demo"
DEMO_SAM = _DEMO / "sam_demo.safetensors"
DEMO_CLIP = _DEMO / "clip_demo.safetensors"
DEMO_CONFIGS = _DEMO  # the folder of demo-clip.json, for open_clip.add_model_config


@dataclass(frozen=True)
class Published:
    """A file that its authors publish: where, how large, and the SHA-256 it must have."""

    url: str
    sha256: str
    megabytes: int

    @property
    def file_name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


_SAM = "https://dl.fbaipublicfiles.com/segment_anything/"
SAM_FILES: Mapping[str, Published] = {
    "vit_b": Published(
        f"{_SAM}sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 375
    ),
    "vit_l": Published(
        f"{_SAM}sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1250
    ),
    "vit_h": Published(
        f"{_SAM}sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2565
    ),
}


@lru_cache(maxsize=16)
def _file_digest(path: Path, size: int, modified_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex. Raises `CheckpointError` where it cannot be read."""
    try:
        state = path.stat()
        return _file_digest(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint {path} cannot be read: {error.strerror}.",
            remedy="Check the path, or fetch the weights with `python -m scripts.download_models`.",
        ) from error


def find_sam_checkpoint(model_name: str, checkpoint: str, weights_dir: Path) -> Path:
    """The file that holds this model's weights: the one named, the demo's own, or the one that was downloaded.

    Raises:
        CheckpointError: It is not there; the remedy says how to get it.
    """
    if checkpoint:
        path = Path(checkpoint)
        remedy = "Set SAM_CHECKPOINT to a file that exists, or leave it empty."
    elif model_name == "demo":
        path, remedy = DEMO_SAM, "Train it with `python -m scripts.train_demo_models`, or install the project again."
    else:
        path = weights_dir / SAM_FILES[model_name].file_name
        remedy = f"Fetch it with `python -m scripts.download_models {model_name}`."
    if not path.is_file():
        raise CheckpointError(f"There is no SAM checkpoint at {path}.", remedy=remedy)
    return path


def find_clip_checkpoint(model_name: str, pretrained: str, weights_dir: Path) -> Path:
    """The file that holds this CLIP's weights. `pretrained` is a path or a tag that was downloaded.

    Raises:
        CheckpointError: It is not there; the remedy says how to get it.
    """
    if not pretrained and model_name == "demo-clip":
        path, remedy = DEMO_CLIP, "Train it with `python -m scripts.train_demo_models`."
    elif Path(pretrained).is_file():
        return Path(pretrained)
    else:
        path = weights_dir / clip_file_name(model_name, pretrained)
        remedy = f"Fetch it with `python -m scripts.download_models {model_name}/{pretrained or 'TAG'}`."
    if not path.is_file():
        raise CheckpointError(f"There is no CLIP checkpoint at {path}.", remedy=remedy)
    return path


def clip_file_name(model_name: str, tag: str) -> str:
    """What a downloaded open_clip checkpoint is called in the weights folder."""
    return f"open_clip_{model_name.replace('/', '-')}_{tag}.safetensors"


def load_state_dict(path: Path) -> dict[str, Any]:
    """Read weights without running code: safetensors, or a pickle of tensors only.

    Raises:
        CheckpointError: Damaged, cut short, or not a checkpoint.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: dict[str, Any] = load_file(path)
            return state
        import torch

        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, safetensors and pickle each raise their own family
        raise CheckpointError(
            f"The checkpoint {path} ({path.stat().st_size} bytes) is damaged: {error}",
            remedy="Delete it and fetch it again with `python -m scripts.download_models`.",
        ) from error
    weights = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(weights, dict) or not all(isinstance(name, str) for name in weights):
        raise CheckpointError(
            f"The checkpoint {path} holds {type(weights).__name__}, not weights by their names.",
            remedy="Choose a file of model weights (a state dict).",
        )
    return weights


def load_into(model: Any, path: Path, model_name: str) -> None:
    """Load weights into a torch module, strictly.

    Raises:
        CheckpointError: Damaged, or of another architecture than `model_name`.
    """
    state = load_state_dict(path)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).split("\n", 2)[1].strip() if "\n" in str(error) else str(error)
        raise CheckpointError(
            f"The checkpoint {path} is not one of model {model_name!r}: {first[:200]}",
            remedy="Choose the model and the checkpoint that belong together (SAM_MODEL and SAM_CHECKPOINT).",
        ) from error


def verify_pin(path: Path, published: Published) -> None:
    """Raise `CheckpointError` unless the file has the SHA-256 that its authors' file has."""
    found = sha256_of(path)
    if found != published.sha256:
        raise CheckpointError(
            f"{path} has SHA-256 {found}, but {published.file_name} has {published.sha256}.",
            remedy="Delete the file and fetch it again; if it stays so, do not use it.",
        )


def fetch_hub_digest(url: str) -> str:
    """The SHA-256 that the Hugging Face hub names for a large file.

    Raises:
        CheckpointError: No network, or the hub names none.
    """
    import urllib.error
    import urllib.request

    class _StayHere(urllib.request.HTTPRedirectHandler):
        """The digest is in the answer that redirects to the storage, not in the storage's own."""

        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    request = urllib.request.Request(url, method="HEAD")
    try:
        headers = urllib.request.build_opener(_StayHere).open(request, timeout=30).headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    except OSError as error:
        raise CheckpointError(f"{url} could not be reached: {error}", remedy=_NO_NETWORK) from error
    digest = str(headers.get("X-Linked-ETag", "")).strip('"')
    if re.fullmatch("[0-9a-f]{64}", digest) is None:
        raise CheckpointError(
            f"{url} names no SHA-256: its X-Linked-ETag is {digest!r}.", remedy="Check the model's name and tag."
        )
    return digest


def download(url: str, target: Path, *, sha256: str | None, on_progress: Callable[[int, int | None], None]) -> None:
    """Fetch a file into `target` through `target.part`, continuing where an earlier try stopped.

    Args:
        sha256: What it must be; None for a file whose digest nobody publishes.
        on_progress: Called with (bytes so far, bytes in all or None).

    Raises:
        CheckpointError: No network, a refusal, a full disk, or another digest than `sha256`.
    """
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_into(url, part, on_progress)
    except OSError as error:
        raise CheckpointError(
            f"{url} could not be fetched: {error}",
            remedy=f"{_NO_NETWORK} Without a network, fetch the file elsewhere and put it at {target}.",
        ) from error
    found = sha256_of(part)
    if sha256 is not None and found != sha256:
        part.unlink()
        raise CheckpointError(
            f"{url} arrived with SHA-256 {found} instead of {sha256}.",
            remedy="It was deleted. Run the command again; a proxy that rewrites downloads may be in the way.",
        )
    part.replace(target)


def _fetch_into(url: str, part: Path, on_progress: Callable[[int, int | None], None]) -> None:
    import urllib.error
    import urllib.request

    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch
            return
        raise
    with response:
        resumed = response.status == 206
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                on_progress(have, total)
    if total is not None and have < total:
        raise ConnectionError(f"the connection ended after {have} of {total} bytes")
