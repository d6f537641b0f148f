"""Why a request of an `open_session()` failed to connect."""

from __future__ import annotations

import socket

import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError


def never_connected(error: requests.RequestException) -> bool:
    """Whether a request failed before anything of it was sent: no address, or no connection."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, NewConnectionError | NameResolutionError)


def is_unknown_host(error: Exception) -> bool:
    """Whether a request failed because its host name does not exist.

    A resolver that fails for the moment (EAI_AGAIN) and a name that has no address yet (EAI_NODATA) are something else.
    """
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    cause = reason.__cause__ if isinstance(reason, NameResolutionError) else None
    return isinstance(cause, UnicodeError) or (isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME)
