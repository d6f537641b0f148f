"""Authentication of every request but those to the public routes, before the route runs and its body is read.

`g.is_known_caller` tells the public routes whether the caller sent the right credentials. It is always true where no
credentials are configured.
"""

from __future__ import annotations

from flask import Flask, Response, g, request

from backend.errors import Unauthorized
from backend.server.credentials import Credentials

PUBLIC_ROUTES = frozenset({"/health", "/ready", "/webhook"})  # for probes, and for Label Studio's webhooks


def add_authentication(app: Flask, credentials: Credentials) -> None:
    """Require the credentials, if there are any, on every route that is not public; also on unknown ones."""

    @app.before_request
    def authenticate() -> None:
        authorization = request.headers.get("Authorization", "")
        g.is_known_caller = not credentials.are_required or credentials.accept(authorization)
        if not g.is_known_caller and (request.url_rule is None or request.url_rule.rule not in PUBLIC_ROUTES):
            raise unauthorized(authorization)

    @app.after_request
    def challenge(response: Response) -> Response:
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = credentials.challenge
        return response


def unauthorized(authorization: str) -> Unauthorized:
    """Build the error for missing or wrong credentials; Label Studio's dialog shows it after a refused /setup."""
    if not authorization:
        what = "The user name and the password are missing"
    elif authorization.lower().startswith("bearer"):
        what = "The token is wrong"
    else:
        what = "The user name or the password is wrong"
    return Unauthorized(
        f"{what}: this backend requires authentication.",
        remedy="In Label Studio's connection choose Basic Authentication, with BASIC_AUTH_USER and BASIC_AUTH_PASS of "
        "this backend. Programs may send its API_TOKEN.",
    )
