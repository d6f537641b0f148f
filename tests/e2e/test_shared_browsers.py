"""A browser that tests share: nothing of one test is left in the next, and two people have two browsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import LocalServer

if TYPE_CHECKING:  # selenium may be missing
    from tests.e2e.browser import SharedBrowsers

PERSON, OTHER = "one@example.com", "other@example.com"
STORE = """const done = arguments[0];
    localStorage.setItem('kept', '1'); sessionStorage.setItem('kept', '1'); document.cookie = 'kept=1; max-age=1000';
    const opening = indexedDB.open('kept', 1);
    opening.onsuccess = () => { opening.result.close();
        navigator.serviceWorker.register('/worker.js').then(() => caches.open('kept')).then(() => done('stored')); };"""
LOOK = """const done = arguments[0];
    Promise.all([indexedDB.databases(), navigator.serviceWorker.getRegistrations(), caches.keys()]).then(found =>
        done({stored: found.map(one => one.length), local: localStorage.length, session: sessionStorage.length,
              cookie: document.cookie, window: [innerWidth, innerHeight], scale: devicePixelRatio,
              agent: navigator.userAgent, zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
              mark: !!window.mark, listens: Array.isArray(window.exchangesWithBackend)}));"""
NOTE_KEYS = "window.keys = []; addEventListener('keydown', event => keys.push([event.key, event.shiftKey]));"
LEAVE = "window.open('/'); setTimeout(() => alert('left open'));"


@pytest.fixture
def browsers(
    chromium: tuple[str, str], start_server: Callable[[], LocalServer], tmp_path: Path
) -> Iterator[tuple[SharedBrowsers, str]]:
    """Browsers of their own, and the address of a page."""
    from tests.e2e.browser import SharedBrowsers, start_chromium

    def respond(seen: Any, handler: Any) -> tuple[int, dict[str, str], bytes]:
        kind = "text/javascript" if seen.path.endswith(".js") else "text/html"
        return 200, {"Content-Type": kind}, b"" if kind == "text/javascript" else b"<!doctype html><p>a page</p>"

    server = start_server()
    server.respond = respond
    shared = SharedBrowsers(lambda person: start_chromium(*chromium, tmp_path / person), server.url)
    yield shared, server.url
    shared.quit()


def test_nothing_that_a_test_left_is_in_the_browser_of_the_next(browsers: tuple[SharedBrowsers, str]) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    shared, url = browsers
    driver = shared.lend(PERSON)
    driver.get(url)
    untouched = driver.execute_async_script(LOOK)
    assert untouched["stored"] == [0, 0, 0] and untouched["listens"] and not untouched["mark"]
    metrics = {"width": 390, "height": 500, "deviceScaleFactor": 2, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Australia/Darwin"})
    driver.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": "another"})
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": "window.mark = true"})
    driver.get(url)
    assert driver.execute_async_script(STORE) == "stored"
    left = driver.execute_async_script(LOOK)
    assert {key for key in left if left[key] == untouched[key]} == {"listens"}  # each of the others was changed
    ActionChains(driver).key_down(Keys.SHIFT).perform()
    driver.execute_script(LEAVE)

    shared.take_back()
    assert shared.lend(PERSON) is driver
    driver.get(url)
    assert driver.execute_async_script(LOOK) == untouched
    assert len(driver.window_handles) == 1
    driver.execute_script(NOTE_KEYS)
    ActionChains(driver).send_keys("a").perform()
    assert driver.execute_script("return keys") == [["a", False]]


def test_a_person_is_logged_in_by_the_form_once_and_then_by_its_cookies(browsers: tuple[SharedBrowsers, str]) -> None:
    shared, url = browsers
    forms = []

    def log_in(person: str) -> str:
        driver = shared.lend(person)

        def by_form() -> None:
            driver.get(url)
            driver.execute_script(f"document.cookie = 'person={person}'")
            forms.append(person)

        shared.log_in(person, by_form)
        driver.get(url)
        return str(driver.execute_script("return document.cookie"))

    for _ in range(2):
        assert (log_in(PERSON), log_in(OTHER)) == (f"person={PERSON}", f"person={OTHER}")
        shared.take_back()
    assert forms == [PERSON, OTHER]
    driver = shared.lend(PERSON)
    driver.get(url)
    assert driver.execute_script("return document.cookie") == ""


def test_a_browser_that_ended_is_replaced(browsers: tuple[SharedBrowsers, str]) -> None:
    shared, url = browsers
    ended = shared.lend(PERSON)
    ended.quit()
    shared.take_back()
    driver = shared.lend(PERSON)
    driver.get(url)
    assert driver is not ended and driver.title == ""
