"""Checks of Label Studio: that it answers, that its token is valid, and that it imports predictions quickly."""

from __future__ import annotations

import json

from backend.errors import LabelStudioError
from backend.fetching import TOKEN_REMEDY, TokenSource
from scripts.demo_circle.places import IMPORT_FLAG
from scripts.deployment_checks.findings import CheckFailed, Finding, State
from scripts.deployment_checks.http import Site, json_object

URL_REMEDY = "Start Label Studio, or correct LABEL_STUDIO_URL (or --url): it is the URL as seen from the backend."
TESTED_VERSION = "1.23"
IMPORT_REMEDY = (
    f"For projects of more than 1000 tasks start Label Studio with {IMPORT_FLAG}=true in its environment; "
    "docs/preannotating.md says what that changes."
)


def find_label_studio(url: str) -> Site:
    """Return the site of Label Studio."""
    return Site("Label Studio", url, URL_REMEDY)


def check_reachable(site: Site) -> Finding:
    """Check that Label Studio answers, and which version it is."""
    if not site.url:
        raise CheckFailed("LABEL_STUDIO_URL is empty.", "Set it, or give --url: the URL as seen from the backend.")
    response = site.ask("GET", "/api/version")
    version = json_object(response).get("release")
    if not version:
        text = f"{site.url} answers with HTTP {response.status_code}, but not as Label Studio does."
        raise CheckFailed(text, URL_REMEDY)
    if not str(version).startswith(f"{TESTED_VERSION}."):
        return Finding(State.WARNING, f"version {version}", f"Version {TESTED_VERSION} is the one that was tested.")
    return Finding(State.OK, f"version {version} at {site.url}")


def check_token(site: Site, api_key: str) -> Finding:
    """Check the token's kind, and that Label Studio accepts it."""
    if not api_key:
        raise CheckFailed("LABEL_STUDIO_API_KEY is empty, so images cannot be fetched.", TOKEN_REMEDY)
    tokens = TokenSource(site.url, api_key)
    kind = "personal access token" if tokens.can_renew else "legacy token"
    try:
        response = site.ask("GET", "/api/current-user/whoami", headers=tokens.headers())
    except LabelStudioError as error:
        raise CheckFailed(error.message, error.remedy) from error
    if response.status_code == 401 and not tokens.can_renew:
        detail = json_object(response).get("detail") or "HTTP 401"
        raise CheckFailed(f"Label Studio refused the legacy token: {detail}.", TOKEN_REMEDY)
    if response.status_code != 200:
        raise CheckFailed(f"Label Studio refused the {kind} with HTTP {response.status_code}.", TOKEN_REMEDY)
    return Finding(State.OK, f"{kind} of {json_object(response).get('email', 'a user')}")


def check_import(site: Site, api_key: str) -> Finding:
    """Check that the time of an import of predictions does not grow with the project; it is a feature flag."""
    response = site.ask("GET", "/feature-flags/", headers=TokenSource(site.url, api_key).headers())
    try:
        flags = json.loads(response.text.removeprefix("<pre>").removesuffix("</pre>"))
        is_fast = bool(flags[IMPORT_FLAG])
    except (ValueError, KeyError, TypeError):
        text = f"not known: Label Studio does not list its feature flags (HTTP {response.status_code})"
        return Finding(State.SKIPPED, text, IMPORT_REMEDY)
    if not is_fast:
        return Finding(State.WARNING, "each import of predictions loads all tasks of its project", IMPORT_REMEDY)
    return Finding(State.OK, "the time of an import of predictions does not grow with the project")
