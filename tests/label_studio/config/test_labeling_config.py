"""Labeling configs: parsing, validation, and the label of a click."""

from __future__ import annotations

import pytest

from backend.errors import BadConfig
from backend.label_studio.config import (
    ConfigLimits,
    ImageConfig,
    LabelingConfig,
    label_for_click,
    parse_labeling_config,
)
from backend.label_studio.config import labeling_config as config_module
from backend.label_studio.config.labeling_config import AUTO
from backend.values import ClassName

BRUSH = '<BrushLabels name="b" toName="i"><Label value="Cat"/></BrushLabels>'
IMAGE = '<Image name="i" value="$picture"/>'


def parse(*tags: str) -> ImageConfig:
    """The first image of the page."""
    return parse_labeling_config(f"<View>{''.join(tags)}</View>").images[0]


def test_a_recorded_config_is_parsed_completely(config: ImageConfig) -> None:
    animals = ("Cat", "Dog", "Bird")
    assert (config.name, config.data_key) == ("image", "image")
    assert (config.answers[0].name, config.answers[0].to_name, config.answers[0].label_names) == (
        "brush",
        "image",
        animals,
    )
    assert [(control.name, control.label_names) for control in config.keypoints] == [("kp", animals)]
    assert [(control.name, control.label_names) for control in config.rectangles] == [("rect", animals)]
    (per_region,), (per_image,) = config.region_choices, config.image_choices
    assert (per_region.name, per_region.label_names) == ("pclass", ("Red", "Blue", "Green"))
    assert (per_image.name, per_image.label_names) == ("iclass", ("Indoor", "Outdoor"))


def test_names_and_nesting_are_arbitrary() -> None:
    config = parse(
        '<Header value="x"/><View style="a"><Image name="photo" value="$url"/></View>',
        '<View><BrushLabels name="m" toName="photo"><View><Label value="A"/></View><Label value="B"/>',
        "</BrushLabels></View>",
        '<Choices name="c" toName="photo" perRegion="true"><Choice value="x"><Choice value="y"/></Choice></Choices>',
    )
    assert (config.data_key, config.answers[0].label_names) == ("url", ("A", "B"))
    assert [control.label_names for control in config.region_choices] == [("x", "y")]


def test_case_of_tags_and_attributes_does_not_matter() -> None:
    config = parse(
        '<image name="i" value="$picture"/><brushlabels name="b" toname="i"><label value="Cat"/></brushlabels>',
        '<choices name="c" toname="i" perregion="True"><choice value="x"/></choices>',
    )
    assert config.answers[0].label_names == ("Cat",)
    assert [control.name for control in config.region_choices] == ["c"]


def test_the_first_image_is_the_one_with_a_brush() -> None:
    config = parse(
        '<Image name="map" value="$map"/>', IMAGE, BRUSH, '<Choices name="c" toName="map"><Choice value="x"/></Choices>'
    )
    assert (config.name, config.data_key) == ("i", "picture")
    assert config.image_choices == ()


def test_controls_of_other_objects_and_without_labels_are_ignored() -> None:
    config = parse(
        IMAGE,
        BRUSH,
        '<KeyPointLabels name="k" toName="other"><Label value="Cat"/></KeyPointLabels>',
        '<RectangleLabels name="r" toName="i"/>',
        '<Choices name="c" toName="i" perRegion="true" value="$dynamic"/>',
    )
    assert (config.keypoints, config.rectangles, config.region_choices) == ((), (), ())


def test_an_alias_is_the_name_in_results_and_hints_are_the_words_for_clip() -> None:
    config = parse(
        IMAGE,
        '<BrushLabels name="b" toName="i"><Label value="Cat" alias="c01"/><Label value="Rad" hint="bicycle, bike"/>',
        '<Label value="Dog"/><Label value="Hund" alias="d" hint="dog"/></BrushLabels>',
    )
    assert config.answers[0].labels == (
        ClassName("c01", ("Cat",)),
        ClassName("Rad", ("bicycle", "bike")),
        ClassName("Dog", ()),
        ClassName("d", ("dog",)),
    )


