"""Checks of the backend from this machine: health, authentication, models, device, embedding cache."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from backend.runtime import find_public_addresses
from scripts.deployment_checks.findings import CheckFailed, Finding, State
from scripts.deployment_checks.http import Site, json_object

URL_REMEDY = "Start the backend, or correct --backend. Its log says why it did not start."
CREDENTIALS_REMEDY = "Give this command the backend's own BASIC_AUTH_USER and BASIC_AUTH_PASS, or API_TOKEN."


class BackendSite:
    """The backend, with the credentials that this command was given.

    Args:
        authorization: Arguments of `requests` that authenticate; {} for none.
    """

    def __init__(self, url: str, authorization: dict[str, Any]) -> None:
        self._site = Site("The backend", url, URL_REMEDY)
        self.url, self.authorization = self._site.url, authorization

    def check_reachable(self) -> Finding:
        """Check that it answers as this backend does, and that its models were loaded."""
        response = self._site.ask("GET", "/health", **self.authorization)
        health = json_object(response)
        if "status" not in health or "ready" not in health:  # Label Studio has a status too
            text = f"{self.url} answers with HTTP {response.status_code}, but not as this backend does."
            raise CheckFailed(text, URL_REMEDY)
        if health["status"] != "UP":
            remedy = health.get("remedy") or "Its log says why the models could not be loaded."
            raise CheckFailed(f"The backend is down: {health.get('error') or 'the models are not loaded.'}", remedy)
        if not health.get("ready"):
            raise CheckFailed("The models are still loading.", "Run this command again in a moment.")
        return Finding(State.OK, f"ready at {self.url}")

    def check_authentication(self) -> Finding:
        """Check that strangers are refused, and that the given credentials are not."""
        stranger = self._site.ask("GET", "/versions").status_code
        if stranger == 200:
            if not find_public_addresses([(urlsplit(self.url).hostname or "", 0)]):
                return Finding(State.OK, "anonymous, at an address that only this machine reaches")
            remedy = "Set BASIC_AUTH_USER and BASIC_AUTH_PASS for the backend, and in Label Studio's connection."
            return Finding(State.WARNING, "anonymous: everyone who reaches the backend can use it", remedy)
        if stranger != 401:
            raise CheckFailed(f"The backend answers /versions with HTTP {stranger}.", URL_REMEDY)
        if not self.authorization:
            raise CheckFailed(
                "The backend requires authentication, and this command has no credentials.", CREDENTIALS_REMEDY
            )
        known = self._site.ask("GET", "/versions", **self.authorization).status_code
        if known != 200:
            raise CheckFailed(f"The backend refused the given credentials (HTTP {known}).", CREDENTIALS_REMEDY)
        return Finding(State.OK, "strangers are refused, the given credentials are accepted")

    def check_models(self) -> Finding:
        """Check which models are loaded, and on which device."""
        health = self._health()
        detector = f", detector {health['detector']}" if "detector" in health else ""
        text = f"SAM {health.get('sam')}, CLIP {health.get('clip')}{detector}, on {health.get('device')}"
        if problem := health.get("problem"):
            remedy = (
                "Correct CLIP_MODEL, CLIP_PRETRAINED, DETECTOR or DETECTOR_CHECKPOINT, or download the weights again."
            )
            raise CheckFailed(str(problem), remedy)
        if health.get("demo_models"):
            remedy = "Set SAM_MODEL and CLIP_MODEL for photographs (python -m scripts.download_models)."
            return Finding(State.WARNING, text, f"These demo models know only the demo's coloured shapes. {remedy}")
        if str(health.get("device", "")).startswith("cpu"):
            return Finding(State.WARNING, text, "Encoding an image takes seconds without a GPU (DEVICE=cuda).")
        return Finding(State.OK, text)

    def check_cache(self) -> Finding:
        """Check where embeddings are cached."""
        where = str(self._health().get("cache", ""))
        if "does not answer" in where:
            remedy = "Check that Redis runs, and REDIS_URL with its password; the backend's log has Redis's answer."
            raise CheckFailed(f"Embeddings are cached {where}.", remedy)
        return Finding(State.OK, f"embeddings are cached {where}")

    def _health(self) -> dict[str, Any]:
        return json_object(self._site.ask("GET", "/health", **self.authorization))
