"""Check a deployment from the outside in, and say for each step what is wrong and what to do.

    python -m scripts.doctor --backend http://localhost:9090

    docker compose exec backend python -m scripts.doctor

It reads the backend's own environment variables (LABEL_STUDIO_URL, LABEL_STUDIO_API_KEY, REDIS_URL, BASIC_AUTH_USER,
BASIC_AUTH_PASS, API_TOKEN), so it is best run where the backend runs. The last check creates a project in Label
Studio, connects the backend, clicks an object, and deletes the project. Exit status: 0 if nothing failed, 1 otherwise.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from backend.errors import BadSettings
from backend.fetching import TokenSource
from backend.settings import Settings
from scripts.deployment_checks.backend import BackendSite
from scripts.deployment_checks.click import ClickCheck
from scripts.deployment_checks.findings import Check, Finding, State, run_checks
from scripts.deployment_checks.label_studio import check_import, check_reachable, check_token, find_label_studio
from scripts.deployment_checks.redis import check_redis

BACKEND_URL = "http://127.0.0.1:9090"


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of Label Studio, as seen from the backend (default: LABEL_STUDIO_URL)")
    parser.add_argument("--backend", default=BACKEND_URL, help=f"URL of the backend from here (default: {BACKEND_URL})")
    parser.add_argument(
        "--backend-from-label-studio",
        metavar="URL",
        help="of the backend as Label Studio reaches it (default: --backend)",
    )
    parser.add_argument("--no-click", action="store_true", help="leave out the check that creates a project")
    return parser


def build_checks(settings: Settings, chosen: argparse.Namespace) -> list[Check]:
    """List the checks in their order."""
    site = find_label_studio(chosen.url or settings.label_studio_url)
    backend = BackendSite(chosen.backend, _authorization(settings))
    login = (settings.basic_auth_user, settings.basic_auth_pass) if settings.basic_auth_user else None

    def click() -> Finding:
        headers = TokenSource(site.url, settings.label_studio_api_key).headers()
        return ClickCheck(site, headers, chosen.backend_from_label_studio or chosen.backend, login).run()

    checks = [
        Check("Label Studio", lambda: check_reachable(site)),
        Check("token", lambda: check_token(site, settings.label_studio_api_key), ("Label Studio",)),
        Check("import", lambda: check_import(site, settings.label_studio_api_key), ("Label Studio", "token")),
        Check("Redis", lambda: check_redis(settings)),
        Check("backend", backend.check_reachable),
        Check("authentication", backend.check_authentication, ("backend",)),
        Check("models", backend.check_models, ("backend", "authentication")),
        Check("embedding cache", backend.check_cache, ("backend", "authentication", "Redis")),
    ]
    needed = ("Label Studio", "token", "backend", "authentication")
    return checks if chosen.no_click else [*checks, Check("click", click, needed)]


def main(arguments: list[str] | None = None) -> int:
    chosen = build_parser().parse_args(arguments)
    try:
        settings = Settings.from_environment()
    except BadSettings as error:
        _show("settings", Finding(State.FAILED, error.message, error.remedy))
        return 1
    failed = 0
    for name, finding in run_checks(build_checks(settings, chosen)):
        _show(name, finding)
        failed += finding.state is State.FAILED
    print(f"\n{failed} failed." if failed else "\nNothing failed.")
    return 1 if failed else 0


def _authorization(settings: Settings) -> dict[str, Any]:
    if settings.basic_auth_user:
        return {"auth": (settings.basic_auth_user, settings.basic_auth_pass)}
    if settings.api_token:
        return {"headers": {"Authorization": f"Bearer {settings.api_token}"}}
    return {}


def _show(name: str, finding: Finding) -> None:
    print(f"{finding.state.value:>8}  {name}: {finding.text}", flush=True)
    if finding.remedy:
        print(f"          help: {finding.remedy}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
