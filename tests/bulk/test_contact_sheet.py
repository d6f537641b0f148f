"""The contact sheet shows what was predicted: outlines in the right place, labels, scores, and what failed."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.bulk import ContactSheet, Outcome
from backend.errors import ExportError, ImageUnavailable
from backend.images import SourceImage, encode_preview
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import TaskImage
from backend.label_studio.results import LabeledRegion, build_results
from backend.values import Mask

CONFIG = parse_labeling_config("""
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="mask" toName="image"><Label value="red"/><Label value="a &lt;b&gt; &amp; c"/></BrushLabels>
  <Choices name="class" toName="image" perRegion="true"><Choice value="ring"/><Choice value="star"/></Choices>
  <Choices name="scene" toName="image"><Choice value="wood"/><Choice value="sand"/></Choices>
</View>""")
WIDTH, HEIGHT = 1600, 1200
Json = dict[str, Any]


def fetch(image: TaskImage) -> SourceImage:
    """A picture that is red in its upper left quarter."""
    if image.uri == "gone.png":
        raise ImageUnavailable("gone.png is gone.", remedy="Upload it again.")
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2, 0] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return SourceImage(file.getvalue(), name=image.uri)


def square(left: int, top: int, side: int) -> Mask:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def outcome(*regions: LabeledRegion, task: int = 7, uri: str = "a.png", scene: str = "") -> Outcome:
    choices = {"scene": (scene,)} if scene else {}
    results = build_results(regions, CONFIG.images[0], choices)
    return Outcome({"id": task, "data": {"image": uri}}, {"result": results, "score": 0.5})


def write(folder: Path, *outcomes: Outcome) -> str:
    sheet = ContactSheet(CONFIG, fetch)
    for one in outcomes:
        sheet.add(one, "3")
    path = folder / "sheets" / "sheet.html"
    sheet.write(path, "Birds & bees", "Model version v")
    return path.read_text(encoding="utf-8")


def svg_of(page: str) -> ET.Element:
    return ET.fromstring(re.search(r"<svg.*?</svg>", page, re.DOTALL)[0])  # type: ignore[index]


def test_outlines_lie_on_the_picture_where_the_masks_are(tmp_path: Path) -> None:
    hole = square(100, 200, 400) & ~square(200, 300, 100)
    svg = svg_of(write(tmp_path, outcome(LabeledRegion(hole, "red", "r1", score=0.934))))
    assert svg.attrib["viewBox"] == f"0 0 {WIDTH} {HEIGHT}"
    (path,) = svg.iter("path")
    rings = [
        {tuple(map(float, corner.split())) for corner in ring.removesuffix("Z").split("L")}
        for ring in path.attrib["d"].split("M")[1:]
    ]
    outer, inner = sorted(rings, key=min)
    assert outer == {(100.0, 200.0), (500.0, 200.0), (500.0, 600.0), (100.0, 600.0)}
    assert inner == {(200.0, 300.0), (300.0, 300.0), (300.0, 400.0), (200.0, 400.0)}
    assert path.attrib["fill-rule"] == "evenodd"
    (image,) = svg.iter("image")
    shown = Image.open(io.BytesIO(base64.b64decode(image.attrib["href"].partition(",")[2])))
    assert shown.size == (720, 540) and (image.attrib["width"], image.attrib["height"]) == ("1600", "1200")
    assert np.asarray(shown)[100, 100, 0] > 200 > np.asarray(shown)[400, 600, 0]


def test_labels_classes_scores_and_totals_are_there(tmp_path: Path) -> None:
    ring = LabeledRegion(square(0, 0, 50), "red", "r1", score=0.934, choices={"class": ("ring",)})
    other = LabeledRegion(square(90, 0, 50), "red", "r2", score=0.5, choices={"class": ("ring",)})
    odd = LabeledRegion(square(0, 90, 50), "a <b> & c", "r3", score=0.25)
    page = write(tmp_path, outcome(ring, odd), outcome(other, task=8, scene="wood"))
    svg = svg_of(page)
    assert [text.text for text in svg.iter("text")] == ["ring 0.93", "a <b> & c 0.25"]
    assert "a &lt;b&gt; &amp; c 0.25" in page and "<b>" not in page
    assert "red, ring 0.93</span>" in page
    assert "<tr><td>red</td><td>2</td><td>0.72</td></tr>" in page
    assert "<summary>2 images, 3 masks</summary>" in page
    assert "Birds &amp; bees" in page and "Task 8, a.png" in page and "scene: wood" in page
    colours = [path.attrib["fill"] for path in svg.iter("path")]
    assert len(set(colours)) == 2


def test_labels_have_the_colours_of_the_labeling_config(tmp_path: Path) -> None:
    """One colour is by its name, one in hexadecimal digits, one is no colour, and one label has none."""
    labels = {"a": 'background="Orange"', "b": 'background="#204080"', "c": 'background="&quot;&gt;&lt;b&gt;"', "d": ""}
    tags = "".join(f'<Label value="{name}" {colour}/>' for name, colour in labels.items())
    config = parse_labeling_config(
        f'<View><Image name="i" value="$image"/><BrushLabels name="m" toName="i">{tags}</BrushLabels></View>'
    )
    regions = [LabeledRegion(square(90 * n, 0, 50), name, name) for n, name in enumerate(labels)]
    sheet = ContactSheet(config, fetch)
    results = build_results(regions, config.images[0])
    sheet.add(Outcome({"id": 7, "data": {"image": "a.png"}}, {"result": results}), "3")
    sheet.write(tmp_path / "sheet.html", "a", "b")
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    svg = svg_of(page)
    outlines = [path.attrib["fill"] for path in svg.iter("path")]
    assert outlines == [path.attrib["stroke"] for path in svg.iter("path")]
    assert outlines[:2] == ["rgb(255 165 0)", "rgb(32 64 128)"]
    assert all(re.fullmatch(r"hsl\(\d+ 85% 45%\)", colour) for colour in outlines[2:])
    assert re.findall(r'<i style="background:(.*?)">', page) == outlines
    texts = [text.attrib["fill"] for text in svg.iter("text")]
    assert texts[:2] == ["rgb(147 95 0)", "rgb(32 64 128)"]  # of brightness 100, which the second one does not reach
    assert "<b>" not in page


def test_labels_stay_inside_of_the_picture(tmp_path: Path) -> None:
    left = LabeledRegion(square(0, 0, 50), "red", "r1", score=0.9)
    right = LabeledRegion(square(WIDTH - 80, 700, 50), "red", "r2", score=0.9)
    at_left, at_right = svg_of(write(tmp_path, outcome(left, right))).iter("text")
    assert (at_left.attrib["x"], at_left.attrib["y"], at_left.attrib.get("text-anchor")) == ("0", "50", None)
    assert (at_right.attrib["x"], at_right.attrib["y"]) == (str(WIDTH - 30), "700")
    assert at_right.attrib["text-anchor"] == "end"


def test_an_image_without_masks_and_failed_tasks_are_shown_too(tmp_path: Path) -> None:
    failed = Outcome({"id": 9, "data": {}}, error=ValueError("odd"))
    page = write(tmp_path, outcome(), failed, outcome(task=10, uri="gone.png"))
    assert "no mask" in page
    assert '<span class="problem">ValueError: odd</span>' in page
    assert '<span class="problem">gone.png is gone. Upload it again.</span>' in page
    assert page.count("<figure>") == 3 and page.count("<svg") == 1


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = write(tmp_path, outcome(LabeledRegion(square(0, 0, 50), "red", "r1", score=0.9)))
    assert re.findall(r"https?://|<script|<link|url\(", page) == []


def test_a_sheet_replaces_an_earlier_one_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    write(tmp_path, outcome())
    folder = tmp_path / "sheets"
    assert [file.name for file in folder.iterdir()] == ["sheet.html"]
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    with pytest.raises(ExportError, match=r"contact sheet .*sheet\.html cannot be written: .*Choose another place"):
        ContactSheet(CONFIG, fetch).write(blocked / "sheet.html", "a", "b")


def test_a_preview_is_never_larger_than_the_image() -> None:
    small = encode_preview(np.zeros((30, 40, 3), np.uint8), 720)
    assert Image.open(io.BytesIO(small)).size == (40, 30)
