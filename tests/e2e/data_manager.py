"""Label Studio's Data Manager, the table of a project's tasks, and the project's settings, handled with the mouse."""

from __future__ import annotations

from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.labeling_page import LabelingPage
from tests.e2e.looking import count_shown_text, find_shown, find_shown_text, read_at_text, read_shown, try_click

_ROW, _BOX = ".lsf-table-row", ".lsf-table-row [class*=checkbox__box]"
_OPEN_MENU = "button[aria-label='Toggle open']"


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
        return [int(text.split()[0]) for text in read_shown(self._driver, _ROW) if text[:1].isdigit()]

    def wait_for_pictures(self) -> None:
        """Until each task of the table shows its picture."""
        script = """const rows = [...document.querySelectorAll(arguments[0])];
            const isDrawn = one => one.complete && one.naturalWidth > 0;
            return rows.length && rows.every(row => [...row.querySelectorAll('img')].some(isDrawn));"""
        self._page.wait("the pictures", lambda: self._driver.execute_script(script, _ROW))

    def column(self, title: str) -> list[str]:
        """What stands in a column of the table, from top to bottom."""
        script = """const left = one => one.getBoundingClientRect().left, head = left(found.at(-1));
            const near = (one, other) => Math.abs(left(one) - head) - Math.abs(left(other) - head);
            return [...document.querySelectorAll(arguments[1])]
                .map(row => [...row.children].sort(near)[0].innerText.trim());"""
        return list(read_at_text(self._driver, title, script, _ROW))

    def label_all(self) -> None:
        """The button "Label All Tasks"."""
        self._click_text("Label All Tasks")
        self._page.wait("a task", self._page.task)
        self._page.wait_for_picture()

    def label_as_displayed(self) -> None:
        """The entry "Label Tasks As Displayed" of the small menu beside that button."""
        self._page.wait("the menu", lambda: self._click(_OPEN_MENU))
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
        self._page.wait("the actions", lambda: try_click(self._ticked_tasks(len(places))))
        self._click_text("Create Annotations From Predictions")
        self._page.wait("the question", lambda: self._count("Choose predictions"))
        self._click_text("OK")
        self._page.wait("the end of the action", lambda: not self._count("Choose predictions"))

    def open_settings(self, shown: str) -> None:
        """Open Settings > Annotation, where this is chosen under Prelabeling."""
        self._driver.get(f"{self._address}/settings/annotation")
        self._page.wait(f"{shown} under Prelabeling", lambda: self._count(shown))

    def use_predictions(self, version: str) -> None:
        """Choose predictions instead of the connected backend in Settings > Annotation > Prelabeling, and save."""
        self.open_settings("(Connected)")
        self._click_text("(Connected)")
        self._click_text(version)
        self._click_text("Save")

    def _count(self, text: str) -> int:
        return count_shown_text(self._driver, text)

    def _ticked_tasks(self, count: int) -> list[WebElement]:
        """The button that opens the actions for ticked rows; it says how many rows are ticked."""
        names = (f"{count} Task", f"{count} Tasks")
        return find_shown(self._driver, "button", names)

    def _choose(self, menu: str, entry: str) -> None:
        """Choose an entry of a menu, which the table may have as the title of a column, too; then close the menu."""
        before = self._count(entry)
        self._click_text(menu)
        self._page.wait(f"the menu {menu}", lambda: self._count(entry) > before)
        self._click_text(entry)
        other = "Inner ID"  # an entry of both menus
        self._page.wait("the menu to close", lambda: not self._count(other) or self._click_footer())

    def _click_footer(self) -> None:
        """Click below the table, which closes a menu."""
        self._click_text("Submitted annotations:")

    def _click_text(self, text: str) -> None:
        self._page.wait(text, lambda: try_click(find_shown_text(self._driver, text)[-1:]))

    def _click(self, selector: str, place: int = 0) -> bool:
        return try_click(find_shown(self._driver, selector)[place : place + 1])
