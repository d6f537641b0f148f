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

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from backend.errors import BackendError, BadConfig, BadProjectSettings, shorten
from backend.label_studio.config import (
    ConfigLimits,
    check_messages,
    check_text_prompt,
    parse_labeling_config,
    prefer_shape,
    read_config_settings,
)
from backend.projects.project_settings import ProjectSettings, parse_extra_params, parse_project_settings
from backend.projects.project_setup import (
    MAX_COMPLAINT_CHARACTERS,
    MAX_NAME_CHARACTERS,
    NOTHING,
    ProjectSetup,
    bound_id,
    digest_of,
    document_name,
    read_document,
)
from backend.runtime import LeastRecentlyUsed

log = logging.getLogger(__name__)

SAVING_SECONDS = 20.0
FRESH_SECONDS = 5.0  # clicks use the settings in this process for this long before they read Redis again
MAX_PROJECTS = 1000  # kept in this process
MAX_ONLY_OPENED = 250  # of these: projects without a prediction yet, which never evict one in use


class Documents(Protocol):
    """Interface of `cache.RedisDocuments`."""

    def get(self, name: str, *, in_use: bool) -> bytes | None: ...
    def put(self, name: str, document: bytes, *, in_use: bool) -> bool: ...


class ProjectSetups:
    """Registry of every project's settings, shared by all replicas through Redis, or else kept in this process.

    The key of a project is the id that Label Studio sends both in /setup and in /predict: its number and the time of
    its creation, "3.1795206950". Label Studio's address is only in /setup, so it cannot be part of the key.

    Both Redis and this process keep a bounded number of projects, and Redis drops those that were not used for months.
    Of a dropped project only the extra params and the state of a rejection are lost, until Label Studio sends the next
    /setup, which it does for every page; the labeling config comes with every request. A project is in use once a
    prediction was requested; /setup alone, for however many projects, evicts none of these.

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
        self._known = LeastRecentlyUsed[str, tuple[ProjectSetup, float]](  # and when Redis was asked
            MAX_PROJECTS, max_prefetched=MAX_ONLY_OPENED
        )

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
        project = bound_id(project)
        known, digest = self._find(project, in_use=False), digest_of(extra_params)
        origin = shorten(origin, MAX_NAME_CHARACTERS)
        try:
            extra, settings = check_setup(schema, extra_params, self._limits)
        except (BadConfig, BadProjectSettings) as problem:
            if self._is_saving(project, known, digest, problem):
                raise
            complaint = shorten(str(problem), MAX_COMPLAINT_CHARACTERS)
            if complaint != known.complaint:
                log.warning("Project %s: %s", project, complaint)
            self._keep(project, replace(known, origin=origin, answered=digest, complaint=complaint))
        else:
            self._keep(project, ProjectSetup(origin, extra, settings.changed(), answered=digest))

    def settings_for(self, project: str, schema: str) -> ProjectSettings:
        """Return the settings for a click: those of the labeling config, overridden by the extra params.

        If the labeling config is invalid, return the last valid settings; the problem was reported when Label Studio
        sent /setup.
        """
        project = bound_id(project)
        known = self._find(project, in_use=True)
        for read_values in (lambda: {**read_config_settings(schema), **known.extra_params}, lambda: known.in_force):
            try:
                return parse_project_settings(read_values())
            except (BadConfig, BadProjectSettings) as problem:
                log.debug("Project %s: %s", project, problem)
        return ProjectSettings()

    def reports(self) -> list[tuple[str, ProjectSetup]]:
        """Return the projects with an accepted /setup in this process, the most recent first."""
        latest_first = sorted(self._known.items(), key=lambda entry: -entry[1][1])
        return [(project, setup) for project, (setup, _) in latest_first if setup.answered]

    def _is_saving(self, project: str, known: ProjectSetup, digest: str, problem: BackendError) -> bool:
        """Whether a user is saving these extra params now. Stores the first rejection."""
        if not project:
            return True
        if digest == known.answered:
            return False
        refused, now = digest_of([digest, str(problem)]), self._clock()
        if refused != known.refused:
            self._keep(project, replace(known, refused=refused, refused_at=now))
            return True
        return abs(now - known.refused_at) < SAVING_SECONDS

    def _find(self, project: str, *, in_use: bool) -> ProjectSetup:
        """Return a project's state: from Redis, or from this process if Redis has none or was asked just now.

        Args:
            in_use: Whether a prediction was requested: the project is marked as in use, and what Redis returned in the
                last `FRESH_SECONDS` is good enough.
        """
        here, asked_at = self._known.peek(project) or (NOTHING, -math.inf)
        is_marked = self._known.is_in_use(project) or here == NOTHING
        is_fresh = in_use and is_marked and time.monotonic() - asked_at < FRESH_SECONDS
        if not project or is_fresh:
            return here
        found = here if self._shared is None else self._find_shared(self._shared, project, here, in_use)
        if found != NOTHING or self._shared is not None:  # that Redis has none need not be asked for every click
            self._remember(project, found, in_use=in_use and found != NOTHING)
        return found

    def _find_shared(self, shared: Documents, project: str, here: ProjectSetup, in_use: bool) -> ProjectSetup:
        """Return the state in Redis; if it has none, store `here`, the one in this process, there."""
        name = document_name(project)
        document = shared.get(name, in_use=in_use)
        found = read_document(name, document) if document else None
        if found is None and here != NOTHING:  # Redis is unreachable, or has evicted the document
            shared.put(name, here.to_json(), in_use=in_use)
        return found or here

    def _keep(self, project: str, setup: ProjectSetup) -> None:
        """Store a project's state in this process and, if it has changed, in Redis."""
        before, _ = self._known.peek(project) or (NOTHING, 0.0)
        if not project:
            return
        self._remember(project, setup, in_use=False)
        if self._shared is not None and setup != before:
            self._shared.put(document_name(project), setup.to_json(), in_use=False)

    def _remember(self, project: str, setup: ProjectSetup, *, in_use: bool) -> None:
        self._known.put(project, (setup, time.monotonic()), prefetch=not in_use)


def check_setup(
    schema: str, extra_params: object, limits: ConfigLimits = ConfigLimits()
) -> tuple[dict[str, Any], ProjectSettings]:
    """Parse the extra params, and combine them with the settings in the labeling config.

    Returns:
        The extra params as parsed, and the settings: those of the labeling config, overridden by the extra params.

    Raises:
        BadConfig: The labeling config cannot hold predictions, or lacks a control that a setting requires.
        BadProjectSettings: An invalid setting.
    """
    given = parse_extra_params(extra_params)
    extra = parse_project_settings(given).select(given)  # reports problems here before those in the config
    if not schema.strip():
        return extra, parse_project_settings(extra)
    config = parse_labeling_config(schema, limits)
    settings = parse_project_settings({**read_config_settings(schema), **extra})
    prefer_shape(config, settings.answer)
    check_text_prompt(config, settings.text_prompt)
    check_messages(config, settings.messages, settings.text_prompt)
    return extra, settings
