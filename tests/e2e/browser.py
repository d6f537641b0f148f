"""A headless Chromium, and what Label Studio's page sends and gets while a person labels in it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import NoAlertPresentException, WebDriverException
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from urllib3.exceptions import HTTPError

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


_COOKIE = ("name", "value", "domain", "path", "secure", "httpOnly", "sameSite")


class SharedBrowsers:
    """Browsers that all tests of a worker share, one for each person, so that none is started anew for every test.

    Each test gets a new tab, in which nothing of an earlier one is left: no tab, dialog, held key, emulated window or
    time zone, cookie, stored setting or service worker. Only files that may be cached stay, and the password of a page
    that asked for one in a dialog of the browser.
    """

    def __init__(self, start: Callable[[str], webdriver.Chrome], origin: str) -> None:
        """`start` makes a browser for a person's name; pages of `origin` store something."""
        self._start, self._origin = start, origin
        self._browsers: dict[str, webdriver.Chrome] = {}
        self._cookies: dict[str, list[Json]] = {}
        self._lent: set[str] = set()

    def lend(self, person: str) -> webdriver.Chrome:
        """A person's browser with an empty tab, in which nobody is logged in."""
        assert person not in self._lent, f"{person} has one browser only"
        if person not in self._browsers:
            self._browsers[person] = self._start(person)
        self._lent.add(person)
        return self._browsers[person]

    def log_in(self, person: str, by_form: Callable[[], None]) -> None:
        """Log in by the form the first time; later by the cookies that came of it."""
        driver = self._browsers[person]
        if person in self._cookies:
            driver.execute_cdp_cmd("Network.setCookies", {"cookies": self._cookies[person]})
            return
        by_form()
        cookies = driver.execute_cdp_cmd("Network.getCookies", {"urls": [self._origin]})["cookies"]
        self._cookies[person] = [{key: one[key] for key in _COOKIE if key in one} for one in cookies]

    def take_back(self) -> None:
        """Empty the browsers that were lent. One that does not obey is replaced."""
        for person in self._lent:
            try:
                _empty(self._browsers[person], self._origin)
            except (WebDriverException, HTTPError):  # the second: its driver has ended
                self._browsers.pop(person).quit()
        self._lent.clear()

    def quit(self) -> None:
        """Close all."""
        for driver in self._browsers.values():
            driver.quit()


def _empty(driver: webdriver.Chrome, origin: str) -> None:
    """Leave one new tab, and nothing that pages stored."""
    with contextlib.suppress(NoAlertPresentException):
        driver.switch_to.alert.dismiss()
    ActionBuilder(driver).clear_actions()
    before = driver.window_handles
    driver.switch_to.new_window("tab")
    new = driver.current_window_handle
    for tab in before:
        driver.switch_to.window(tab)
        driver.close()
    driver.switch_to.window(new)
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    _listen(driver)


def start_chromium(binary: str, driver: str, profile: Path) -> webdriver.Chrome:
    """A fresh browser without a window, whose pages remember what they ask the backend; the caller must `quit` it."""
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    chromium = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    _listen(chromium)
    return chromium


def _listen(driver: webdriver.Chrome) -> None:
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _LISTEN})


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
