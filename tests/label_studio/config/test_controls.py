"""Interpretation of control tags: shapes with their own or separate labels, classes, taxonomies, scores."""

from __future__ import annotations

import pytest

from backend.errors import BadConfig
from backend.label_studio.config import (
    ImageConfig,
    LabelingConfig,
    label_for_click,
    parse_labeling_config,
    prefer_shape,
)
from backend.values import ClassName

IMAGE = '<Image name="i" value="$picture"/>'
BRUSH = '<BrushLabels name="b" toName="i"><Label value="Cat"/><Label value="Dog"/></BrushLabels>'
POLYGON = '<PolygonLabels name="p" toName="i"><Label value="Cat"/><Label value="Car"/></PolygonLabels>'
LABELS = '<Labels name="l" toName="i"><Label value="Cat"/><Label value="Dog"/></Labels>'


def parse_page(*tags: str) -> LabelingConfig:
    return parse_labeling_config(f"<View>{''.join(tags)}</View>")


def parse(*tags: str) -> ImageConfig:
    """The first image of the page."""
    return parse_page(*tags).images[0]


def answers(*tags: str) -> list[tuple[str, str]]:
    return [(control.name, control.result_type) for control in parse(IMAGE, *tags).answers]


def shape(tag: str, attributes: str = "") -> str:
    return f'<{tag} name="{tag}" toName="i" {attributes}><Label value="Cat"/></{tag}>'


def test_shapes_are_preferred_in_a_fixed_order_whatever_their_order_in_the_config() -> None:
    tags = [shape(f"{kind}Labels") for kind in ("Ellipse", "Polygon", "Bitmask", "Brush")]
    kinds = [result_type for _, result_type in answers(*tags)]
    assert kinds == ["brushlabels", "bitmasklabels", "polygonlabels", "ellipselabels"]


def test_rectangles_with_a_smart_tool_hold_masks_only_if_there_is_no_other_shape() -> None:
    assert answers(shape("RectangleLabels"), shape("EllipseLabels")) == [("EllipseLabels", "ellipselabels")]
    assert answers(shape("RectangleLabels")) == [("RectangleLabels", "rectanglelabels")]
    both = answers(shape("EllipseLabels"), shape("RectangleLabels", 'smart="false"'))
    assert both == [("RectangleLabels", "rectanglelabels"), ("EllipseLabels", "ellipselabels")]
    only = answers(shape("RectangleLabels", 'smart="false" smartOnly="true"'), BRUSH)
    assert only == [("b", "brushlabels")]


@pytest.mark.parametrize("kind", ["Brush", "Bitmask", "Polygon", "Rectangle", "Ellipse"])
def test_a_plain_shape_has_the_labels_of_the_separate_control(kind: str) -> None:
    (control,) = parse(IMAGE, LABELS, f'<{kind} name="s" toName="i"/>').answers
    assert (control.result_type, control.label_names) == (kind.lower(), ("Cat", "Dog"))
    assert control.labels_name == "l"


def test_a_plain_shape_has_the_labels_of_both_labels_controls() -> None:
    more = '<Labels name="m" toName="i"><Label value="Car"/></Labels>'
    config = parse(IMAGE, LABELS, more, '<Brush name="s" toName="i"/>')
    assert [(control.labels_name, control.label_names) for control in config.answers] == [
        ("l", ("Cat", "Dog")),
        ("m", ("Car",)),
    ]
    assert config.control_for("Car").labels_name == "m"


def test_a_plain_shape_without_any_labels_is_an_answer_without_a_label() -> None:
    config = parse(IMAGE, '<Polygon name="s" toName="i"/>')
    assert (config.answers[0].labels_name, config.answer_classes) == ("", ())
    assert label_for_click(config, "", auto_label=False) is None


def test_a_plain_shape_does_not_take_the_labels_of_another_object() -> None:
    text = '<Text name="t" value="$t"/><Labels name="l" toName="t"><Label value="Cat"/></Labels>'
    assert parse(IMAGE, text, '<Brush name="s" toName="i"/>').answers[0].labels_name == ""


def test_to_name_is_optional_if_there_is_one_object() -> None:
    brush = '<BrushLabels name="b"><Label value="Cat"/></BrushLabels>'
    assert parse(IMAGE, brush).answers[0].to_name == "i"
    with pytest.raises(BadConfig, match="no control for masks"):
        parse(IMAGE, '<Text name="t" value="$t"/>', brush)


def test_a_label_goes_to_the_first_control_that_has_it() -> None:
    config = parse(IMAGE, BRUSH, POLYGON)
    assert [config.control_for(label).name for label in ("Cat", "Dog", "Car", "Unicorn")] == ["b", "b", "p", "b"]
    assert [label.name for label in config.answer_classes] == ["Cat", "Dog", "Car"]
    assert label_for_click(config, "Car", auto_label=False) == "Car"


def test_a_preferred_kind_goes_first_and_the_others_keep_their_labels() -> None:
    config = prefer_shape(parse_page(IMAGE, BRUSH, POLYGON), "polygon").images[0]
    assert [config.control_for(label).name for label in ("Cat", "Dog", "Car")] == ["p", "b", "p"]
    page = parse_page(IMAGE, BRUSH)
    assert prefer_shape(page, None) is page


def test_smart_rectangles_hold_masks_if_they_are_preferred() -> None:
    config = prefer_shape(parse_page(IMAGE, BRUSH, shape("RectangleLabels")), "rectangle").images[0]
    assert [control.kind for control in config.answers] == ["rectangle", "brush"]


