"""What a person sees on the labeling page: regions, labels, and the masks as they are drawn."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
from selenium import webdriver

from backend.values import Mask

STORE = "const store = window.Htx && Htx.annotationStore && Htx.annotationStore.selected;"
IMAGE = STORE + " const image = store && store.objects.find(one => one.type === 'image');"
_ALL = STORE + " const all = [...store.regions, ...store.suggestions.values()];"
_PLAIN_ID = "const plain = region => region.id.split('#')[0];"  # Label Studio adds "#" and the annotation's id
_STAGE = (
    IMAGE
    + """
    const stage = Konva.stages[0], box = stage.container().getBoundingClientRect();
    return {left: box.left, top: box.top, x: stage.x(), y: stage.y(),
            across: stage.scaleX() * image.stageWidth / image.naturalWidth,
            down: stage.scaleY() * image.stageHeight / image.naturalHeight,
            width: image.naturalWidth, height: image.naturalHeight};
"""
)


class Shown:
    """Reads the page that `driver` shows."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def place(self, x: float, y: float) -> tuple[int, int]:
        """Where a pixel of the image is in the window. Label Studio zooms and shifts its canvas."""
        at = self._run(_STAGE)
        return round(at["left"] + at["x"] + at["across"] * x), round(at["top"] + at["y"] + at["down"] * y)

    def image_size(self) -> tuple[int, int]:
        """Width and height of the picture as the page has it, upright."""
        at = self._run(_STAGE)
        return at["width"], at["height"]

    def regions(self) -> list[tuple[str, list[str]]]:
        """Kind and labels of the regions in the list at the right; choices for the whole image are not listed."""
        script = " return store.regions.filter(r => !r.classification).map(r => [r.type, Array.from(r.labels || [])]);"
        return [(kind, labels) for kind, labels in self._run(STORE + script)]

    def mask_ids(self) -> list[str]:
        """The ids of the accepted masks."""
        script = " return store.regions.filter(r => r.type === 'brushregion').map(plain);"
        return [str(region_id) for region_id in self._run(STORE + _PLAIN_ID + script)]

    def suggested_masks(self) -> dict[str, bytes]:
        """The brush RLE of the masks that wait for the green tick, by the region's id."""
        script = " return [...store.suggestions.values()].filter(r => r.rle).map(r => [plain(r), Array.from(r.rle)]);"
        return {region_id: bytes(rle) for region_id, rle in self._run(STORE + _PLAIN_ID + script)}

    def is_drawing(self) -> bool:
        """Whether a region has been begun and not ended."""
        return bool(self._run(STORE + " return store.isDrawing;"))

    def label_keys(self) -> dict[str, str]:
        """The labels of all rows by their keys."""
        script = """ return [...store.names.values()].filter(tag => tag.type.endsWith('labels'))
            .flatMap(tag => tag.children.map(label => [label.hotkey, label.value]));"""
        return dict(self._run(STORE + script))

    def picked_labels(self) -> list[str]:
        """The labels that the next click would get."""
        script = """ return [...store.names.values()].filter(tag => tag.type.endsWith('labels'))
            .flatMap(tag => tag.selectedLabels.map(label => label.value));"""
        return [str(label) for label in self._run(STORE + script)]

    def select_region(self, region_id: str) -> None:
        """Select a region in the list, so that its choices are shown."""
        script = " store.selectArea(store.regions.find(r => plain(r) === arguments[0]));"
        self._run(STORE + _PLAIN_ID + script, region_id)

    def selected_ids(self) -> list[str]:
        """The ids of the selected regions."""
        return list(self._run(STORE + _PLAIN_ID + " return store.regions.filter(r => r.selected).map(plain);"))

    def choice(self, control: str) -> str:
        """What a choice says of the selected region or of the whole image."""
        script = " return store.names.get(arguments[0]).selectedLabels.map(choice => choice.value).join();"
        return str(self._run(STORE + script, control))

    def message(self) -> str:
        """What is written in the message line; "" if nothing is."""
        script = """const lines = document.querySelectorAll('.message');
            if (lines.length !== 1) throw new Error(`${lines.length} message lines`);
            return lines[0].innerText.trim();"""
        return str(self._run(script))

    def drawn_mask(self, region_id: str) -> tuple[Mask, Mask]:
        """The mask of a region or suggestion as its canvas shows it, and which pixels of the image are in view.

        Returns:
            Two bool (H, W) of the image's size; the first is false outside the second.
        """
        script = """ const drawn = all.find(r => plain(r) === arguments[0]).layerRef.getCanvas();
            return [drawn._canvas.toDataURL('image/png').split(',')[1], drawn.getPixelRatio()];"""
        png, ratio = self._run(_ALL + _PLAIN_ID + script, region_id)
        alpha = cv2.imdecode(np.frombuffer(base64.b64decode(png), np.uint8), cv2.IMREAD_UNCHANGED)[..., 3]
        at = self._run(_STAGE)
        columns = np.floor((at["x"] + at["across"] * (np.arange(at["width"]) + 0.5)) * ratio).astype(int)
        rows = np.floor((at["y"] + at["down"] * (np.arange(at["height"]) + 0.5)) * ratio).astype(int)
        in_view = _within(rows, alpha.shape[0])[:, None] & _within(columns, alpha.shape[1])[None, :]
        seen = alpha[rows.clip(0, alpha.shape[0] - 1)][:, columns.clip(0, alpha.shape[1] - 1)]
        return (seen > alpha.max() / 2) & in_view, in_view

    def _run(self, script: str, *arguments: Any) -> Any:
        return self._driver.execute_script(script, *arguments)


def _within(places: np.ndarray, end: int) -> Mask:
    inside: Mask = (places >= 0) & (places < end)
    return inside
