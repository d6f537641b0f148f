"""Label Studio's Data Manager, the table of a project's tasks, and the project's settings, handled with the mouse."""

from __future__ import annotations

import contextlib

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.labeling_page import LabelingPage

_ROW, _BOX = ".lsf-table-row", ".lsf-table-row [class*=checkbox__box]"


class DataManager:
    """One person before the table of a project's tasks. `page` is where they label."""

    def __init__(self, page: LabelingPage, project: int) -> None:
        self._page, self._driver = page, page.driver
        self._address = f"{page.url}/projects/{project}"

    def open(self) -> None:
        """Load the table."""
        self._driver.get(f"{self._address}/data")
        self._page.wait("the table", self.tasks)
        self._page.forget_answers()

    def tasks(self) -> list[int]:
        """The ids of the tasks, in the order of the table."""
        return [int(row.text.split()[0]) for row in self._shown(_ROW) if row.text]

    def column(self, title: str) -> list[str]:
        """What stands in a column of the table, from top to bottom."""
        script = """return [...document.querySelectorAll(arguments[0])]
            .map(row => [...row.children].map(cell => [cell.getBoundingClientRect().left, cell.innerText]));"""
        left = self._with_text(title)[-1].rect["x"]
        rows = self._driver.execute_script(script, _ROW)
        return [min(row, key=lambda cell: abs(cell[0] - left))[1].strip() for row in rows]

    def label_all(self) -> None:
        """The button "Label All Tasks"."""
        self._click_text("Label All Tasks")
        self._page.wait("a task", self._page.task)
        self._page.wait_for_picture()

    def label_as_displayed(self) -> None:
        """The entry "Label Tasks As Displayed" of the small menu beside that button."""
        self._page.wait("the menu", lambda: self._click("button[aria-label='Toggle open']"))
        self._click_text("Label Tasks As Displayed")
        self._page.wait("a task", self._page.task)
        self._page.wait_for_picture()

    def open_row(self, place: int) -> None:
        """Click a row of the table; 0 is the first. Its task opens beside the table."""
        before = self._page.task()
        self._page.wait("the row", lambda: self._click(_ROW, place))
        self._page.wait("the task", lambda: self._page.task() not in (0, before))
        self._page.wait_for_picture()

    def order_by(self, column: str) -> None:
        """Choose a column in the menu "Order by"."""
        self._choose("Order by", column)

    def show_column(self, column: str) -> None:
        """Tick a column in the menu "Columns"."""
        self._choose("Columns", column)

    def accept_predictions(self, *places: int) -> None:
        """Tick rows of the table, 0 is the first, and choose the action "Create Annotations From Predictions"."""
        for count, place in enumerate(places, start=1):
            self._page.wait("the box of the row", lambda place=place: self._click(_BOX, place))
            self._page.wait("the ticked row", lambda count=count: self._ticked_tasks(count))
        self._page.wait("the actions", lambda: self._press(self._ticked_tasks(len(places))))
        self._click_text("Create Annotations From Predictions")
        self._page.wait("the question", lambda: self._with_text("Choose predictions"))
        self._click_text("OK")
        self._page.wait("the end of the action", lambda: not self._with_text("Choose predictions"))

    def open_settings(self, shown: str) -> None:
        """Open Settings > Annotation, where this is chosen under Prelabeling."""
        self._driver.get(f"{self._address}/settings/annotation")
        self._page.wait(f"{shown} under Prelabeling", lambda: self._with_text(shown))

    def use_predictions(self, version: str) -> None:
        """Choose predictions instead of the connected backend in Settings > Annotation > Prelabeling, and save."""
        self.open_settings("(Connected)")
        self._click_text("(Connected)")
        self._click_text(version)
        self._click_text("Save")

    def _shown(self, selector: str) -> list[WebElement]:
        return [one for one in self._driver.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()]

    def _with_text(self, text: str) -> list[WebElement]:
        """The innermost elements that are shown with this text; those of an open menu come last."""
        has_text = f'contains(normalize-space(.), "{text}")'
        found = self._driver.find_elements(By.XPATH, f"//body//*[{has_text} and not(.//*[{has_text}])]")
        return [one for one in found if one.is_displayed()]

    def _ticked_tasks(self, count: int) -> list[WebElement]:
        """The button that opens the actions for ticked rows; it says how many rows are ticked."""
        names = {f"{count} Task", f"{count} Tasks"}
        return [one for one in self._shown("button") if one.text in names]

    def _choose(self, menu: str, entry: str) -> None:
        """Choose an entry of a menu, which the table may have as the title of a column, too; then close the menu."""
        before = len(self._with_text(entry))
        self._click_text(menu)
        self._page.wait(f"the menu {menu}", lambda: len(self._with_text(entry)) > before)
        self._click_text(entry)
        other = "Inner ID"  # an entry of both menus
        self._page.wait("the menu to close", lambda: not self._with_text(other) or self._click_footer())

    def _click_footer(self) -> None:
        """Click below the table, which closes a menu."""
        self._click_text("Submitted annotations:")

    def _click_text(self, text: str) -> None:
        self._page.wait(text, lambda: self._press(self._with_text(text)[-1:]))

    def _click(self, selector: str, place: int = 0) -> bool:
        return self._press(self._shown(selector)[place : place + 1])

    def _press(self, elements: list[WebElement]) -> bool:
        """Click the first; False if there is none or if it is drawn anew or covered at the moment."""
        passing = (StaleElementReferenceException, ElementClickInterceptedException, ElementNotInteractableException)
        with contextlib.suppress(*passing):
            for element in elements:
                element.click()
                return True
        return False
