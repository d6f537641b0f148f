"""Registry of the projects' /setup requests: it keeps their settings for clicks and rejects invalid ones.

Label Studio sends /setup when a user saves the ML backend, and again whenever a page is opened; the two requests look
the same. If a save is rejected, Label Studio shows the HTTP reason phrase to the user and stores nothing. If a page's
request is rejected, Label Studio puts the connection into an error state, in which batch predictions silently do
nothing. Therefore an invalid /setup is

- rejected if its extra params are new to the project, because a user is saving them. For `SAVING_SECONDS` an identical
  request is rejected again, because the user is probably retrying;
- accepted if its extra params are those of the last accepted /setup (a page was opened; the labeling config may have
  become invalid in the meantime), or if it is repeated later, which shows that it was stored nevertheless. The last
  valid settings stay in force, and the status page shows the problem.

A valid /setup between a rejected one and its repetition proves that the rejected one was not stored.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from backend.errors import BackendError, BadConfig, BadProjectSettings, shorten
from backend.label_studio.config import (
    ConfigLimits,
    check_text_prompt,
    parse_labeling_config,
    prefer_shape,
    read_config_settings,
)
from backend.projects.project_settings import ProjectSettings, parse_extra_params, parse_project_settings
from backend.runtime import LeastRecentlyUsed

log = logging.getLogger(__name__)

SAVING_SECONDS = 20.0
FRESH_SECONDS = 5.0  # clicks use the settings in this process for this long before they read Redis again
MAX_PROJECTS = 1000  # kept in this process
_VERSION = 1
_MAX_NAME_CHARACTERS = 100
_MAX_COMPLAINT_CHARACTERS = 1000


class Documents(Protocol):
    """Interface of `cache.RedisDocuments`."""

    def get(self, name: str) -> bytes | None: ...
    def put(self, name: str, document: bytes) -> None: ...


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
        return json.dumps({"version": _VERSION, **asdict(self)}).encode()

    @classmethod
    def from_json(cls, document: bytes) -> ProjectSetup:
        """Decode what `to_json` of this version wrote. Raises ValueError for anything else."""
        fields = json.loads(document)
        if not isinstance(fields, dict) or fields.pop("version", None) != _VERSION:
            raise ValueError("unsupported version")
        if {name: type(value) for name, value in fields.items()} != {n: type(v) for n, v in asdict(_NOTHING).items()}:
            raise ValueError("unexpected fields")
        return cls(**fields)


_NOTHING = ProjectSetup()


class ProjectSetups:
    """Registry of every project's settings, shared by all replicas through Redis, or else kept in this process.

    The key of a project is the id that Label Studio sends both in /setup and in /predict: its number and the time of
    its creation, "3.1795206950". Label Studio's address is only in /setup, so it cannot be part of the key.

    Args:
        shared: Redis, or None.
        limits: Maximum sizes of a labeling config.
        clock: Unix time, the same for all replicas.
    """

    def __init__(
        self,
        shared: Documents | None = None,
        *,
        limits: ConfigLimits = ConfigLimits(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._shared, self._limits, self._clock = shared, limits, clock
        self._known = LeastRecentlyUsed[str, tuple[ProjectSetup, float]](MAX_PROJECTS)  # and when Redis was asked

    def accept(self, project: str, origin: str, schema: str, extra_params: object) -> None:
        """Store the contents of a /setup request.

        Args:
            project: Label Studio's id; "" if it is missing, in which case nothing is stored.
            origin: Label Studio's address.
            schema: The labeling config; "" if it is missing.
            extra_params: The unparsed value.

        Raises:
            BadConfig, BadProjectSettings: The request is invalid and must be rejected.
        """
        known, digest = self._find(project, fresh_seconds=0.0), _digest(extra_params)
        origin = shorten(origin, _MAX_NAME_CHARACTERS)
        try:
            extra, settings = check_setup(schema, extra_params, self._limits)
        except (BadConfig, BadProjectSettings) as problem:
            if self._is_saving(project, known, digest, problem):
                raise
            complaint = shorten(str(problem), _MAX_COMPLAINT_CHARACTERS)
            if complaint != known.complaint:
                log.warning("Project %s: %s", shorten(project, _MAX_NAME_CHARACTERS), complaint)
            self._keep(project, replace(known, origin=origin, answered=digest, complaint=complaint))
        else:
            self._keep(project, ProjectSetup(origin, extra, settings.changed(), answered=digest))

    def settings_for(self, project: str, schema: str) -> ProjectSettings:
        """Return the settings for a click: those of the labeling config, overridden by the extra params.

        If the labeling config is invalid, return the last valid settings; the problem was reported when Label Studio
        sent /setup.
        """
        known = self._find(project, fresh_seconds=FRESH_SECONDS)
        for read_values in (lambda: {**read_config_settings(schema), **known.extra_params}, lambda: known.in_force):
            try:
                return parse_project_settings(read_values())
            except (BadConfig, BadProjectSettings) as problem:
                log.debug("Project %s: %s", shorten(project, _MAX_NAME_CHARACTERS), problem)
        return ProjectSettings()

    def reports(self) -> list[tuple[str, ProjectSetup]]:
        """Return the projects with an accepted /setup in this process, the most recent first."""
        return [(project, setup) for project, (setup, _) in reversed(self._known.items()) if setup.answered]

    def _is_saving(self, project: str, known: ProjectSetup, digest: str, problem: BackendError) -> bool:
        """Whether a user is saving these extra params now. Stores the first rejection."""
        if not project:
            return True
        if digest == known.answered:
            return False
        refused, now = _digest([digest, str(problem)]), self._clock()
        if refused != known.refused:
            self._keep(project, replace(known, refused=refused, refused_at=now))
            return True
        return now - known.refused_at < SAVING_SECONDS

    def _find(self, project: str, *, fresh_seconds: float) -> ProjectSetup:
        """Return a project's state: from Redis, or from this process if that is fresh enough or Redis has none."""
        here, asked_at = self._known.peek(project) or (_NOTHING, -math.inf)
        if not project or self._shared is None or time.monotonic() - asked_at < fresh_seconds:
            return here
        name = _name(project)
        there = self._shared.get(name)
        found = _read(name, there) if there else None
        if found is None and here != _NOTHING:  # Redis is unreachable, or has evicted the document
            self._shared.put(name, here.to_json())
        self._known.put(project, (found or here, time.monotonic()))
        return found or here

    def _keep(self, project: str, setup: ProjectSetup) -> None:
        """Store a project's state in this process and, if it has changed, in Redis."""
        before, _ = self._known.peek(project) or (_NOTHING, 0.0)
        if not project:
            return
        self._known.put(project, (setup, time.monotonic()))
        if self._shared is not None and setup != before:
            self._shared.put(_name(project), setup.to_json())


