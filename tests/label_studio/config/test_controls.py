"""Which tags are taken for what: shapes with their own labels or separate ones, classes, taxonomies, scores."""

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


def test_shapes_are_preferred_in_an_order_of_their_own_not_in_the_configs() -> None:
    tags = [shape(f"{kind}Labels") for kind in ("Ellipse", "Polygon", "Bitmask", "Brush")]
    kinds = [result_type for _, result_type in answers(*tags)]
    assert kinds == ["brushlabels", "bitmasklabels", "polygonlabels", "ellipselabels"]


def test_rectangles_with_a_smart_tool_are_prompts_beside_another_shape() -> None:
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


def test_a_plain_shape_beside_two_labels_controls_has_those_of_both() -> None:
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


def test_labels_for_another_object_are_not_a_plain_shapes() -> None:
    text = '<Text name="t" value="$t"/><Labels name="l" toName="t"><Label value="Cat"/></Labels>'
    assert parse(IMAGE, text, '<Brush name="s" toName="i"/>').answers[0].labels_name == ""


def test_to_name_may_be_left_out_where_there_is_one_object() -> None:
    brush = '<BrushLabels name="b"><Label value="Cat"/></BrushLabels>'
    assert parse(IMAGE, brush).answers[0].to_name == "i"
    with pytest.raises(BadConfig, match="no shape with a class"):
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


def test_prompt_rectangles_answer_where_they_are_preferred() -> None:
    config = prefer_shape(parse_page(IMAGE, BRUSH, shape("RectangleLabels")), "rectangle").images[0]
    assert [control.kind for control in config.answers] == ["rectangle", "brush"]


def test_a_preferred_kind_that_is_not_there_is_refused_with_what_to_add() -> None:
    with pytest.raises(BadConfig, match=r'"ellipse", but the labeling config has no EllipseLabels.*Add <EllipseLabels'):
        prefer_shape(parse_page(IMAGE, BRUSH), "ellipse")


def test_all_choices_are_found_with_how_many_they_take() -> None:
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


def test_a_taxonomy_offers_its_leaves_under_their_paths() -> None:
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


def test_nested_choices_are_paths_only_where_they_are_allowed() -> None:
    plain, nested = (
        parse(IMAGE, BRUSH, f'<Choices name="c" toName="i" {more}>{TREE}</Choices>').image_choices[0]
        for more in ("", 'allowNested="true"')
    )
    assert plain.label_names == ("a", "dog", "cat", "thing")
    assert plain.name_to_value("dog") == "dog"
    assert nested.label_names == ("a / dog", "a / cat", "thing")


def test_classes_that_come_with_the_tasks_are_passed_over() -> None:
    away = (
        '<Taxonomy name="t" toName="i" perRegion="true" apiUrl="http://a/b"/><Choices name="c" toName="i" value="$c"/>'
    )
    config = parse(IMAGE, BRUSH, away)
    assert (config.region_choices, config.image_choices) == ((), ())


@pytest.mark.parametrize(
    ("when", "label", "is_for"),
    [("Cat", "Cat", True), ("Cat", "Dog", False), ("Cat,Dog", "Dog", True), ("Cat,Dog", "Cat,Dog", True)],
)
def test_when_label_value_says_for_which_regions_a_control_is(when: str, label: str, is_for: bool) -> None:
    choices = f'<Choices name="c" toName="i" perRegion="true" whenLabelValue="{when}"><Choice value="x"/></Choices>'
    (control,) = parse(IMAGE, BRUSH, choices).region_choices
    assert control.is_for(label) == is_for


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
    ],
)
def test_a_score_is_shown_where_a_per_region_control_is_named_so(tag: str, expected: tuple | None) -> None:
    found = [(one.kind, one.of_class, one.most, one.step) for one in parse(IMAGE, BRUSH, tag).scores]
    assert found == ([] if expected is None else [expected])


def test_every_image_of_a_page_has_controls_of_its_own() -> None:
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
    with pytest.raises(BadConfig, match=r'no image "elsewhere" that can be answered; it has: i, map, j\.'):
        config.image("elsewhere")
