"""Settings: the only reader of the environment.

Each field is the environment variable of the same name in capitals. Its description is its row of the README's
configuration table. `Settings.from_environment` validates all variables at once and names every one that is invalid.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic.networks import IPvAnyNetwork

from backend.errors import BadSettings, shorten
from backend.safe_text import check_redis_url, list_secrets, redact_address

MEBIBYTE = 1 << 20
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_MAX_SHOWN = 60  # characters of a rejected value
_REDACTED = "***"
_MIN_KEY_CHARACTERS = 16

_REASONS = {  # pydantic's error types
    "float_parsing": "not a number",
    "finite_number": "not a finite number",
    "greater_than_equal": "below the minimum of {ge}",
    "ip_any_network": "not a list of networks",
    "literal_error": "not a known value",
}
_EXPECTED: dict[Any, str] = {  # the remedy by a field's type, or by its name
    "label_studio_url": "a URL such as http://localhost:8080, without a password",
    "image_allowed_networks": "networks such as 10.0.0.0/8,fd00::/8, separated by commas",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a URL such as redis://host:6379/0, or leave it empty",
    "cache_signing_key": f"at least {_MIN_KEY_CHARACTERS} random characters, such as `openssl rand -hex 32` prints",
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


def _check_label_studio_url(url: str) -> str:
    """Reject what two parsers could read differently, and what has a password or a query."""
    pattern = r"(?i:https?)://[^\s/?#@\\:][^\s/?#@\\]*(/[^\s?#\\]*)?"
    if url and not (re.fullmatch(pattern, url) and _has_readable_port(url)):
        raise ValueError("not an http(s) URL of host, port and path alone")
    return url


def _check_key(key: str) -> str:
    if 0 < len(key) < _MIN_KEY_CHARACTERS:
        raise ValueError(f"shorter than {_MIN_KEY_CHARACTERS} characters")
    return key


Switch = Annotated[bool, BeforeValidator(_parse_bool)]
WholeNumber = Annotated[int, BeforeValidator(_parse_int)]
Hosts = Annotated[frozenset[str], BeforeValidator(_parse_hosts)]
Networks = Annotated[frozenset[IPvAnyNetwork], BeforeValidator(_parse_hosts)]
HttpUrl = Annotated[str, AfterValidator(_check_label_studio_url)]
SigningKey = Annotated[str, AfterValidator(_check_key)]
RedisUrl = Annotated[str, AfterValidator(check_redis_url)]
Precision = Literal["auto", "float32", "float16", "bfloat16"]
LogFormat = Annotated[Literal["text", "json"], BeforeValidator(str.lower)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)]


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


def _describe_errors(error: ValidationError, texts: Mapping[str, str]) -> BadSettings:
    """Name each invalid variable with its value, the reason and the remedy."""
    messages, remedies = [], []
    for problem in error.errors(include_url=False, include_input=False):
        name = str(problem["loc"][0])
        field, context = Settings.model_fields[name], problem.get("ctx", {})
        reason = _REASONS.get(problem["type"]) or str(context.get("error", "not valid"))
        shown = _show_rejected(name, field, texts[name])
        messages.append(f"{name.upper()} is {shorten(shown, _MAX_SHOWN)!r}, which is {reason.format(**context)}.")
        remedies.append(f"Set {name.upper()} to {_describe_expected(name, field)}.")
    return BadSettings(" ".join(dict.fromkeys(messages)), remedy=" ".join(dict.fromkeys(remedies)))


def _show_rejected(field_name: str, field: FieldInfo, text: str) -> str:
    """Show a rejected value without a password; nothing of a secret that is not a URL."""
    if field_name == "redis_url" or (field.repr and "@" in text):
        return redact_address(text)
    return text if field.repr else _REDACTED


def _describe_expected(name: str, field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        *others, last = get_args(field.annotation)
        return f"{', '.join(others)} or {last}"
    minimum = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    expected = _EXPECTED.get(name) or _EXPECTED[field.annotation]
    return expected if minimum is None else f"{expected} of at least {minimum}"


def _has_readable_port(url: str) -> bool:
    """Whether the URL's port can be parsed; urllib's own error may quote a part of a password."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _show_default(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default == frozenset() else str(default)
