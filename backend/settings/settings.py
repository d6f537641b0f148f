"""Settings: one field for each environment variable.

Each field is the environment variable of the same name in capitals. Its description is its row of the README's
configuration table. `Settings.from_environment` validates all variables at once and names every one that is invalid.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.errors import BadSettings
from backend.safe_text import list_secrets, redact_address
from backend.settings.field_types import (
    Hosts,
    HttpUrl,
    LogFormat,
    LogLevel,
    Networks,
    Precision,
    RedisUrl,
    SigningKey,
    Switch,
    WholeNumber,
)
from backend.settings.messages import describe_errors

MEBIBYTE = 1 << 20


def _setting(default: Any, about: str, minimum: float | None = None, *, is_secret: bool = False) -> Any:
    return Field(default=default, description=about, ge=minimum, repr=not is_secret)


class Settings(BaseModel):
    """Configuration of the backend. The defaults run the demo models on the best device, without Redis."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    label_studio_url: HttpUrl = _setting("", "URL at which this backend reaches Label Studio and fetches its images")
    label_studio_api_key: str = _setting(
        "", "Personal access token or legacy token of a Label Studio user", is_secret=True
    )
    basic_auth_user: str = _setting("", "User name that callers must send as basic authentication", is_secret=True)
    basic_auth_pass: str = _setting("", "Password of `BASIC_AUTH_USER`", is_secret=True)
    api_token: str = _setting("", "Bearer token that is accepted too, for programs and monitoring", is_secret=True)
    webhook_secret: str = _setting("", "Value that webhooks must carry in the header X-Webhook-Secret", is_secret=True)
    allow_anonymous: Switch = _setting(False, "Serve other machines without authentication, on a trusted network")
    sam_model: str = _setting(
        "demo",
        "Model that makes masks; `scripts.download_models --list` shows all",
    )
    sam_checkpoint: str = _setting(
        "",
        "Path of its file or folder; empty: the demo checkpoint, or the downloaded one in `WEIGHTS_DIR`",
    )
    clip_model: str = _setting(
        "demo-clip", "CLIP model: `demo-clip`, an open_clip model name such as `ViT-B-32`, or `none`"
    )
    clip_pretrained: str = _setting("", "open_clip tag such as `laion2b_s34b_b79k`, or the path of a CLIP checkpoint")
    detector: str = _setting(
        "none",
        "Detector that searches for texts in place of CLIP: `none`, `llmdet_tiny`, `llmdet_base` or "
        "`grounding_dino_tiny`",
    )
    detector_checkpoint: str = _setting("", "Folder of the detector; empty: the downloaded one in `WEIGHTS_DIR`")
    weights_dir: str = _setting("weights", "Directory of the downloaded weights")
    runs_dir: str = _setting(
        ".runs", "Directory of the ledgers of bulk runs, on a local disk; one folder for each project and version"
    )
    device: str = _setting(
        "auto", "Torch device: `auto` (CUDA if available, otherwise the CPU), `cpu`, `cuda`, `cuda:1`"
    )
    sam_dtype: Precision = _setting(
        "auto",
        "Precision of the SAM image encoder: `auto`, `float32`, `float16` or `bfloat16`; always `float32` on a CPU",
    )
    redis_url: RedisUrl = _setting(
        "", "Redis shared by all replicas, such as `redis://host:6379/0`; empty: in-process cache only", is_secret=True
    )
    redis_timeout_seconds: float = _setting(0.5, "Timeout of a Redis request; after it the embedding is computed", 0.01)
    cache_ttl_seconds: WholeNumber = _setting(7 * 86400, "Time to live of an embedding in Redis", 1)
    cache_signing_key: SigningKey = _setting(
        "",
        "Secret of all replicas with which entries in Redis are signed, so that its other clients cannot forge them; "
        "empty: a checksum against accidents",
        is_secret=True,
    )
    cache_max_bytes: WholeNumber = _setting(512 * MEBIBYTE, "Size limit of the in-process embedding cache", 0)
    image_cache_max_bytes: WholeNumber = _setting(
        256 * MEBIBYTE, "Size limit of the cache of image files, and again of the cache of decoded images", 0
    )
    image_max_bytes: WholeNumber = _setting(64 * MEBIBYTE, "Maximum size of an image file", 1)
    image_max_pixels: WholeNumber = _setting(64_000_000, "Maximum number of pixels of an image", 1)
    image_max_scans: WholeNumber = _setting(
        50, "Maximum number of scans of a JPEG; encoders write at most about twenty", 1
    )
    image_timeout_seconds: float = _setting(20.0, "Timeout for fetching one image", 0.1)
    image_allowed_hosts: Hosts = _setting(
        frozenset(),
        "Other hosts that images may be fetched from, such as `a.org,b.org:8000`; without a port: on all ports",
    )
    image_allowed_networks: Networks = _setting(
        frozenset(), "Private networks that Label Studio's storages may redirect to, such as `10.0.0.0/8,fd00::/8`"
    )
    max_body_bytes: WholeNumber = _setting(
        64 * MEBIBYTE, "Maximum size of a request body; 200 regions at 1080p take 31 MB", 1024
    )
    request_timeout_seconds: float = _setting(30.0, "Time in which a request must arrive, body included", 0.1)
    response_timeout_seconds: float = _setting(30.0, "Time in which a client must take a response", 0.1)
    drain_seconds: float = _setting(
        0.0, "Time after SIGTERM in which `/ready` responds 503 and new connections are still accepted", 0.0
    )
    max_concurrent_predictions: WholeNumber = _setting(
        64,
        "Maximum number of predictions that run or wait; further ones are refused with status 503 and `Retry-After`",
        1,
    )
    max_prompts: WholeNumber = _setting(
        200, "Maximum number of points and boxes in a request; more are rejected until suggestions are accepted", 1
    )
    max_classes: WholeNumber = _setting(
        20_000, "Maximum number of labels and choices in a labeling config; each synonym counts", 1
    )
    max_controls: WholeNumber = _setting(
        1_000, "Maximum number of images and controls in a labeling config; a control counts once for each image", 1
    )
    prefetch_tasks: WholeNumber = _setting(
        3, "Number of following tasks to prefetch while an annotator works on a task; 0 disables prefetching", 0
    )
    prefetch_max_bytes: WholeNumber = _setting(
        128 * MEBIBYTE, "Part of each cache that prefetched tasks may take before they are opened", 0
    )
    auto_label: Switch = _setting(
        False, "Let CLIP choose the label of masks from clicks too, not only in pre-annotation"
    )
    top_k: WholeNumber = _setting(
        5, "Number of best classes kept for each mask or image; also the limit of a multiple choice", 1
    )
    torch_threads: WholeNumber = _setting(0, "Number of CPU threads for torch; 0: torch's default", 0)
    log_level: LogLevel = _setting("INFO", "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`")

    log_format: LogFormat = _setting("text", "`text` for people, or `json` for a log collector: one object a line")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read each field from the variable of the same name in capitals; an empty variable means the default.

        Raises:
            BadSettings: Naming every variable whose value is invalid.
        """
        variables = os.environ if environment is None else environment
        texts = {name: variables.get(name.upper(), "").strip() for name in cls.model_fields}
        texts = {name: text for name, text in texts.items() if text}
        try:
            return _check_credentials(cls.model_validate(texts))
        except ValidationError as error:
            raise describe_errors(error, cls.model_fields, texts) from error

    @classmethod
    def from_environment_or_exit(cls) -> Settings:
        """Read the environment at the start of a server; exit with the error message, without a traceback."""
        try:
            return cls.from_environment()
        except BadSettings as error:
            sys.exit(f"The backend cannot start. {error}")

    @classmethod
    def documentation(cls) -> list[tuple[str, str, str]]:
        """Rows of (variable, default, meaning), in the order of the fields."""
        return [(n.upper(), _show_default(f.default), f.description or "") for n, f in cls.model_fields.items()]

    @property
    def weights_path(self) -> Path:
        return Path(self.weights_dir)

    @property
    def runs_path(self) -> Path:
        return Path(self.runs_dir)

    @property
    def redacted_redis_url(self) -> str:
        """`redis_url` without its password, for messages."""
        return redact_address(self.redis_url)

    @property
    def secrets(self) -> list[str]:
        """What must never be shown: the secret settings, and the passwords in URLs; names of users may be shown."""
        hidden = [name for name, field in type(self).model_fields.items() if not field.repr and name[-5:] != "_user"]
        return [secret for name in hidden if (value := getattr(self, name)) for secret in list_secrets(value)]


def _check_credentials(settings: Settings) -> Settings:
    """Raise BadSettings for credentials that cannot work; clients disagree on the encoding of other characters."""
    for name in ("basic_auth_user", "basic_auth_pass", "api_token", "webhook_secret"):
        text = getattr(settings, name)
        if not (text.isascii() and text.isprintable()) or (name == "basic_auth_user" and ":" in text):
            message = f"{name.upper()} has a colon or a character outside of printable ASCII."
            raise BadSettings(message, remedy=f"Set {name.upper()} to letters and digits.")
    if bool(settings.basic_auth_user) != bool(settings.basic_auth_pass):
        raise BadSettings("Only one of BASIC_AUTH_USER and BASIC_AUTH_PASS is set.", remedy="Set both, or neither.")
    return settings


def _show_default(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default == frozenset() else str(default)
