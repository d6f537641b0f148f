"""Label Studio's labeling page in a real Chromium, handled as a person does: with keys, clicks and drags.

Scripts only look at the page; what changes it are events of the mouse and the keyboard.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import (
    JavascriptException,
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.browser import Exchange, read_exchanges
from tests.e2e.looking import find_shown, find_shown_text, read_text, try_click
from tests.e2e.shown import IMAGE, STORE, Shown

WAIT_SECONDS = 120  # a page takes two seconds, unless other programs have the processor
_TOOL = IMAGE + " const tool = image && image.getToolsManager().findSelectedTool();"
_DRAWN_ANEW = (NoSuchElementException, StaleElementReferenceException, JavascriptException)
_HOLD_DRAFTS = """
    const released = new Promise(resolve => { window.releaseDrafts = resolve; }), fetchAtOnce = window.fetch;
    window.fetch = async function (resource) {
        if (/\\/drafts/.test(String(resource && resource.url || resource))) await released;
        return fetchAtOnce.apply(this, arguments);
    };
"""
_BAR = "bottombar-"
_SETTINGS = ".lsf-settings-modal"


class LabelingPage:
    """One person at one browser. `shown` is what they see of regions and masks."""

    def __init__(self, driver: webdriver.Chrome, url: str, screenshots: Path) -> None:
        self._driver, self._url, self._screenshots = driver, url, screenshots
        self.shown = Shown(driver)
        self._answers_seen = 0
        screenshots.mkdir(parents=True, exist_ok=True)

    @property
    def driver(self) -> webdriver.Chrome:
        """The browser, for Label Studio's other pages."""
        return self._driver

    @property
    def url(self) -> str:
        """Label Studio's address."""
        return self._url

    def pretend_mac(self) -> None:
        """Tell the pages that are loaded from now on that this is a Mac; their shortcuts then want the Command key."""
        agent = self._driver.execute_script("return navigator.userAgent").replace("X11; Linux x86_64", "Macintosh")
        self._driver.execute_cdp_cmd("Emulation.setUserAgentOverride", {"userAgent": agent, "platform": "MacIntel"})

    def resize(self, width: int, height: int) -> None:
        """Give the page a window of that many pixels inside."""
        window = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", window)

    def hold_drafts(self) -> None:
        """Let this page and later ones save no further draft before `release_drafts`, as over a slow network."""
        self._driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _HOLD_DRAFTS})
        self._run(_HOLD_DRAFTS)

    def release_drafts(self) -> None:
        """Let the page save its drafts."""
        self._run("window.releaseDrafts()")

    def log_in(self, username: str, password: str) -> None:
        """Fill in the form."""
        self._driver.get(f"{self._url}/user/login/")

        def fill_in() -> bool:
            for name, text in (("email", username), ("password", password)):
                field = self._driver.find_element(By.NAME, name)
                field.clear()
                field.send_keys(text)
            return self._try_click("form [type=submit]")

        self.wait("the form", fill_in)
        self.wait("a page after the login", lambda: "/user/login" not in self._driver.current_url)

    def open_task(self, project: int, task: int) -> None:
        """Open a task for labeling and wait until its picture is drawn."""
        self._driver.get(f"{self._url}/projects/{project}/data?task={task}")
        self.forget_answers()
        self.wait_for_picture()

    def open_predicted_task(self, project: int, task: int, count: int) -> None:
        """Open a task and wait until all `count` regions of its prediction are shown.

        Once in some hundred times Label Studio shows a task without the prediction that it has stored, until the page
        is loaded again.
        """

        def is_shown() -> bool:
            return len(self.shown.regions()) == count

        self.open_task(project, task)
        try:
            self.wait("the prediction", is_shown, seconds=30)
        except AssertionError:
            self.open_task(project, task)
            self.wait("the prediction", is_shown)

    def wait_for_picture(self) -> None:
        """Until the picture of the task is drawn."""
        drawn = IMAGE + " return !!(image && image.naturalWidth > 1 && image.stageWidth > 1 && Konva.stages.length);"
        self.wait("the picture", lambda: self._run(drawn))

    def forget_answers(self) -> None:
        """Count answers from the beginning, as for a page that was loaded."""
        self._answers_seen = 0

    def _fit_in(self) -> bool:
        """Press Shift+1 unless the whole picture is in view. A page that settles cuts its edges off, soon or late."""
        fits = bool(self._run(IMAGE + " return image.zoomScale === 1"))
        if not fits:
            self.press("1", Keys.SHIFT)
        return fits

    def start(self, project: int, task: int) -> None:
        """Open a task and switch Auto-Annotation on."""
        self.open_task(project, task)
        self.switch_on("auto-annotation")

    def switch_on(self, name: str, on: bool = True) -> None:
        """Move a switch in the bottom bar, "auto-annotation" or "auto-accept", if it stands otherwise.

        Then click beside the labels, for keys go to the switch until something else is clicked. A click on the picture
        would do, too, but with the brush in hand, as at the beginning, it paints a dot.
        """
        self.wait(name, lambda: self.is_on(name) is not None)
        if self.is_on(name) != on:
            self.flip(name)
            self.click_beside_labels()
        self.wait(name, lambda: self.is_on(name) == on)

    def is_on(self, name: str) -> bool | None:
        """How a switch in the bottom bar stands; None while it is not there."""
        box = f"const box = document.querySelector('[data-testid={_BAR}{name}-toggle]');"
        found: bool | None = self._run(box + " return box && box.checked;")  # in one step: the bar may be drawn anew
        return found

    def flip(self, name: str) -> None:
        """Click a switch in the bottom bar with the mouse; it keeps the focus."""
        before = self.is_on(name)
        self._click_element(f"label:has([data-testid={_BAR}{name}-toggle])")
        self.wait(name, lambda: self.is_on(name) is not before)

    def click_beside_labels(self) -> None:
        """Click the blank space at the right end of the labels."""
        script = "const box = document.querySelector('.lsf-labels').getBoundingClientRect();"
        x, y = self._run(script + " return [box.right - 8, box.bottom - 8];")
        self.click_in_window(x, y)
        self.wait("the focus to leave", lambda: self._run("return document.activeElement === document.body"))

    def smart_tool_in_hand(self) -> str:
        """The smart tool in hand, "KeyPointTool", "RectangleTool" or "Rectangle3PointTool"; "" for none of them."""
        return str(self._run(_TOOL + " return tool && tool.dynamic ? tool.toolName : '';"))

    def take_smart_tool(self, tool: str) -> None:
        """Click the button at the bottom of the tool bar until "KeyPointTool" or "RectangleTool" is in hand."""
        self.wait(f"the smart {tool}", lambda: self.smart_tool_in_hand() == tool or self.press_smart_button())

    def smart_button(self) -> str:
        """The icon of the button at the bottom of the tool bar, as HTML."""
        return str(self._run("return document.querySelector('button.lsf-tool_smart > .lsf-tool__icon').innerHTML"))

    def press_smart_button(self) -> None:
        """Go on to the next smart tool; the button may be drawn anew or be covered for a moment."""
        try_click(find_shown(self._driver, "button.lsf-tool_smart"))

    def pick(self, key: str, tool: str) -> None:
        """Take the smart tool, then the label of a key; "" drops the label that is picked.

        Where the tools have labels of their own the other way round would drop the label.
        """
        self.take_smart_tool(tool)
        keys = self.shown.label_keys()
        wanted = [keys[key]] if key else []
        picked = self.shown.picked_labels()
        if picked != wanted:
            self.press(key or next(other for other, label in keys.items() if [label] == picked))
        self.wait(f"the label {wanted}", lambda: self.shown.picked_labels() == wanted)

    def unselect(self) -> None:
        """Key U: nothing is selected; a label's key would go to the selected region."""
        self.press("u")
        self.wait("no selection", lambda: not self.shown.selected_ids())

    def press(self, key: str, *held: str) -> None:
        """Press and release one key while others are held."""
        chain = ActionChains(self._driver)
        for other in held:
            chain.key_down(other)
        chain.send_keys(key)
        for other in held:
            chain.key_up(other)
        chain.perform()

    def click(self, x: float, y: float, *, alt: bool = False, ctrl: bool = False, command: bool = False) -> None:
        """Click on a pixel of the image.

        Args:
            alt: Hold the Alt key, which makes a smart point negative.
            ctrl: Hold the Control key, which lets a click through to the image where a region or a box lies.
            command: Hold the Command key, which does the same on a Mac.
        """
        self.wait("all of the picture in view", self._fit_in)  # before a key is held that would make another shortcut
        keys = ((Keys.ALT, alt), (Keys.CONTROL, ctrl), (Keys.COMMAND, command))
        held = [key for key, is_held in keys if is_held]
        for key in held:
            ActionChains(self._driver).key_down(key).perform()
        self._pointer((x, y))
        for key in held:
            ActionChains(self._driver).key_up(key).perform()

    def point_at(self, x: float, y: float) -> None:
        """Move the pointer to a pixel of the image and press nothing."""
        chain = ActionChains(self._driver)
        chain.w3c_actions.pointer_action.move_to_location(*self.shown.place(x, y))
        chain.perform()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag from one pixel of the image to another."""
        self.wait("all of the picture in view", self._fit_in)
        self._pointer(start, end)

    def scroll_to_end(self, *, up: bool = False) -> None:
        """Turn the wheel over the labels and the picture until their last line, or the first one, is in view."""
        column = "const column = document.querySelector('.lsf-main-content'), box = column.getBoundingClientRect();"
        way = "Math.floor(column.scrollTop)" if up else "column.scrollHeight - column.clientHeight - column.scrollTop"

        def turn() -> bool:
            left, x, y = self._run(f"{column} return [{way}, box.left + box.width / 2, box.top + box.height / 2];")
            if left >= 1:
                origin = ScrollOrigin.from_viewport(round(x), round(y))
                ActionChains(self._driver).scroll_from_origin(origin, 0, -400 if up else 400).perform()
            return bool(left < 1)

        self.wait("the end", turn)

    def enter_text(self, text: str, text_area: str = "find") -> None:
        """Click into a text area, type and press Enter."""
        self._click_element(f'[data-testid=textarea-input][name="{text_area}"]')
        self.press(f"{text}\n")

    def show_message(self, text_area: str, text: str) -> None:
        """Put a text into a text area, as an answer of the backend would."""
        self._run("Htx.annotationStore.selected.names.get(arguments[0]).addText(arguments[1])", text_area, text)

    def wait_for_answer(self) -> Exchange:
        """Until the next smart click, box or text has been answered and the page shows what came.

        A page that opens a task with a prediction asks without a prompt, which counts for none of these.
        """
        self.wait("an answer", lambda: any(one.prompts for one in read_exchanges(self._driver, self._answers_seen)))
        new = read_exchanges(self._driver, self._answers_seen)
        self._answers_seen += len(new)
        exchange = [exchange for exchange in new if exchange.prompts][-1]
        self.wait("the page to take the answer", lambda: not self._run("return !!Htx.awaitingSuggestions"))
        if exchange.masks:
            self.wait("the answer on the page", lambda: self.shown.suggested_masks() == exchange.masks)
        return exchange

    def answers_to_come(self) -> int:
        """How many answers have come that `wait_for_answer` has not returned."""
        return len(read_exchanges(self._driver, self._answers_seen))

    def undo(self) -> None:
        """Press Ctrl+Z."""
        ActionChains(self._driver).key_down(Keys.CONTROL).send_keys("z").key_up(Keys.CONTROL).perform()

    def accept(self) -> None:
        """The green tick in the bottom bar."""
        suggested = set(self.shown.suggested_masks())
        self._click_button("accept-suggestions-button")
        self.wait("the suggestion to go", lambda: not self.has_suggestion())
        self.wait("the accepted region", lambda: suggested <= set(self.shown.mask_ids()))

    def reject(self) -> None:
        """The red cross in the bottom bar."""
        self._click_button("reject-suggestions-button")
        self.wait("the suggestion to go", lambda: not self.has_suggestion())

    def has_suggestion(self) -> bool:
        """Whether the bottom bar offers something to accept."""
        return bool(self._all("accept-suggestions-button"))

    def submit(self) -> None:
        """The button, then wait until the page has loaded what was saved; it offers an update before it is."""
        saved = " return !!(store && store.pk) && !Htx.isSubmitting && !Htx.isLoading;"
        self._click_button("submit-button")
        self.wait("the annotation to be saved", lambda: self._all("update-button") and self._run(STORE + saved))

    def submit_and_go_on(self, *keys: str) -> None:
        """Submit in a stream of tasks, by the button or by keys, and wait for the picture of the next task."""
        before = self.task()
        if keys:
            self.press(keys[-1], *keys[:-1])
        else:
            self._click_button("submit-button")
        self.wait("another task", lambda: self.task() not in (0, before))
        self.wait_for_picture()

    def task(self) -> int:
        """The id of the task on the page; 0 without one."""
        return int(self._run("return Number(window.Htx && Htx.task && Htx.task.id || 0)"))

    def keep_label_selected(self, keep: bool = True) -> None:
        """Move the switch "Keep label selected after creating a region" in the settings, if it stands otherwise."""
        kept = "return Htx.settings.continuousLabeling"
        shown = f"const dialog = document.querySelector('{_SETTINGS}'); return dialog && dialog.getClientRects().length"
        self._click_button("settings-button")
        self.wait("the settings", lambda: self._run(shown + " && !dialog.getAnimations({subtree: true}).length"))
        if self._run(kept) != keep:
            keep_label = "Keep label selected after creating a region"
            self.wait("the switch", lambda: try_click(find_shown_text(self._driver, keep_label)))
        self.wait("the setting", lambda: self._run(kept) == keep)
        self._click_element(f"{_SETTINGS} .ant-modal-close")
        self.wait("the settings to close", lambda: not self._run(shown))

    def select_in_list(self, place: int) -> None:
        """Click a region in the list at the right; 0 is the first."""
        item = slice(place, place + 1)
        self.wait("the region's line", lambda: try_click(find_shown(self._driver, ".lsf-outliner-item")[item]))
        self.wait("a selected region", self.shown.selected_ids)

    def click_suggestion_button(self, *, accept: bool) -> None:
        """Click the right or the left of the two small buttons that a suggestion has in the picture."""
        script = """const stage = Konva.stages[0], box = stage.container().getBoundingClientRect();
            return stage.find('Circle').filter(one => one.radius() > 10).map(one => one.getClientRect())
                .map(one => [box.left + one.x + one.width / 2, box.top + one.y + one.height / 2]);"""
        places: list[tuple[float, float]] = []

        def find_both() -> bool:
            places[:] = sorted(self._run(script))
            return len(places) == 2

        self.wait("the buttons in the picture", find_both)
        self.click_in_window(*places[accept])

    def take_tool(self, name: str) -> None:
        """Click a tool in the tool bar, "brush-tool" or "eraser"."""
        self._click_element(f'button.lsf-tool[aria-label="{name}"]')

    def look_at(self, url: str) -> None:
        """Go to another page."""
        self._driver.get(url)

    def text(self) -> str:
        """What is written on the page."""
        return read_text(self._driver)

    def screenshot(self, name: str) -> Path:
        """Write what is to be seen; returns the file."""
        path = self._screenshots / f"{name}.png"
        self._driver.save_screenshot(str(path))
        return path

    def wait(self, what: str, is_there: Callable[[], Any], *, seconds: float | None = None) -> None:
        """Wait for something; when it does not come, fail with a picture.

        While the page is drawn anew, elements are stale or missing and scripts find no task to read. Such an error is
        looked over, unless it stays: then the message has it.
        """
        last_error: list[str] = []

        def look(_: object) -> Any:
            last_error.clear()
            try:
                return is_there()
            except _DRAWN_ANEW as error:
                last_error.append(f": {error.msg}")
                return False

        try:
            WebDriverWait(self._driver, seconds or WAIT_SECONDS, 0.1).until(look)
        except WebDriverException as error:
            picture = self.screenshot("waited-in-vain")
            raise AssertionError(f"waited in vain for {what}{''.join(last_error)}; see {picture}") from error

    def click_in_window(self, x: float, y: float) -> None:
        """Click a place in the window."""
        self._press_and_release([(round(x), round(y))])

    def _pointer(self, *points: tuple[float, float]) -> None:
        """Press at the first pixel of the image, release at the last."""
        self._press_and_release([self.shown.place(x, y) for x, y in points])

    def _press_and_release(self, places: list[tuple[int, int]]) -> None:
        chain = ActionChains(self._driver)
        pointer = chain.w3c_actions.pointer_action
        pointer.move_to_location(*places[0])
        pointer.pointer_down()
        for left, top in places[1:]:
            pointer.move_to_location((places[0][0] + left) // 2, (places[0][1] + top) // 2)
            pointer.move_to_location(left, top)
        pointer.pointer_up()
        chain.perform()

    def _all(self, name: str) -> list[Any]:
        return self._driver.find_elements(By.CSS_SELECTOR, _in_bar(name))

    def _click_button(self, name: str) -> None:
        """Click a button of the bottom bar."""
        self._click_element(_in_bar(name))

    def _click_element(self, selector: str) -> None:
        """Click an element, which may be drawn anew or be covered for a moment."""
        self.wait(selector, lambda: self._try_click(selector))

    def _try_click(self, selector: str) -> bool:
        return try_click(self._driver.find_elements(By.CSS_SELECTOR, selector))

    def _run(self, script: str, *arguments: Any) -> Any:
        return self._driver.execute_script(script, *arguments)


def _in_bar(name: str) -> str:
    return f'[data-testid="{_BAR}{name}"]'