def test_a_duplicate_label_counts_once() -> None:
    config = parse(IMAGE, '<BrushLabels name="b" toName="i"><Label value="A"/><Label value="A"/></BrushLabels>')
    assert config.answers[0].label_names == ("A",)


def test_auto_is_a_label_but_not_a_class() -> None:
    brush = f'<BrushLabels name="b" toName="i"><Label value="{AUTO}"/><Label value="Cat"/></BrushLabels>'
    assert parse(IMAGE, brush).answer_classes == (ClassName("Cat"),)


def test_the_same_config_is_parsed_once(page: LabelingConfig) -> None:
    assert parse_labeling_config(page.xml) is page


@pytest.mark.parametrize(
    ("picked", "auto_label", "label"),
    [("Cat", False, "Cat"), (AUTO, False, None), ("Cat", True, None), (AUTO, True, None), ("Thing", False, None)],
)
def test_which_label_a_click_gets_among_several(picked: str, auto_label: bool, label: str | None) -> None:
    labels = "".join(f'<Label value="{name}"/>' for name in ("Cat", "Dog", AUTO))
    config = parse(IMAGE, f'<BrushLabels name="b" toName="i">{labels}</BrushLabels>')
    assert label_for_click(config, picked, auto_label) == label


def test_a_label_that_the_brush_lacks_becomes_its_only_label() -> None:
    assert label_for_click(parse(IMAGE, BRUSH), "Thing", auto_label=False) == "Cat"


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        ("", "The labeling config is empty.*Settings → Labeling Interface"),
        ("<View>", "cannot be parsed as XML: no element found"),
        ("<View><a></View>", "cannot be parsed as XML: mismatched tag"),
        ("<View/>", r'no Image tag.*Add <Image name="image" value="\$image"/>'),
        (
            f"<View>{IMAGE}</View>",
            'no control for masks: none of.*Add <BrushLabels name="brush" toName="i"><Label value="Object"/>',
        ),
        (f'<View>{IMAGE}<BrushLabels name="b" toName="i"/></View>', "a shape with a class"),
        (f'<View>{IMAGE}<BrushLabels name="b" toName="i"><Label value="AUTO"/></BrushLabels></View>', "with a class"),
        (f'<View>{IMAGE}<BrushLabels name="b" toName="j"><Label value="A"/></BrushLabels></View>', "of its images"),
        (
            f'<View><Image name="i" value="http://a/b.png"/>{BRUSH}</View>',
            'value="http://a/b.png", which does not refer',
        ),
        (
            f'<View><Image name="i" valueList="$images"/>{BRUSH}</View>',
            r'"i" has valueList="\$images"; several images in one tag are not supported.*value="\$image" instead',
        ),
        (f'<View><Image name="i" value="$a" valueList="$images"/>{BRUSH}</View>', r'has valueList="\$images"'),
    ],
)
def test_a_config_that_cannot_hold_predictions_is_rejected(xml: str, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        parse_labeling_config(xml)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE v [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE v [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE v SYSTEM "http://127.0.0.1/x.dtd">',
    ],
)
def test_entities_and_document_types_are_rejected(declaration: str) -> None:
    with pytest.raises(BadConfig, match=r"cannot be parsed as XML: DTDForbidden"):
        parse_labeling_config(f"{declaration}<View>{IMAGE}{BRUSH}</View>")


def test_a_config_of_more_than_a_million_characters_is_rejected_and_not_cached() -> None:
    cached = config_module._parse.cache_info().currsize
    with pytest.raises(BadConfig, match=r"has 1000013 characters; the maximum is 1000000\..*fewer labels"):
        parse_labeling_config(f"<View>{' ' * 1_000_000}</View>")
    assert config_module._parse.cache_info().currsize == cached


def test_a_config_with_more_controls_than_the_limit_is_rejected() -> None:
    two_images = (
        f'{IMAGE}<Image name="j" value="$b"/><BrushLabels name="b" toName="i,j"><Label value="A"/></BrushLabels>'
    )
    xml = f"<View>{two_images}</View>"  # two images, and a control on each
    assert len(parse_labeling_config(xml, ConfigLimits(max_controls=4)).images) == 2
    with pytest.raises(BadConfig, match=r"more than 3 images and controls, which is the limit\..*MAX_CONTROLS"):
        parse_labeling_config(xml, ConfigLimits(max_controls=3))


def test_plain_shapes_count_once_for_each_labels_control() -> None:
    plain = '<Brush name="b" toName="i"/><Polygon name="p" toName="i"/>'
    labels = "".join(f'<Labels name="l{n}" toName="i"><Label value="A"/></Labels>' for n in range(3))
    xml = f"<View>{IMAGE}{plain}{labels}</View>"
    assert len(parse_labeling_config(xml, ConfigLimits(max_controls=7)).images[0].answers) == 6
    with pytest.raises(BadConfig, match="more than 6 images and controls"):
        parse_labeling_config(xml, ConfigLimits(max_controls=6))


def test_a_config_with_more_classes_than_the_limit_is_rejected_and_synonyms_count() -> None:
    brush = '<BrushLabels name="b" toName="i"><Label value="A" hint="one,two"/><Label value="B"/></BrushLabels>'
    taxonomy = '<Taxonomy name="t" toName="i"><Choice value="x"><Choice value="y"/></Choice></Taxonomy>'
    xml = f"<View>{IMAGE}{brush}{taxonomy}</View>"
    assert parse_labeling_config(xml, ConfigLimits(max_classes=5)).images[0].answers
    with pytest.raises(BadConfig, match=r"more than 4 labels, choices and synonyms, which is the limit\..*MAX_CLASSES"):
        parse_labeling_config(xml, ConfigLimits(max_classes=4))


def test_the_images_of_a_task_are_found_by_its_data_in_the_order_of_the_page() -> None:
    brushes = "".join(f'<BrushLabels name="b{n}" toName="{n}"><Label value="A"/></BrushLabels>' for n in "zya")
    images = "".join(f'<Image name="{n}" value="${key}"/>' for n, key in zip("zya", ("two", "one", "two"), strict=True))
    page = parse_labeling_config(f"<View>{images}{brushes}</View>")
    for other in ({}, {"text": "x", "more": 1, "one": ""}):  # fewer and more keys than images
        assert [image.name for image in page.images_in({"two": "b.png"} | other)] == ["z", "a"]
    assert [image.name for image in page.images_in({"two": "b.png", "one": "a.png"})] == ["z", "y", "a"]
    assert page.images_in({"one": ""}) == []


def nested(tag: str, depth: int) -> str:
    return tag * depth + f"</{tag[1:-1].split()[0]}>" * depth


@pytest.mark.parametrize(
    "deep",
    [
        '<Taxonomy name="t" toName="i" perRegion="true">' + nested('<Choice value="a">', 3000) + "</Taxonomy>",
        '<Choices name="c" toName="i" allowNested="true">' + nested('<Choice value="a">', 990) + "</Choices>",
        nested("<View>", 100),
        nested("<View>", 70_000),
    ],
    ids=["taxonomy", "choices", "views", "many views"],
)
def test_a_config_that_is_nested_too_deeply_is_rejected(deep: str) -> None:
    with pytest.raises(BadConfig) as refused:
        parse(IMAGE, BRUSH, deep)
    assert refused.value.message == "The tags of the labeling config are nested more than 100 levels deep."
    assert refused.value.remedy.startswith("Use fewer tags inside each other.")


def test_a_taxonomy_of_the_greatest_depth_is_read() -> None:
    """The page, the taxonomy and 98 choices in each other are 100 levels."""
    choices = nested('<Choice value="a">', 98)
    config = parse(IMAGE, BRUSH, f'<Taxonomy name="t" toName="i" perRegion="true">{choices}</Taxonomy>')
    assert config.region_choices[0].paths == (("a",) * 98,)
