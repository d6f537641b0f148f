"""Label Studio's labeling page in a real Chromium, handled as a person does: with keys, clicks and drags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

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
WAIT_SECONDS = 120  # a page takes two seconds, unless other programs have the processor
_STORE = "const store = window.Htx && Htx.annotationStore && Htx.annotationStore.selected;"
_IMAGE = _STORE + " const image = store && store.names.get('image');"
_TOOL = _IMAGE + " const tool = image && image.getToolsManager().findSelectedTool();"
_GEOMETRY = (
    _IMAGE
    + """
    const stage = Konva.stages[0], box = stage.container().getBoundingClientRect();
    return {left: box.left + stage.x(), top: box.top + stage.y(),
            x: stage.scaleX() * image.stageWidth / image.naturalWidth,
            y: stage.scaleY() * image.stageHeight / image.naturalHeight};
"""
)


def start_chromium(binary: str, driver: str, profile: Path) -> webdriver.Chrome:
    """A fresh browser without a window; the caller must `quit` it."""
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))


class LabelingPage:
    """One person at one browser."""

    def __init__(self, driver: webdriver.Chrome, url: str, screenshots: Path) -> None:
        self._driver, self._url, self._screenshots = driver, url, screenshots
        screenshots.mkdir(parents=True, exist_ok=True)

    def log_in(self, username: str, password: str) -> None:
        """Fill in the form."""
        self._driver.get(f"{self._url}/user/login/")
        self._driver.find_element(By.NAME, "email").send_keys(username)
        self._driver.find_element(By.NAME, "password").send_keys(password)
        self._driver.find_element(By.CSS_SELECTOR, "form [type=submit]").click()
        self.wait("a page after the login", lambda: "/user/login" not in self._driver.current_url)

    def open_task(self, project: int, task: int) -> None:
        """Open a task for labeling and wait until its picture is drawn."""
        self._driver.get(f"{self._url}/projects/{project}/data?task={task}")
        drawn = _IMAGE + " return !!(image && image.naturalWidth > 1 && image.stageWidth > 1 && Konva.stages.length);"
        self.wait("the picture", lambda: self._run(drawn))

    def switch_on_auto_annotation(self) -> None:
        """Move the switch in the bottom bar, if it is off."""
        switch = self._find("bottombar-auto-annotation-toggle")
        if not switch.is_selected():
            self._run("arguments[0].closest('label').click()", switch)
        self.wait("Auto-Annotation", lambda: self._find("bottombar-auto-annotation-toggle").is_selected())
        self._run("document.activeElement.blur()")  # keys would go to the switch

    def take_smart_tool(self, tool: str) -> None:
        """Click the button at the bottom of the tool bar until "KeyPointTool" or "RectangleTool" is in hand."""
        in_hand = _TOOL + " return !!tool && tool.dynamic && tool.toolName === arguments[0];"
        for _ in range(4):
            if self._run(in_hand, tool):
                return
            buttons = self._driver.find_elements(By.CSS_SELECTOR, "button.lsf-tool_smart")
            next(button for button in buttons if button.is_displayed()).click()
        raise AssertionError(f"The button never led to the smart {tool}; see {self.screenshot('no-tool')}")

    def pick(self, key: str, tool: str) -> None:
        """Take the smart tool, then press a label's key. The other way round the tool would drop the label."""
        self.take_smart_tool(tool)
        self.press(key)

    def press(self, key: str) -> None:
        """Press and release one key."""
        ActionChains(self._driver).send_keys(key).pause(0.2).perform()

    def click(self, x: float, y: float) -> None:
        """Click on a pixel of the image."""
        self._pointer((x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag from one pixel of the image to another."""
        self._pointer(start, end)

    def wait_for_suggestion(self) -> None:
        """Until the bottom bar offers something to accept."""
        self.wait("a suggestion", lambda: bool(self._all("bottombar-accept-suggestions-button")))

    def accept(self) -> None:
        """The green tick in the bottom bar."""
        before = len(self.regions())
        self._find("bottombar-accept-suggestions-button").click()
        self.wait("the suggestion to go", lambda: not self._all("bottombar-accept-suggestions-button"))
        self.wait("a region", lambda: any(kind == "brushregion" for kind, _ in self.regions()) and bool(before))

    def submit(self) -> None:
        """The button, then wait until the page turns to an update of what was saved."""
        self._find("bottombar-submit-button").click()
        self.wait("the annotation to be saved", lambda: bool(self._all("bottombar-update-button")))

    def regions(self) -> list[tuple[str, list[str]]]:
        """Kind and labels of the regions in the list at the right; choices for the whole image are not listed."""
        script = (
            _STORE
            + """
            if (!store) return [];
            return store.regions.filter(r => !r.classification).map(r => [r.type, Array.from(r.labels || [])]);
        """
        )
        return [(kind, labels) for kind, labels in self._run(script)]

    def region_ids(self) -> list[str]:
        """The ids of the masks on the page; Label Studio adds "#" and the annotation's to the saved ones."""
        script = " return store.regions.filter(r => r.type === 'brushregion').map(r => r.id);"
        return [str(region_id) for region_id in self._run(_STORE + script)]

    def select_last_region(self) -> None:
        """Select the region that came last, so that its choices are shown."""
        self._run(_STORE + " store.selectArea(store.regions[store.regions.length - 1]);")

    def shown_class(self) -> str:
        """What the choice of the selected region says."""
        return str(self._run(_STORE + " return store.names.get('class').selectedLabels.map(c => c.value).join();"))

    def screenshot(self, name: str) -> Path:
        """Write what is to be seen; returns the file."""
        path = self._screenshots / f"{name}.png"
        self._driver.save_screenshot(str(path))
        return path

    def wait(self, what: str, is_there: Any) -> None:
        """Wait for something; when it does not come, fail with a picture."""
        try:
            WebDriverWait(self._driver, WAIT_SECONDS, poll_frequency=0.2).until(lambda _: is_there())
        except Exception as error:
            raise AssertionError(f"waited in vain for {what}; see {self.screenshot('waited-in-vain')}") from error

    def _pointer(self, *points: tuple[float, float]) -> None:
        """Press at the first pixel of the image, release at the last. Label Studio zooms and shifts its canvas."""
        at = self._run(_GEOMETRY)
        places = [(round(at["left"] + at["x"] * x), round(at["top"] + at["y"] * y)) for x, y in points]
        chain = ActionChains(self._driver)
        pointer = chain.w3c_actions.pointer_action
        pointer.move_to_location(*places[0])
        pointer.pointer_down()
        for left, top in places[1:]:
            pointer.move_to_location((places[0][0] + left) // 2, (places[0][1] + top) // 2)
            pointer.move_to_location(left, top)
        pointer.pointer_up()
        chain.perform()

    def _all(self, testid: str) -> list[Any]:
        return self._driver.find_elements(By.CSS_SELECTOR, f'[data-testid="{testid}"]')

    def _find(self, testid: str) -> Any:
        self.wait(testid, lambda: bool(self._all(testid)))
        return self._all(testid)[0]

    def _run(self, script: str, *arguments: Any) -> Any:
        return self._driver.execute_script(script, *arguments)
