"""Why a request of an `open_session()` failed to connect."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.exceptions import SSLError as Urllib3SSLError

from backend.errors import WrongAddress, shorten

NO_TLS_REASONS = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
"""What versions of OpenSSL say of bytes that are no TLS record, such as an answer in plain HTTP."""


def never_connected(error: requests.RequestException) -> bool:
    """Whether a request failed before anything of it was sent: no address, or no connection."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    return isinstance(_reason(error), NewConnectionError | NameResolutionError)


def is_unknown_host(error: Exception) -> bool:
    """Whether a request failed because its host name does not exist.

    A resolver that fails for the moment (EAI_AGAIN) and a name that has no address yet (EAI_NODATA) are something else.
    """
    reason = _reason(error)
    cause = reason.__cause__ if isinstance(reason, NameResolutionError) else None
    return isinstance(cause, UnicodeError) or (isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME)


def is_without_tls(error: Exception) -> bool:
    """Whether a request for an https URL failed because the server answered in something else than TLS.

    A connection that ends during the handshake, as it does while a server starts, is something else.
    """
    reason = _reason(error)
    cause = reason.args[0] if isinstance(reason, Urllib3SSLError) and reason.args else None
    return isinstance(cause, ssl.SSLError) and cause.reason in NO_TLS_REASONS


def find_wrong_address(url: str, error: Exception) -> WrongAddress | None:
    """Build the error of a URL that is probably wrong, by how a request failed; None if it may be right.

    Args:
        url: Label Studio's.
    """
    if is_unknown_host(error):
        message = f'The host name "{shorten(urlsplit(url).hostname)}" of Label Studio\'s URL does not resolve.'
        return WrongAddress(message, remedy="Check LABEL_STUDIO_URL or --url.")
    if is_without_tls(error):
        message = f"Label Studio's URL {shorten(url)} begins with https://, but the server there does not speak TLS."
        plain = shorten("http" + url.removeprefix("https"))
        return WrongAddress(
            message, remedy=f"Set LABEL_STUDIO_URL or --url to {plain}, or to the port that speaks TLS."
        )
    return None


def _reason(error: Exception) -> object:
    """Return what urllib3 says is the reason of requests' error."""
    return getattr(error.args[0] if error.args else None, "reason", None)
