"""The review report in Chromium: nothing sticks out of a phone, and plots are readable on light and dark pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from backend.images import SourceImage
from backend.report import compute_figures, draw_picture, render_page
from tests.e2e.conftest import SCREENSHOTS
from tests.fakes import png
from tests.report.project import HEIGHT, WIDTH, five_outcomes, read

if TYPE_CHECKING:  # selenium may be missing
    from selenium.webdriver import Chrome

MIN_CONTRAST = 4.5  # WCAG 2 AA for text
COLOURS = """
    const text = [...document.querySelectorAll("figure svg text, .headline, .soft, thead th, .said li")];
    const card = getComputedStyle(document.querySelector("section")).backgroundColor;
    return text.map(one => [getComputedStyle(one)[one.tagName === "text" ? "fill" : "color"], card]);
"""


@pytest.fixture(scope="module")
def driver(chromium: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser with the report of forty tasks open."""
    from tests.e2e.browser import start_chromium

    folder = tmp_path_factory.mktemp("report")
    reviews = read(*(five_outcomes(number) for number in range(1, 41)))
    pictures = [draw_picture(one, lambda _: SourceImage(png(WIDTH, HEIGHT))) for one in reviews.worst.pick()]
    page = render_page("A project with a rather long title", reviews, compute_figures(reviews), pictures)
    (folder / "report.html").write_text(page, encoding="utf-8")
    driver = start_chromium(*chromium, folder / "profile")
    try:
        driver.get((folder / "report.html").as_uri())
        yield driver
    finally:
        driver.quit()


def show(driver: Chrome, width: int, scheme: str) -> None:
    size = {"width": width, "height": 850, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(SCREENSHOTS / f"report-{width}-{scheme}.png"))


def luminance(colour: str) -> float:
    """The relative luminance of "rgb(r, g, b)" as WCAG 2 defines it."""
    shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_sticks_out_of_the_window(driver: Chrome, width: int) -> None:
    show(driver, width, "light")
    page: Any = driver.execute_script("return document.documentElement.scrollWidth")
    assert page <= width
    plots: Any = driver.execute_script(
        "return [...document.querySelectorAll('.plots svg')].map(one => one.getBoundingClientRect().width)"
    )
    assert len(plots) == 3
    assert all(0.6 * min(width, 480) < one < width for one in plots)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_its_card(driver: Chrome, scheme: str) -> None:
    show(driver, 390, scheme)
    pairs: Any = driver.execute_script(COLOURS)
    assert len(pairs) > 50
    assert min(contrast(*pair) for pair in pairs) >= MIN_CONTRAST
    (card,) = {card for _, card in pairs}
    assert (luminance(card) > 0.5) == (scheme == "light")
