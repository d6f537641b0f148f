"""Looks at a page in one step: what a single script reads cannot be drawn anew between finding it and reading it.

An element that a look returns may be drawn anew before it is clicked. So click it inside `LabelingPage.wait`, which
looks again: `wait("the menu", lambda: try_click(find_shown(driver, "button")))`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver import Chrome
from selenium.webdriver.remote.webelement import WebElement

_IS_SHOWN = """const isShown = one => { const box = one.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && one.checkVisibility({opacityProperty: true, visibilityProperty: true}); };
"""
_BY_SELECTOR = _IS_SHOWN + "const found = [...document.querySelectorAll(arguments[0])].filter(isShown);"
# the innermost elements with the text
_BY_TEXT = (
    _IS_SHOWN
    + """const text = `contains(normalize-space(.), ${JSON.stringify(arguments[0])})`;
    const path = `//body//*[${text} and not(self::script or self::style) and not(.//*[${text}])]`;
    const all = document.evaluate(path, document, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE, null);
    const found = Array.from({length: all.snapshotLength}, (_, place) => all.snapshotItem(place)).filter(isShown);"""
)


def find_shown(driver: Chrome, selector: str, texts: Sequence[str] = ()) -> list[WebElement]:
    """Find the elements that are to be seen, only those with one of the texts if there are any."""
    script = " return found.filter(one => !arguments[1].length || arguments[1].includes((one.innerText ?? '').trim()));"
    return list(driver.execute_script(_BY_SELECTOR + script, selector, list(texts)))


def read_shown(driver: Chrome, selector: str) -> list[str]:
    """Read the texts of the elements that are to be seen."""
    return list(
        driver.execute_script(_BY_SELECTOR + " return found.map(one => (one.innerText ?? '').trim());", selector)
    )


def find_shown_text(driver: Chrome, text: str) -> list[WebElement]:
    """Find the innermost elements that are to be seen with this text; those of an open menu come last."""
    return list(driver.execute_script(_BY_TEXT + " return found;", text))


def count_shown_text(driver: Chrome, text: str) -> int:
    """Count them."""
    return int(read_at_text(driver, text, "return found.length;"))


def read_at_text(driver: Chrome, text: str, script: str, *arguments: str) -> Any:
    """Run a script that finds them in `found`; its own arguments begin with `arguments[1]`."""
    return driver.execute_script(f"{_BY_TEXT} {script}", text, *arguments)


def read_text(driver: Chrome) -> str:
    """Read what is written on the page; "" while it is loaded."""
    return str(driver.execute_script("return document.body ? document.body.innerText : ''"))


def try_click(elements: Sequence[WebElement]) -> bool:
    """Click the first; False if there is none, or if it is drawn anew or covered at the moment."""
    passing = (StaleElementReferenceException, ElementClickInterceptedException, ElementNotInteractableException)
    with contextlib.suppress(*passing):
        for element in elements[:1]:
            element.click()
            return True
    return False
