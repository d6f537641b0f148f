"""What is sent as a polygon can be edited, and the message says what a person would not expect of it."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry import Outline, polygon_to_mask
from backend.label_studio.config import ImageConfig, parse_labeling_config
from backend.label_studio.results import LabeledRegion, build_results, mask_from_value
from backend.predict.outlines import describe_outline, outline_regions
from backend.predict.prediction import Prediction
from backend.projects import DEFAULTS, ProjectSettings
from backend.values import Mask, Size
from tests.fakes import CONFIG, FakeClassifier, Hall, keypoint

PAGE = (
    '<View><Image name="i" value="$image"/>'
    '<PolygonLabels name="p" toName="i"><Label value="cat"/></PolygonLabels>'
    '<BrushLabels name="b" toName="i"><Label value="cat"/></BrushLabels></View>'
)
SIZE = Size(300, 200)


def config(first: str) -> ImageConfig:
    brush, polygon = parse_labeling_config(PAGE).images[0].answers
    answers = (polygon, brush) if first == "polygon" else (brush, polygon)
    return ImageConfig("i", "image", answers)


def disc(radius: int, x: int) -> Mask:
    rows, columns = np.mgrid[: SIZE.height, : SIZE.width] + 0.5
    return np.hypot(columns - x, rows - 100) <= radius


TWO_DISCS = disc(60, 70) | disc(30, 250)


def sent(region: LabeledRegion, settings: ProjectSettings = DEFAULTS, page: ImageConfig | None = None):
    """The message, and what is written for the region."""
    page = page or config("polygon")
    outlined = outline_regions(Prediction((region,)), page, settings)
    (result,) = build_results(outlined.regions, page, tolerance=settings.polygon_tolerance)
    return outlined.message, result


def region(mask: Mask, *clicks: tuple[float, float]) -> LabeledRegion:
    return LabeledRegion(mask, "cat", "r1", clicks=clicks)


def test_a_polygon_is_the_largest_part_and_the_message_says_what_is_missing() -> None:
    message, result = sent(region(TWO_DISCS))
    again = mask_from_value(result["value"], "polygon", SIZE)
    assert (again[100, 70], again[100, 250]) == (True, False)
    assert message == "The outline leaves out a part of the mask: click that part to add it."


def test_a_clicked_part_is_sent_too() -> None:
    message, result = sent(region(TWO_DISCS, (70.5, 100.5), (250.5, 100.5)))
    again = mask_from_value(result["value"], "polygon", SIZE)
    assert (again[100, 70], again[100, 250]) == (True, True)
    assert message == "A double line joins the parts of this outline."


def test_a_project_can_ask_for_all_parts_and_for_fewer_points() -> None:
    counts = [len(sent(region(TWO_DISCS), ProjectSettings(max_points=n))[1]["value"]["points"]) for n in (60, 20, 14)]
    assert (counts[0] > 20, counts[1:]) == (True, [20, 14])
    again = mask_from_value(sent(region(TWO_DISCS), ProjectSettings(polygon_parts="all"))[1]["value"], "polygon", SIZE)
    assert again[100, 250]


def test_where_more_points_are_needed_the_message_says_how_many() -> None:
    comb = np.zeros((200, 300), bool)
    comb[20:40, :] = True
    comb[20:180, ::20] = comb[20:180, 1::20] = comb[20:180, 2::20] = True  # fifteen teeth have sixty corners
    message, result = sent(region(comb), ProjectSettings(max_points=20))
    assert message == f"This outline needs {len(result['value']['points'])} points."
    assert len(result["value"]["points"]) > 20


def test_a_brush_on_the_same_page_is_sent_as_it_is() -> None:
    message, result = sent(region(TWO_DISCS), page=config("brush"))
    assert (message, result["type"]) == ("", "brushlabels")
    assert np.array_equal(mask_from_value(result["value"], "brush", SIZE), TWO_DISCS)


def test_of_several_regions_no_one_outline_is_spoken_of() -> None:
    regions = (region(TWO_DISCS), region(TWO_DISCS))
    assert outline_regions(Prediction(regions), config("polygon"), DEFAULTS).message == ""


def test_the_message_of_the_answer_comes_first() -> None:
    outlined = outline_regions(
        Prediction((region(TWO_DISCS),), message="Candidate 2 of 3."), config("polygon"), DEFAULTS
    )
    assert outlined.message == f"Candidate 2 of 3. {sent(region(TWO_DISCS))[0]}"


@pytest.mark.parametrize(
    ("outline", "sentence"),
    [
        (Outline(np.zeros((60, 2))), ""),
        (Outline(np.zeros((84, 2)), holes=1), "This outline needs 84 points."),
        (Outline(np.zeros((9, 2)), left_out=0.04), ""),
        (Outline(np.zeros((9, 2)), holes=1), "A double line joins the hole to the outline."),
    ],
)
def test_an_outline_is_described_in_one_sentence(outline: Outline, sentence: str) -> None:
    assert describe_outline(outline, 60) == sentence


def test_a_click_in_a_project_with_polygons_is_answered_with_few_points() -> None:
    """The fake SAM answers with a box, so four corners are all it takes, and they are exact."""
    xml = CONFIG.replace("BrushLabels", "PolygonLabels")
    prompt = keypoint(50, 50)
    hall = Hall(classifier=FakeClassifier())
    (polygon, _) = hall.document(prompt, xml=xml)["result"]
    size = Size(polygon["original_width"], polygon["original_height"])
    points = np.array(polygon["value"]["points"]) * (size.width / 100, size.height / 100)
    assert polygon["type"] == "polygonlabels"
    assert polygon_to_mask(points, size).any()
