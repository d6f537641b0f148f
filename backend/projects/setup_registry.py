"""ProjectSetups: what /setup said of each project, kept for its clicks, and which /setup is refused.

Label Studio sends /setup when a person saves the ML backend and again at every page; the two look the same. Of a
refused one it shows the HTTP reason phrase to the person who saves, and saves nothing. At a page a refusal puts the
connection in an error state, in which batch predictions stop without a word. So what cannot be used is

- refused when its extra params are new to this project: somebody saves them. For `SAVING_SECONDS` the same is refused
  again, for that is the same person at the same button;
- answered like any other when its extra params are those of the last /setup that was answered (a page is opened; the
  labeling config may have been broken meanwhile), or when it comes back later, and so was stored all the same. The
  settings that were last right stay in force, and the status page says what is wrong.

Between a refusal and its return any /setup that can be used proves that the refused one was not stored.
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
from backend.label_studio.config import check_text_prompt, parse_labeling_config, prefer_shape, read_config_settings
from backend.projects.project_settings import ProjectSettings, parse_extra_params, parse_project_settings
from backend.runtime import LeastRecentlyUsed

log = logging.getLogger(__name__)

SAVING_SECONDS = 20.0
FRESH_SECONDS = 5.0  # how long a click believes this process before it asks Redis again
MOST_PROJECTS = 1000  # kept in this process
_VERSION = 1
_LONGEST_NAME = 100
_LONGEST_COMPLAINT = 1000


class Documents(Protocol):
    """What is needed of `cache.RedisDocuments`."""

    def get(self, name: str) -> bytes | None: ...
    def put(self, name: str, document: bytes) -> None: ...


@dataclass(frozen=True)
class ProjectSetup:
    """What is remembered of a project.

    Attributes:
        origin: Label Studio's address, as it says.
        extra_params: The last that could be used.
        in_force: What they came to together with the labeling config of then: the settings that are not the default.
        answered: Digest of the extra params of the last /setup that was answered; "" before the first.
        refused, refused_at: Digest of the one that is refused, and when that was first, in seconds since 1970.
        complaint: What is wrong with the last /setup that was answered; "" if nothing is.
    """

    origin: str = ""
    extra_params: Mapping[str, Any] = field(default_factory=dict)
    in_force: Mapping[str, Any] = field(default_factory=dict)
    answered: str = ""
    refused: str = ""
    refused_at: float = 0.0
    complaint: str = ""

    def to_json(self) -> bytes:
        return json.dumps({"version": _VERSION, **asdict(self)}).encode()

    @classmethod
    def from_json(cls, document: bytes) -> ProjectSetup:
        """Raises ValueError for what `to_json` of this version did not write."""
        read = json.loads(document)
        if not isinstance(read, dict) or read.pop("version", None) != _VERSION:
            raise ValueError("another version")
        if {name: type(value) for name, value in read.items()} != {n: type(v) for n, v in asdict(_NOTHING).items()}:
            raise ValueError("other fields")
        return cls(**read)


_NOTHING = ProjectSetup()


class ProjectSetups:
    """The settings of every project, shared by all replicas through `shared`; without it, in this process.

    A project is known by the id that Label Studio gives it in /setup and in /predict alike: its number and the second
    of its creation, "3.1795206950". The address stands only in /setup, so it cannot tell two projects apart.

    Args:
        shared: Redis, or None.
        clock: Seconds since 1970, the same for all replicas.
    """

    def __init__(self, shared: Documents | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._shared, self._clock = shared, clock
        self._known = LeastRecentlyUsed[str, tuple[ProjectSetup, float]](MOST_PROJECTS)  # and when Redis was asked

    def accept(self, project: str, origin: str, schema: str, extra_params: object) -> None:
        """Take over what a /setup says.

        Args:
            project: Label Studio's id of it; "" if it is not said, and nothing is then remembered.
            origin: Label Studio's address.
            schema: The labeling config; "" if it is not said.
            extra_params: As they came.

        Raises:
            BadConfig, BadProjectSettings: What cannot be used, where it has to be refused.
        """
        known, offered = self._find(project, fresh_seconds=0.0), _digest(extra_params)
        origin = shorten(origin, _LONGEST_NAME)
        try:
            extra, settings = check_setup(schema, extra_params)
        except (BadConfig, BadProjectSettings) as problem:
            if self._is_saving(project, known, offered, problem):
                raise
            complaint = shorten(str(problem), _LONGEST_COMPLAINT)
            if complaint != known.complaint:
                log.warning("Project %s: %s", shorten(project, _LONGEST_NAME), complaint)
            self._keep(project, replace(known, origin=origin, answered=offered, complaint=complaint))
        else:
            self._keep(project, ProjectSetup(origin, extra, settings.changed(), answered=offered))

    def settings_for(self, project: str, schema: str) -> ProjectSettings:
        """What holds for a click: the extra params over what the labeling config says.

        Where the labeling config says something that cannot be used, it is what held before; the complaint was made
        when Label Studio sent /setup.
        """
        known = self._find(project, fresh_seconds=FRESH_SECONDS)
        for said in (lambda: {**read_config_settings(schema), **known.extra_params}, lambda: known.in_force):
            try:
                return parse_project_settings(said())
            except (BadConfig, BadProjectSettings) as problem:
                log.debug("Project %s: %s", shorten(project, _LONGEST_NAME), problem)
        return ProjectSettings()

    def reports(self) -> list[tuple[str, ProjectSetup]]:
        """The projects of which this process has seen a /setup that was answered, the last one first."""
        return [(project, setup) for project, (setup, _) in reversed(self._known.items()) if setup.answered]

    def _is_saving(self, project: str, known: ProjectSetup, offered: str, problem: BackendError) -> bool:
        """Whether somebody saves these extra params now; the first time that is remembered."""
        if not project:
            return True
        if offered == known.answered:
            return False
        refused, now = _digest([offered, str(problem)]), self._clock()
        if refused != known.refused:
            self._keep(project, replace(known, refused=refused, refused_at=now))
            return True
        return now - known.refused_at < SAVING_SECONDS

    def _find(self, project: str, *, fresh_seconds: float) -> ProjectSetup:
        """What is known, from this process if it asked within `fresh_seconds`, else from Redis if that knows more."""
        here, asked_at = self._known.peek(project) or (_NOTHING, -math.inf)
        if not project or self._shared is None or time.monotonic() - asked_at < fresh_seconds:
            return here
        name = _name(project)
        there = self._shared.get(name)
        found = _read(name, there) if there else None
        if found is None and here != _NOTHING:  # Redis is away, or made room for something else
            self._shared.put(name, here.to_json())
        self._known.put(project, (found or here, time.monotonic()))
        return found or here

    def _keep(self, project: str, setup: ProjectSetup) -> None:
        """For this process and, if it is news, for the others."""
        before, _ = self._known.peek(project) or (_NOTHING, 0.0)
        if not project:
            return
        self._known.put(project, (setup, time.monotonic()))
        if self._shared is not None and setup != before:
            self._shared.put(_name(project), setup.to_json())


def check_setup(schema: str, extra_params: object) -> tuple[dict[str, Any], ProjectSettings]:
    """The extra params as a mapping, and what they come to over the labeling config.

    Raises:
        BadConfig: The labeling config cannot carry an answer, or not the one that is asked for.
        BadProjectSettings: A setting that cannot be used.
    """
    extra = parse_extra_params(extra_params)
    parse_project_settings(extra)  # what stands in the extra params is said before what stands in the config
    if not schema.strip():
        return extra, parse_project_settings(extra)
    config = parse_labeling_config(schema)
    settings = parse_project_settings({**read_config_settings(schema), **extra})
    prefer_shape(config, settings.answer)
    check_text_prompt(config, settings.text_prompt)
    return extra, settings


def _name(project: str) -> str:
    return f"project-setup:v{_VERSION}:{project if len(project) <= _LONGEST_NAME else _digest(project)}"


def _read(name: str, document: bytes) -> ProjectSetup | None:
    try:
        return ProjectSetup.from_json(document)
    except (ValueError, TypeError, RecursionError) as error:
        log.warning("Redis holds a damaged %s (%s); it is written again.", name, error)
        return None


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]
