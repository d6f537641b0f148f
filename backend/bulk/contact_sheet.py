"""A page of pictures with what was predicted for them, to look at before anything is imported.

One HTML file, everything inside: the pictures as JPEG, outlines and labels as SVG on top. It needs no network.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import mean
from typing import Any

from backend.bulk.outcome import Outcome
from backend.errors import BackendError, ExportError, shorten
from backend.export import parse_colour
from backend.geometry import mask_to_box, mask_to_rings, simplify_ring
from backend.images import SourceImage, encode_preview
from backend.label_studio.config import LabelingConfig, label_colours
from backend.label_studio.requests import TaskImage, parse_task
from backend.label_studio.results import LabeledRegion, parse_image_choices, parse_regions, pick_image
from backend.values import Size

PREVIEW_SIDE = 720
MAX_NAME_CHARACTERS = 80
HUE_STEP = 137.5  # degrees; the golden angle, so that neighbours differ
MAX_TEXT_BRIGHTNESS = 100  # of 255; texts have a white border, so a light colour is darkened for them
STYLE = """
body{font:15px/1.4 system-ui,sans-serif;margin:1.5rem;background:#f5f6f8;color:#1c2330}
h1{font-size:1.3rem;margin:0}p{margin:.3rem 0 1rem;color:#5b6475}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(23rem,1fr));gap:1rem;align-items:start}
figure{margin:0;padding:.6rem;background:#fff;border:1px solid #dde1e8;border-radius:.4rem}
figcaption{margin-top:.4rem;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto}
path{fill-opacity:.18;stroke-width:2;vector-effect:non-scaling-stroke}path:hover{fill-opacity:.45}
text{font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:.25em;stroke-linejoin:round}
.region{white-space:nowrap;margin-right:.6rem}.region i{display:inline-block;width:.7em;height:.7em;margin-right:.3em}
details{margin-bottom:1rem}summary{cursor:pointer}
.problem{color:#b3261e}small{color:#5b6475}table{border-collapse:collapse;margin-top:.5rem}
td,th{padding:.1rem .8rem .1rem 0;text-align:left}td+td,th+th{text-align:right}
"""


@dataclass(frozen=True)
class LabelColours:
    """CSS colours of a label: of its outlines, and one of its texts that is dark enough to read."""

    outline: str
    text: str


@dataclass(frozen=True)
class SheetRegion:
    """A mask as it is drawn.

    Attributes:
        classes: Its per-region classes, which are more special than its label.
        path: SVG path data of its outlines, in pixels of the image.
        box_xyxy: Around it.
    """

    label: str
    classes: str
    score: float | None
    path: str
    box_xyxy: tuple[int, int, int, int]

    @property
    def short_name(self) -> str:
        """What is written into the picture."""
        return self._with_score(self.classes or self.label)

    @property
    def full_name(self) -> str:
        return self._with_score(", ".join(filter(None, [self.label, self.classes])))

    def _with_score(self, name: str) -> str:
        return name if self.score is None else f"{name} {self.score:.2f}"


@dataclass(frozen=True)
class SheetPicture:
    """An image of a task and what was predicted for it.

    Attributes:
        size: Of the image; None if it could not be read.
        preview: A JPEG.
        choices: Classes of the whole image.
        problem: Why there is no prediction; "" if there is one.
    """

    title: str
    size: Size | None = None
    preview: bytes = b""
    regions: Sequence[SheetRegion] = ()
    choices: Sequence[str] = ()
    problem: str = ""


class ContactSheet:
    """Builder of a contact sheet.

    Args:
        config: The project's labeling config, which the predictions were made for.
        fetch_image: Brings an image of a task; a second time, after it was predicted.
    """

    def __init__(self, config: LabelingConfig, fetch_image: Callable[[TaskImage], SourceImage]) -> None:
        self._config, self._fetch_image = config, fetch_image
        self._pictures: list[SheetPicture] = []

    def add(self, outcome: Outcome, project_id: str) -> None:
        """Add the images of a task; a failed task appears with its reason."""
        title = f"Task {shorten(outcome.task.get('id'))}"
        if outcome.error is not None:
            self._pictures.append(SheetPicture(title, problem=_reason(outcome.error)))
            return
        results = (outcome.prediction or {}).get("result") or []
        try:
            task = parse_task(outcome.task, self._config, project_id=project_id)
            self._pictures += [self._picture(title, image, results) for image in task.images]
        except BackendError as error:
            self._pictures.append(SheetPicture(title, problem=str(error)))

    def _picture(self, title: str, task_image: TaskImage, results: Sequence[Any]) -> SheetPicture:
        image, config = self._fetch_image(task_image), self._config.image(task_image.name)
        own = pick_image(results, config)
        regions = [_draw(region, image.size) for region in parse_regions(own, config) if region.mask.any()]
        choices = [f"{name}: {', '.join(values)}" for name, values in parse_image_choices(own, config).items()]
        preview = encode_preview(image.pixels, PREVIEW_SIDE)
        name = shorten(image.name, MAX_NAME_CHARACTERS)
        return SheetPicture(f"{title}, {name}", image.size, preview, regions, choices)

    def write(self, path: Path, title: str, about: str) -> None:
        """Write the page; an existing file is replaced as a whole.

        Args:
            about: A line below the title, such as the model version.

        Raises:
            ExportError: The file cannot be written.
        """
        content = "\n".join(_build_page(self._pictures, title, about, label_colours(self._config)))
        draft = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(content, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            message = f"The contact sheet {path} cannot be written: {error.strerror}."
            raise ExportError(message, remedy="Choose another place with --sheet, or free some space.") from error


def _draw(region: LabeledRegion, size: Size) -> SheetRegion:
    tolerance = max(size.width, size.height) / PREVIEW_SIDE
    rings = [simplify_ring(ring, tolerance) for ring in mask_to_rings(region.mask)]
    path = "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in ring) + "Z" for ring in rings)
    box = mask_to_box(region.mask) or (0, 0, 0, 0)
    classes = ", ".join(value for values in region.choices.values() for value in values)
    return SheetRegion(region.label, classes, region.score, path, box)


def _choose_colours(labels: Sequence[str], own: Mapping[str, str]) -> dict[str, LabelColours]:
    """Give each label its own colour, and one without such a colour one that differs from its neighbours'."""
    chosen = {}
    for place, label in enumerate(labels):
        hue = round(place * HUE_STEP) % 360
        chosen[label] = LabelColours(f"hsl({hue} 85% 45%)", f"hsl({hue} 85% 25%)")
        if label in own and (rgb := parse_colour(own[label])):
            brightness = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
            dark = (round(part * min(1, MAX_TEXT_BRIGHTNESS / (brightness or 1))) for part in rgb)
            chosen[label] = LabelColours("rgb({} {} {})".format(*rgb), "rgb({} {} {})".format(*dark))
    return chosen


def _build_page(
    pictures: Sequence[SheetPicture], title: str, about: str, own_colours: Mapping[str, str]
) -> Iterator[str]:
    labels = sorted({region.label for picture in pictures for region in picture.regions})
    colours = _choose_colours(labels, own_colours)
    yield f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    yield f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1><p>{escape(about)}</p>"
    yield from _build_table(pictures, labels)
    yield "<main>"
    for picture in pictures:
        yield "<figure>"
        if picture.size is not None:
            yield from _build_svg(picture, picture.size, colours)
        yield f"<figcaption>{escape(picture.title)}<br>"
        for region in picture.regions:
            swatch = f'<i style="background:{colours[region.label].outline}"></i>'
            yield f'<span class="region">{swatch}{escape(region.full_name)}</span> '
        if picture.problem:
            yield f'<span class="problem">{escape(picture.problem)}</span>'
        elif not picture.regions:
            yield "<small>no mask</small>"
        yield f"<small>{escape('; '.join(picture.choices))}</small></figcaption></figure>"
    yield "</main></body></html>\n"


def _build_table(pictures: Sequence[SheetPicture], labels: Iterable[str]) -> Iterator[str]:
    """Build a folded table of the number of masks and their mean score by label."""
    regions = [region for picture in pictures for region in picture.regions]
    yield f"<details><summary>{len(pictures)} images, {len(regions)} masks</summary>"
    yield "<table><tr><th>Label</th><th>Masks</th><th>Mean score</th></tr>"
    for label in labels:
        scores = [region.score for region in regions if region.label == label and region.score is not None]
        count = sum(region.label == label for region in regions)
        average = f"{mean(scores):.2f}" if scores else ""
        yield f"<tr><td>{escape(label)}</td><td>{count}</td><td>{average}</td></tr>"
    yield "</table></details>"


def _build_svg(picture: SheetPicture, size: Size, colours: Mapping[str, LabelColours]) -> Iterator[str]:
    width, height = size.width, size.height
    data = base64.b64encode(picture.preview).decode()
    font = max(width, height) / 32
    yield f'<svg viewBox="0 0 {width} {height}" font-size="{font:g}" role="img">'
    yield f'<image href="data:image/jpeg;base64,{data}" width="{width}" height="{height}"/>'
    for region in picture.regions:
        colour = colours[region.label].outline
        yield f'<path d="{region.path}" fill="{colour}" stroke="{colour}" fill-rule="evenodd">'
        yield f"<title>{escape(region.full_name)}</title></path>"
    for region in picture.regions:
        left, top, right, _ = region.box_xyxy
        is_right = left + right > width  # then the text ends at the box, instead of outside of the picture
        place = f'x="{right}" text-anchor="end"' if is_right else f'x="{left}"'
        colour = colours[region.label].text
        yield f'<text {place} y="{max(top, font):g}" fill="{colour}">{escape(region.short_name)}</text>'
    yield "</svg>"


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BackendError) else f"{type(error).__name__}: {shorten(error)}"