def test_a_preferred_kind_without_a_control_is_rejected_with_an_example() -> None:
    with pytest.raises(BadConfig, match=r'"ellipse", but the labeling config has no EllipseLabels.*Add <EllipseLabels'):
        prefer_shape(parse_page(IMAGE, BRUSH), "ellipse")


def test_choices_are_single_or_multiple_per_region_or_per_image() -> None:
    config = parse(
        IMAGE,
        BRUSH,
        '<Choices name="one" toName="i" perRegion="true"><Choice value="x"/></Choices>',
        '<Choices name="many" toName="i" perRegion="true" choice="multiple"><Choice value="x"/></Choices>',
        '<Choices name="radio" toName="i" choice="single-radio"><Choice value="x"/></Choices>',
        '<Choices name="tags" toName="i" choice="multiple"><Choice value="x"/></Choices>',
    )
    assert [(control.name, control.multiple) for control in config.region_choices] == [("one", False), ("many", True)]
    assert [(control.name, control.multiple) for control in config.image_choices] == [("radio", False), ("tags", True)]


TREE = """<Choice value="animal" alias="a"><Choice value="dog" hint="hound, puppy"/><Choice value="cat"/></Choice>
<Choice value="thing"/>"""


def test_the_classes_of_a_taxonomy_are_the_paths_of_its_leaves() -> None:
    config = parse(IMAGE, BRUSH, f'<Taxonomy name="t" toName="i" perRegion="true">{TREE}</Taxonomy>')
    (control,) = config.region_choices
    assert control.labels == (
        ClassName("a / dog", ("hound", "puppy")),
        ClassName("a / cat", ("cat",)),
        ClassName("thing", ("thing",)),
    )
    assert control.paths == (("a", "dog"), ("a", "cat"), ("thing",))
    assert control.name_to_value("a / cat") == ["a", "cat"]
    assert (control.result_type, control.multiple) == ("taxonomy", False)


def test_nested_choices_are_paths_only_with_allow_nested() -> None:
    plain, nested = (
        parse(IMAGE, BRUSH, f'<Choices name="c" toName="i" {more}>{TREE}</Choices>').image_choices[0]
        for more in ("", 'allowNested="true"')
    )
    assert plain.label_names == ("a", "dog", "cat", "thing")
    assert plain.name_to_value("dog") == "dog"
    assert nested.label_names == ("a / dog", "a / cat", "thing")


def test_controls_whose_classes_come_with_the_tasks_are_ignored() -> None:
    dynamic = (
        '<Taxonomy name="t" toName="i" perRegion="true" apiUrl="http://a/b"/><Choices name="c" toName="i" value="$c"/>'
    )
    config = parse(IMAGE, BRUSH, dynamic)
    assert (config.region_choices, config.image_choices) == ((), ())


@pytest.mark.parametrize(
    ("when", "label", "applies"),
    [("Cat", "Cat", True), ("Cat", "Dog", False), ("Cat,Dog", "Dog", True), ("Cat,Dog", "Cat,Dog", True)],
)
def test_when_label_value_limits_a_control_to_some_regions(when: str, label: str, applies: bool) -> None:
    choices = f'<Choices name="c" toName="i" perRegion="true" whenLabelValue="{when}"><Choice value="x"/></Choices>'
    (control,) = parse(IMAGE, BRUSH, choices).region_choices
    assert control.applies_to(label) == applies


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ('<Number name="score" toName="i" perRegion="true"/>', ("number", False, 1.0, 0.0)),
        ('<Number name="Score" toName="i" perRegion="true" max="100" step="5"/>', ("number", False, 100.0, 5.0)),
        ('<TextArea name="class_score_left" toName="i" perRegion="true" max="9"/>', ("textarea", True, 1.0, 0.0)),
        ('<Number name="score" toName="i"/>', None),
        ('<Number name="scores" toName="i" perRegion="true"/>', None),
        ('<Number name="score" toName="other" perRegion="true"/>', None),
        ('<Number name="score" toName="i" perRegion="true" max="nan"/>', ("number", False, 1.0, 0.0)),
        ('<Number name="score" toName="i" perRegion="true" step="1e-320"/>', ("number", False, 1.0, 0.0)),
        ('<Number name="score" toName="i" perRegion="true" max="1e308" step="1e308"/>', ("number", False, 1.0, 0.0)),
    ],
)
def test_a_per_region_control_shows_a_score_if_it_is_named_score(tag: str, expected: tuple | None) -> None:
    controls = parse(IMAGE, BRUSH, tag).scores
    scores = [(control.kind, control.of_class, control.max_value, control.step) for control in controls]
    assert scores == ([] if expected is None else [expected])


def test_each_image_of_a_page_has_its_own_controls() -> None:
    config = parse_page(
        '<Image name="map" value="$map"/>',
        '<Choices name="c" toName="map"><Choice value="x"/></Choices>',
        IMAGE,
        BRUSH,
        '<Image name="j" value="$second"/>',
        POLYGON.replace('toName="i"', 'toName="j"'),
        '<Image name="bare" value="no key"/><Choices name="d" toName="bare"><Choice value="x"/></Choices>',
    )
    assert [(image.name, image.data_key) for image in config.images] == [
        ("i", "picture"),
        ("map", "map"),
        ("j", "second"),
    ]
    assert [[control.name for control in image.answers] for image in config.images] == [["b"], [], ["p"]]
    assert config.classifies_images and config.images[0].image_choices == ()
    assert config.image("j").data_key == "second"
    with pytest.raises(BadConfig, match=r'no control for the image "elsewhere" \(available images: i, map, j\)\.'):
        config.image("elsewhere")