def check_setup(
    schema: str, extra_params: object, limits: ConfigLimits = ConfigLimits()
) -> tuple[dict[str, Any], ProjectSettings]:
    """Parse the extra params, and combine them with the settings in the labeling config.

    Returns:
        The extra params, and the settings: those of the labeling config, overridden by the extra params.

    Raises:
        BadConfig: The labeling config cannot hold predictions, or lacks a control that a setting requires.
        BadProjectSettings: An invalid setting.
    """
    extra = parse_extra_params(extra_params)
    parse_project_settings(extra)  # reports problems in the extra params before those in the config
    if not schema.strip():
        return extra, parse_project_settings(extra)
    config = parse_labeling_config(schema, limits)
    settings = parse_project_settings({**read_config_settings(schema), **extra})
    prefer_shape(config, settings.answer)
    check_text_prompt(config, settings.text_prompt)
    return extra, settings


def _name(project: str) -> str:
    return f"project-setup:v{_VERSION}:{project if len(project) <= _MAX_NAME_CHARACTERS else _digest(project)}"


def _read(name: str, document: bytes) -> ProjectSetup | None:
    """Decode a document from Redis; None if it is invalid."""
    try:
        return ProjectSetup.from_json(document)
    except (ValueError, TypeError, RecursionError) as error:
        log.warning("Redis has an invalid document %s (%s), which will be overwritten.", name, error)
        return None


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]
