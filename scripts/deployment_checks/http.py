"""GET and POST for the checks: an answer, or `CheckFailed` that says in words why there is none."""

from __future__ import annotations

from typing import Any

import requests

from backend.errors import shorten
from scripts.deployment_checks.findings import CheckFailed

TIMEOUT_SECONDS = 15.0


class Site:
    """HTTP client of one base URL, without the environment's proxies.

    Args:
        name: Of the program behind it, for messages.
        url: Base URL.
        remedy: What to do if it does not answer.
    """

    def __init__(self, name: str, url: str, remedy: str) -> None:
        self.name, self.url, self._remedy = name, url.rstrip("/"), remedy
        self._session = requests.Session()
        self._session.trust_env = False

    def ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send a request and return the response, whatever its status.

        Raises:
            CheckFailed: No response.
        """
        timeout = arguments.pop("timeout", TIMEOUT_SECONDS)
        try:
            return self._session.request(method, self.url + path, timeout=timeout, allow_redirects=False, **arguments)
        except requests.Timeout as error:
            raise CheckFailed(
                f"{self.name} at {self.url} did not answer within {timeout:g} s.", self._remedy
            ) from error
        except requests.exceptions.SSLError as error:
            remedy = "Check the certificate, or whether the URL should begin with http://."
            raise CheckFailed(f"{self.name} at {self.url}: TLS failed.", remedy) from error
        except (requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema) as error:
            text = f"{self.name}'s URL {shorten(self.url)!r} does not begin with http:// or https://."
            raise CheckFailed(text, self._remedy) from error
        except (requests.RequestException, ValueError) as error:
            raise CheckFailed(
                f"{self.name} at {self.url} cannot be reached: {_reason(error)}.", self._remedy
            ) from error


def json_object(response: requests.Response) -> dict[str, Any]:
    """Return the response's JSON object; {} if it is something else."""
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _reason(error: Exception) -> str:
    text = str(error)
    for phrase, reason in (
        ("Name or service not known", "unknown host name"),
        ("Temporary failure in name resolution", "unknown host name"),
        ("Connection refused", "connection refused"),
        ("Network is unreachable", "network unreachable"),
    ):
        if phrase in text:
            return reason
    return type(error).__name__
