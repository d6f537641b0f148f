"""Settings: the only reader of the environment.

Each field is the environment variable of the same name in capitals. Its description is its row of the README's
configuration table. `Settings.from_environment` validates all variables at once and names every one that is invalid.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from backend.errors import BadSettings, shorten
from backend.safe_text import check_redis_url, list_secrets, redact_address

MEBIBYTE = 1 << 20
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_MAX_SHOWN = 60  # characters of a rejected value

_REASONS = {  # pydantic's error types
    "float_parsing": "not a number",
    "finite_number": "not a finite number",
    "greater_than_equal": "below the minimum of {ge}",
    "literal_error": "not a known value",
}
_EXPECTED: dict[Any, str] = {  # the remedy by a field's type; of the texts only REDIS_URL is validated
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a URL such as redis://host:6379/0, or leave it empty",
}


def _parse_bool(value: object) -> object:
    """Parse the documented spellings; pydantic alone would accept more of them."""
    if not isinstance(value, str):
        return value
    if value.lower() not in _TRUE | _FALSE:
        raise ValueError("neither true nor false")
    return value.lower() in _TRUE


def _parse_int(value: object) -> object:
    """Parse a whole number; pydantic alone would accept "2.0" as well."""
    try:
        return int(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("not a whole number") from error


def _parse_hosts(value: object) -> object:
    if not isinstance(value, str):
        return value
    return frozenset(part.strip().lower() for part in value.split(",") if part.strip())


Switch = Annotated[bool, BeforeValidator(_parse_bool)]
WholeNumber = Annotated[int, BeforeValidator(_parse_int)]
Hosts = Annotated[frozenset[str], BeforeValidator(_parse_hosts)]
RedisUrl = Annotated[str, AfterValidator(check_redis_url)]
Precision = Literal["auto", "float32", "float16", "bfloat16"]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(str.lower)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)]


def _setting(default: Any, about: str, minimum: float | None = None, *, is_secret: bool = False) -> Any:
    return Field(default=default, description=about, ge=minimum, repr=not is_secret)


class Settings(BaseModel):
    """Configuration of the backend. The defaults run the demo models on the best device, without Redis."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    label_studio_url: str = _setting("", "URL at which this backend reaches Label Studio and fetches its images")
    label_studio_api_key: str = _setting(
        "", "Personal access token or legacy token of a Label Studio user", is_secret=True
    )
    sam_model: str = _setting("demo", "SAM model: `demo`, `vit_b`, `vit_l` or `vit_h`")
    sam_checkpoint: str = _setting(
        "", "Path of the SAM checkpoint; empty: the demo checkpoint, or the downloaded one in `WEIGHTS_DIR`"
    )
    clip_model: str = _setting(
        "demo-clip", "CLIP model: `demo-clip`, an open_clip model name such as `ViT-B-32`, or `none`"
    )
    clip_pretrained: str = _setting("", "open_clip tag such as `laion2b_s34b_b79k`, or the path of a CLIP checkpoint")
    weights_dir: str = _setting("weights", "Directory of the downloaded weights")
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
    cache_max_bytes: WholeNumber = _setting(512 * MEBIBYTE, "Size limit of the in-process embedding cache", 0)
    image_cache_max_bytes: WholeNumber = _setting(
        256 * MEBIBYTE, "Size limit of the cache of image files, and again of the cache of decoded images", 0
    )
    image_max_bytes: WholeNumber = _setting(64 * MEBIBYTE, "Maximum size of an image file", 1)
    image_max_pixels: WholeNumber = _setting(64_000_000, "Maximum number of pixels of an image", 1)
    image_timeout_seconds: float = _setting(20.0, "Timeout for fetching one image", 0.1)
    image_allowed_hosts: Hosts = _setting(
        frozenset(),
        "Other hosts that images may be fetched from, such as `a.org,b.org:8000`; without a port: on all ports",
    )
    max_body_bytes: WholeNumber = _setting(
        64 * MEBIBYTE, "Maximum size of a request body; 200 regions at 1080p take 31 MB", 1024
    )
    max_concurrent_predictions: WholeNumber = _setting(
        64,
        "Maximum number of predictions that run or wait; further ones are refused with status 503 and `Retry-After`",
        1,
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
            return cls.model_validate(texts)
        except ValidationError as error:
            raise _describe_errors(error, texts) from error

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
    def redacted_redis_url(self) -> str:
        """`redis_url` without its password, for messages."""
        return redact_address(self.redis_url)

    @property
    def secrets(self) -> list[str]:
        """What must never be shown: the secret settings, and the passwords in URLs; names of users may be shown."""
        hidden = [name for name, field in type(self).model_fields.items() if not field.repr and name[-5:] != "_user"]
        return [secret for name in hidden if (value := getattr(self, name)) for secret in list_secrets(value)]


def _describe_errors(error: ValidationError, texts: Mapping[str, str]) -> BadSettings:
    """Name each invalid variable with its value, the reason and the remedy."""
    messages, remedies = [], []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0])
        field, context = Settings.model_fields[name], problem.get("ctx", {})
        reason = _REASONS.get(problem["type"]) or str(context.get("error", "not valid"))
        shown = texts[name] if field.repr else redact_address(texts[name])
        messages.append(f"{name.upper()} is {shorten(shown, _MAX_SHOWN)!r}, which is {reason.format(**context)}.")
        remedies.append(f"Set {name.upper()} to {_describe_expected(field)}.")
    return BadSettings(" ".join(messages), remedy=" ".join(remedies))


def _describe_expected(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        *others, last = get_args(field.annotation)
        return f"{', '.join(others)} or {last}"
    minimum = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    expected = _EXPECTED[field.annotation]
    return expected if minimum is None else f"{expected} of at least {minimum}"


def _show_default(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default == frozenset() else str(default)
