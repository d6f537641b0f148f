"""A headless Chromium, and what Label Studio's page sends and gets while a person labels in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium import webdriver

from backend.label_studio.results import MESSAGE_ID

Json = dict[str, Any]
FLAGS = (
    "--headless=new",
    "--window-size=1500,1140",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Chromium's own network log cannot be read here: Label Studio's service worker takes requests over, sooner or later.
_LISTEN = """
    window.exchangesWithBackend = [];
    const plainFetch = window.fetch;
    window.fetch = async function (resource, options) {
        const response = await plainFetch.apply(this, arguments);
        const url = String(resource && resource.url || resource);
        if (url.endsWith('/interactive-annotating')) {
            const answer = await response.clone().text();
            window.exchangesWithBackend.push([options.body, answer]);
        }
        return response;
    };
"""


def start_chromium(binary: str, driver: str, profile: Path) -> webdriver.Chrome:
    """A fresh browser without a window, whose pages remember what they ask the backend; the caller must `quit` it."""
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    chromium.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _LISTEN})
    return chromium


@dataclass(frozen=True)
class Exchange:
    """One smart click or box on the wire: the context that the page sent, the results that it got.

    Attributes:
        results: Without the message line.
        message: What the backend said in the line; "" for nothing.
        model_version: Of the models that answered.
    """

    prompts: Sequence[Json]
    results: Sequence[Json]
    errors: Sequence[str] = ()
    message: str = ""
    model_version: str = ""

    @property
    def points(self) -> list[Json]:
        """The points among the prompts, without their labels, which are results of their own."""
        return [prompt for prompt in self.prompts if prompt["type"] in ("keypoint", "keypointlabels")]

    @property
    def masks(self) -> dict[str, bytes]:
        """The brush RLE of every mask in the answer, by the region's id."""
        with_mask = (result for result in self.results if "rle" in result["value"])
        return {str(result["id"]): bytes(result["value"]["rle"]) for result in with_mask}


def read_exchanges(driver: webdriver.Chrome, first: int = 0) -> list[Exchange]:
    """What the page has asked the backend through Label Studio since it was opened, in the order of the answers."""
    said = driver.execute_script("return (window.exchangesWithBackend || []).slice(arguments[0])", first)
    return [_parse(json.loads(asked), json.loads(answer)) for asked, answer in said]


def _parse(asked: Json, answer: Json) -> Exchange:
    data = answer.get("data") or {}
    answered = data.get("result") or []
    results = [result for result in answered if result["id"] != MESSAGE_ID]
    message = " ".join(text for result in answered if result["id"] == MESSAGE_ID for text in result["value"]["text"])
    return Exchange(
        asked["context"]["result"], results, answer.get("errors") or (), message, data.get("model_version", "")
    )
