"""Settings: the only reader of the environment.

Every field is one environment variable of the same name in capitals; its metadata holds the sentence that the
documentation shows. `Settings.from_environment` parses once and raises `BadSettings` naming the variable and the value.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from backend.errors import BadSettings

MEBIBYTE = 1 << 20
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def _setting(default: Any, about: str, minimum: float | None = None) -> Any:
    return field(default=default, metadata={"about": about, "minimum": minimum})


@dataclass(frozen=True)
class Settings:
    """What an operator may choose. The defaults give the demo models on the best device, without Redis."""

    label_studio_url: str = _setting("", "Where Label Studio is, as this backend reaches it; images come from there")
    label_studio_api_key: str = _setting("", "A personal access token or a legacy token of a Label Studio user")
    sam_model: str = _setting("demo", "`demo`, `vit_b`, `vit_l` or `vit_h`")
    sam_checkpoint: str = _setting("", "Path of SAM's weights; empty: what `scripts.download_models` fetched")
    clip_model: str = _setting("demo-clip", "`demo-clip`, an open_clip model name such as `ViT-B-32`, or `none`")
    clip_pretrained: str = _setting("", "An open_clip tag (`laion2b_s34b_b79k`) or the path of a checkpoint")
    weights_dir: str = _setting("weights", "Where downloaded weights lie")
    device: str = _setting("auto", "`auto` (cuda, then cpu), `cpu`, `cuda` or `cuda:1`")
    sam_dtype: str = _setting("auto", "The encoder's precision: `auto`, `float32`, `float16` or `bfloat16`")
    redis_url: str = _setting("", "`redis://host:6379/0`; empty: a cache inside the process")
    redis_timeout_seconds: float = _setting(0.5, "How long a click waits for Redis before it computes", 0.01)
    cache_ttl_seconds: int = _setting(7 * 86400, "How long an embedding is kept", 1)
    cache_max_bytes: int = _setting(512 * MEBIBYTE, "Budget of the in-process cache of embeddings", 0)
    image_cache_max_bytes: int = _setting(256 * MEBIBYTE, "Budget of the local cache of encoded images", 0)
    image_max_bytes: int = _setting(64 * MEBIBYTE, "The largest image file that is fetched", 1)
    image_max_pixels: int = _setting(64_000_000, "The most pixels that are decoded", 1)
    image_timeout_seconds: float = _setting(20.0, "The longest that fetching one image may take", 0.1)
    image_allowed_hosts: frozenset[str] = _setting(
        frozenset(), "Other hosts that images may come from: `a.org,b.org:8000`; without a port: all its ports"
    )
    max_body_bytes: int = _setting(64 * MEBIBYTE, "The largest request body; 200 regions at 1080p make 31 MB", 1024)
    server_threads: int = _setting(40, "Requests answered at once; four are kept free for `/health` and the like", 8)
    max_waiting_requests: int = _setting(64, "How many pieces of work may wait for the models", 1)
    prefetch_tasks: int = _setting(
        3, "How many of the tasks that come next are prepared while a person works on one; 0: none", 0
    )
    prefetch_max_bytes: int = _setting(
        128 * MEBIBYTE, "What of each cache may hold tasks that nobody opened yet; the rest is for those in use", 0
    )
    auto_label: bool = _setting(False, "Let CLIP pick the label for clicks too, not only in pre-annotation")
    top_k: int = _setting(5, "How many classes are looked at, best first; a multiple choice gets at most so many", 1)
    torch_threads: int = _setting(0, "Threads that torch may use on a CPU; 0: torch decides", 0)
    log_level: str = _setting("INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read every field from the variable of the same name in capitals; an empty variable means the default.

        Raises:
            BadSettings: A value that is not of the field's type or is under its minimum.
        """
        values = os.environ if environment is None else environment
        read = {f.name: _parse(f, values[f.name.upper()]) for f in fields(cls) if values.get(f.name.upper(), "") != ""}
        return cls(**read)

    @classmethod
    def from_environment_or_exit(cls) -> Settings:
        """The same for a server that starts: what is wrong becomes its last words, without a traceback."""
        try:
            return cls.from_environment()
        except BadSettings as error:
            sys.exit(f"The backend cannot start. {error}")

    @classmethod
    def documentation(cls) -> list[tuple[str, str, str]]:
        """Rows of (variable, default, meaning), in the order of the fields."""
        return [(f.name.upper(), _show(f.default), f.metadata["about"]) for f in fields(cls)]

    @property
    def weights_path(self) -> Path:
        return Path(self.weights_dir)


def _show(default: object) -> str:
    return "" if default == frozenset() else str(default)


def _parse(setting: Field[Any], text: str) -> Any:
    name, minimum = setting.name.upper(), setting.metadata["minimum"]
    try:
        value = _convert(type(setting.default), text.strip())
    except ValueError as error:
        kind = type(setting.default).__name__
        raise BadSettings(
            f"{name} is {text!r}, which is not of type {kind}.", remedy=f"{name} means: {setting.metadata['about']}."
        ) from error
    if minimum is not None and value < minimum:
        raise BadSettings(
            f"{name} is {text!r}, under its minimum of {minimum}.", remedy=f"Set {name} to {minimum} or more."
        )
    return value


def _convert(kind: type, text: str) -> Any:
    if kind is bool:
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError(text)
        return text.lower() in _TRUE
    if kind is frozenset:
        return frozenset(part.strip().lower() for part in text.split(",") if part.strip())
    return kind(text)
