"""State of one project, as its /setup requests left it, and its JSON document in Redis."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from backend.errors import BadProjectSettings
from backend.projects.project_settings import parse_project_settings

log = logging.getLogger(__name__)

MAX_NAME_CHARACTERS = 100
_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{0,100}")  # any other may be anything, and a key in Redis is shown by its tools
MAX_COMPLAINT_CHARACTERS = 1000
_VERSION = 2
_DIGEST_CHARACTERS = 32


@dataclass(frozen=True)
class ProjectSetup:
    """State of a project, stored in Redis as JSON.

    Attributes:
        origin: Label Studio's address, as it sends it.
        extra_params: The last valid extra params.
        in_force: The settings from these and the labeling config at that time, without the default values.
        answered: Digest of the extra params of the last accepted /setup; "" before the first one.
        refused, refused_at: Digest of the rejected /setup, and the Unix time when it was first rejected.
        complaint: Problem with the last accepted /setup; "" if it is valid.
    """

    origin: str = ""
    extra_params: Mapping[str, Any] = field(default_factory=dict)
    in_force: Mapping[str, Any] = field(default_factory=dict)
    answered: str = ""
    refused: str = ""
    refused_at: float = 0.0
    complaint: str = ""

    def to_json(self) -> bytes:
        """Encode as a versioned JSON document."""
        text = json.dumps({"version": _VERSION, **asdict(self)}, ensure_ascii=False)
        return text.encode("utf-8", "surrogatepass")  # JSON can hold half a character, and `json.loads` reads it

    @classmethod
    def from_json(cls, document: bytes) -> ProjectSetup:
        """Decode what `to_json` of this version wrote. Raises ValueError for anything else."""
        fields = json.loads(document)
        if not isinstance(fields, dict) or fields.pop("version", None) != _VERSION:
            raise ValueError("unsupported version")
        if {name: type(value) for name, value in fields.items()} != {n: type(v) for n, v in asdict(NOTHING).items()}:
            raise ValueError("unexpected fields")
        setup = cls(**fields)
        setup.check()
        return setup

    def check(self) -> None:
        """Raise ValueError if a value cannot come from an accepted /setup."""
        limits = {
            "origin": MAX_NAME_CHARACTERS,
            "answered": _DIGEST_CHARACTERS,
            "refused": _DIGEST_CHARACTERS,
            "complaint": MAX_COMPLAINT_CHARACTERS,
        }
        for name, max_characters in limits.items():
            if len(getattr(self, name)) > max_characters:
                raise ValueError(f"{name} has more than {max_characters} characters")
        if not math.isfinite(self.refused_at):
            raise ValueError("refused_at is not finite")
        try:
            parse_project_settings(self.extra_params)
            parse_project_settings(self.in_force)
        except BadProjectSettings as problem:
            raise ValueError(problem.message) from problem


NOTHING = ProjectSetup()


def bound_id(project: str) -> str:
    """Return the id, or a digest of one that cannot be Label Studio's; it becomes a key in Redis and is logged."""
    return project if _PLAIN_ID.fullmatch(project) else digest_of(project)


def document_name(project: str) -> str:
    """Return the name of the project's document."""
    return f"project-setup:v{_VERSION}:{project}"


def read_document(name: str, document: bytes) -> ProjectSetup | None:
    """Decode a document from Redis; None if it is invalid."""
    try:
        return ProjectSetup.from_json(document)
    except (ValueError, TypeError, RecursionError) as error:
        log.warning("Redis has an invalid document %s (%s), which will be overwritten.", name, error)
        return None


def digest_of(value: object) -> str:
    """Return a digest of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:_DIGEST_CHARACTERS]
