"""Twice the input costs twice the time, for every kind of input that a request can make large.

Each kind is a function from a size to a call. A new kind is one more function under `@kind(start, stop)`; `stop` is
about what fits into a labeling config of 1 MB or a body of 64 MB, or where a call takes a few tenths of a second.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from backend.engine.text_matching import distinct_words, named_class, parse_text, take_sides
from backend.errors import BackendError
from backend.geometry import clean_mask, mask_nms
from backend.label_studio.config import ConfigLimits, parse_labeling_config, prefer_shape, read_config_settings
from backend.label_studio.config import labeling_config as config_module
from backend.label_studio.requests import MaskBoxCache, RequestLimits, parse_body, parse_predict_body, parse_task
from backend.label_studio.requests import parse_predict_request as parse_request
from backend.label_studio.results import (
    LabeledRegion,
    build_results,
    count_left_out,
    decode_brush,
    encode_brush,
    parse_image_choices,
    parse_regions,
)
from backend.predict.correctable_masks import CorrectableMasks
from backend.values import ClassName, Size
from tests.growth import MAX_RATIO, Call, find_growth

UNLIMITED = RequestLimits(10**9, ConfigLimits(10**9, 10**9))
SIZE = Size(64, 48)
IMAGE = '<Image name="image" value="$image"/>'
LABEL = '<Label value="Cat"/>'
BRUSH = f'<BrushLabels name="brush" toName="image">{LABEL}</BrushLabels>'
PAGE = (
    f'<View>{IMAGE}{BRUSH}<KeyPointLabels name="kp" toName="image">{LABEL}<Label value="Dog"/></KeyPointLabels>'
    f'<RectangleLabels name="rect" toName="image">{LABEL}<Label value="Dog"/></RectangleLabels>'
    '<Choices name="kind" toName="image" perRegion="true"><Choice value="a"/></Choices>'
    '<TextArea name="find" toName="image"/></View>'
)

Kind = Callable[[int], Call]
KINDS: list[Any] = []


def kind(start: int, stop: int) -> Callable[[Kind], Kind]:
    def register(build: Kind) -> Kind:
        KINDS.append(pytest.param(build, start, stop, id=build.__name__))
        return build

    return register


@pytest.mark.slow
@pytest.mark.parametrize(("build", "start", "stop"), KINDS)
def test_time_grows_with_the_input_and_not_with_its_square(build: Kind, start: int, stop: int) -> None:
    size, ratio = find_growth(build, start, stop)
    assert ratio <= MAX_RATIO, f"{ratio:.2f} times the time from {size} to {2 * size}"


def test_work_that_grows_with_the_square_of_the_input_is_found() -> None:
    assert find_growth(lambda count: lambda: [sum(range(count)) for _ in range(count)], 128, 4096)[1] > MAX_RATIO


# ---- labeling configs


def parsing(xml: str, limits: ConfigLimits = UNLIMITED.config) -> Call:
    def parse() -> None:
        config_module._parse.cache_clear()
        with suppress(BackendError):
            parse_labeling_config(xml, limits)

    return parse


def names(count: int, prefix: str = "i") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


@kind(128, 4096)
def images_each_with_a_brush(count: int) -> Call:
    tags = (
        f'<Image name="{name}" value="${name}"/><BrushLabels name="b{name}" toName="{name}">{LABEL}</BrushLabels>'
        for name in names(count)
    )
    return parsing(f"<View>{''.join(tags)}</View>")


@kind(256, 16384)
def images_alone(count: int) -> Call:
    images = "".join(f'<Image name="{name}" value="$x"/>' for name in names(count))
    return parsing(f"<View>{BRUSH}{images}</View>")


@kind(128, 8192)
def brushes_of_one_image(count: int) -> Call:
    tags = (f'<BrushLabels name="{name}" toName="image">{LABEL}</BrushLabels>' for name in names(count))
    return parsing(f"<View>{IMAGE}{''.join(tags)}</View>")


@kind(128, 4096)
def a_brush_with_as_many_labels_as_images(count: int) -> Call:
    labels = "".join(f'<Label value="{name}"/>' for name in names(count, "l"))
    images = "".join(f'<Image name="{name}" value="$x"/>' for name in names(count))
    brush = f'<BrushLabels name="b" toName="{",".join(names(count))}">{labels}</BrushLabels>'
    return parsing(f"<View>{images}{brush}</View>")


@kind(128, 4096)
def choices_of_as_many_images(count: int) -> Call:
    choices = "".join(f'<Choice value="{name}"/>' for name in names(count, "l"))
    images = "".join(f'<Image name="{name}" value="$x"/>' for name in names(count))
    taxonomy = f'<Taxonomy name="t" toName="{",".join(names(count))}">{choices}</Taxonomy>'
    return parsing(f"<View>{IMAGE}{BRUSH}{images}{taxonomy}</View>")


@kind(512, 16384)
def labels_of_a_brush(count: int) -> Call:
    labels = "".join(f'<Label value="{name}"/>' for name in names(count))
    return parsing(f'<View>{IMAGE}<BrushLabels name="b" toName="image">{labels}</BrushLabels></View>')


@kind(512, 16384)
def taxonomy_of_fifty_levels(count: int) -> Call:
    inner = "".join(f'<Choice value="{name}"/>' for name in names(count))
    nested = '<Choice value="x">' * 50 + inner + "</Choice>" * 50
    return parsing(f'<View>{IMAGE}{BRUSH}<Taxonomy name="t" toName="image">{nested}</Taxonomy></View>')


@kind(512, 16384)
def taxonomy_of_pairs(count: int) -> Call:
    pairs = "".join(f'<Choice value="{name}"><Choice value="y"/></Choice>' for name in names(count // 2))
    return parsing(f'<View>{IMAGE}{BRUSH}<Taxonomy name="t" toName="image">{pairs}</Taxonomy></View>')


@kind(4096, 131072)
def synonyms_of_a_label(count: int) -> Call:
    brush = f'<BrushLabels name="b" toName="image"><Label value="a" hint="{",".join(names(count))}"/></BrushLabels>'
    return parsing(f"<View>{IMAGE}{brush}</View>")


@kind(4096, 131072)
def labels_that_a_choice_depends_on(count: int) -> Call:
    when = ",".join(names(count))
    choices = f'<Choices name="c" toName="image" whenLabelValue="{when}"><Choice value="a"/></Choices>'
    return parsing(f"<View>{IMAGE}{BRUSH}{choices}</View>")


@kind(1024, 32768)
def attributes_of_a_tag(count: int) -> Call:
    attributes = " ".join(f'{name}="1"' for name in names(count, "a"))
    return parsing(f'<View>{IMAGE}<BrushLabels {attributes} name="b" toName="image">{LABEL}</BrushLabels></View>')


@kind(256, 8192)
def namespaces_of_a_tag(count: int) -> Call:
    declared = " ".join(f'xmlns:{name}="u"' for name in names(count, "a"))
    return parsing(f"<View {declared}>{IMAGE}{BRUSH}</View>")


@kind(256, 8192)
def plain_brushes_and_labels_that_multiply(count: int) -> Call:
    brushes = (f'<Brush name="{name}" toName="image"/>' for name in names(count))
    labels = (f'<Labels name="{name}" toName="image">{LABEL}</Labels>' for name in names(count, "l"))
    return parsing(f"<View>{IMAGE}{''.join(brushes)}{''.join(labels)}</View>", ConfigLimits())


@kind(256, 8192)
def brushes_inside_each_other(count: int) -> Call:
    inner = "".join(f'<Label value="{name}"/>' for name in names(count))
    nested = '<BrushLabels name="b" toName="image">' * 50 + inner + "</BrushLabels>" * 50
    return parsing(f"<View>{IMAGE}{nested}</View>")


@kind(256, 8192)
def settings_in_comments(count: int) -> Call:
    xml = f"<View>{IMAGE}{BRUSH}{'<!-- backend: {@auto_label@: true} -->'.replace('@', chr(34)) * count}</View>"
    return lambda: (read_config_settings.cache_clear(), read_config_settings(xml))


@kind(256, 8192)
def rectangles_of_which_one_is_preferred(count: int) -> Call:
    tags = (f'<RectangleLabels name="{n}" toName="image">{LABEL}</RectangleLabels>' for n in names(count))
    config = parse_labeling_config(f"<View>{IMAGE}{BRUSH}{''.join(tags)}</View>", UNLIMITED.config)
    return lambda: prefer_shape(config, "rectangle")


# ---- bodies


@kind(4096, 1048576)
def keys_of_masks_as_strings(count: int) -> Call:
    body = json.dumps({"tasks": ["rle"] * count}).encode()
    return lambda: parse_body(body)


@kind(4096, 1048576)
def masks_that_do_not_end(count: int) -> Call:
    body = b'{"tasks": [' + b'{"rle":[1,' * count
    return lambda: _refused(lambda: parse_body(body))


@kind(4096, 1048576)
def masks_that_hold_masks(count: int) -> Call:
    body = b'{"tasks": [' + b'{"rle":[{"rle":[1]}]},' * count + b"0]}"
    return lambda: parse_body(body)


@kind(4096, 524288)
def masks_of_one_number(count: int) -> Call:
    body = b'{"tasks": [' + b'{"rle":[1]},' * count + b"0]}"
    return lambda: parse_body(body)


@kind(4096, 524288)
def keys_of_masks_before_spaces(count: int) -> Call:
    body = b'{"tasks": [' + (b'"rle"' + b" " * 16 + b",") * count + b"0]}"
    return lambda: parse_body(body)


def _refused(call: Call) -> None:
    with suppress(ValueError, BackendError):
        call()


# ---- requests


def result(result_kind: str, from_name: str, value: dict[str, Any], label: str, **more: Any) -> dict[str, Any]:
    return {
        "id": from_name, "type": result_kind, "from_name": from_name, "to_name": "image", "origin": "manual",
        "original_width": SIZE.width, "original_height": SIZE.height, "value": value | {result_kind: [label]},
    } | more  # fmt: skip


def point(label: str = "Cat", number: int = 0, **more: Any) -> dict[str, Any]:
    value = {"x": number % 97, "y": number % 89, "width": 0.2}
    return result("keypointlabels", "kp", value, label, id=f"k{number}", is_positive=True) | more


def box(label: str = "Cat", number: int = 0, **more: Any) -> dict[str, Any]:
    value = {"x": number % 97, "y": number % 89, "width": 3, "height": 3, "rotation": 0}
    return result("rectanglelabels", "rect", value, label, id=f"r{number}") | more


def brush(label: str = "Cat", number: int = 0, rle: Any = (0,), **more: Any) -> dict[str, Any]:
    return result("brushlabels", "brush", {"format": "rle", "rle": rle}, label, id=f"b{number}", **more)


def task(**more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": "a.png"}, **more}


def draft(*results: dict[str, Any], number: int = 1) -> dict[str, Any]:
    return {"id": number, "updated_at": f"2026-11-20T20:{number:09}", "result": list(results)}


def asking(
    document: dict[str, Any], *context: dict[str, Any], xml: str = PAGE, limits: RequestLimits = UNLIMITED
) -> Call:
    body = {"tasks": [document], "label_config": xml, "params": {"context": {"result": list(context)}}}

    def ask() -> None:
        with suppress(BackendError):
            parse_request(parse_predict_body(body, limits), "find")

    ask()  # the labeling config is parsed and cached
    return ask


@kind(512, 65536)
def tasks_without_prompts(count: int) -> Call:
    body = {"tasks": [task(predictions=[draft(brush())])] * count, "label_config": PAGE}
    return lambda: parse_request(parse_predict_body(body))


@kind(64, 2048)
def tasks_on_a_page_of_as_many_images(count: int) -> Call:
    images = "".join(f'<Image name="{name}" value="${name}"/>' for name in names(count))
    choices = f'<Choices name="c" toName="{",".join(names(count))}"><Choice value="a"/></Choices>'
    config = parse_labeling_config(f"<View>{IMAGE}{BRUSH}{images}{choices}</View>", UNLIMITED.config)
    assert len(config.images) == count + 1
    return lambda: [parse_task(task(), config) for _ in range(20 * count)]


@kind(512, 16384)
def points_of_a_click(count: int) -> Call:
    return asking(task(), *(point(number=number) for number in range(count)))


@kind(512, 16384)
def points_beyond_the_limit(count: int) -> Call:
    return asking(task(), *(point(number=number) for number in range(count)), limits=RequestLimits())


@kind(512, 16384)
def boxes_of_a_click(count: int) -> Call:
    return asking(task(), *(box(number=number) for number in range(count)))


@kind(512, 16384)
def points_in_as_many_controls(count: int) -> Call:
    tags = (f'<KeyPointLabels name="{n}" toName="image">{LABEL}</KeyPointLabels>' for n in names(count, "k"))
    xml = f"<View>{IMAGE}{BRUSH}{''.join(tags)}</View>"
    return asking(task(), *(point(number=number, from_name=f"k{number}") for number in range(count)), xml=xml)


@kind(512, 16384)
def points_with_as_many_labels(count: int) -> Call:
    labels = "".join(f'<Label value="{name}"/>' for name in names(count, "l"))
    xml = f'<View>{IMAGE}{BRUSH}<KeyPointLabels name="kp" toName="image">{labels}</KeyPointLabels></View>'
    return asking(task(), *(point(label=f"l{number}", number=number) for number in range(count)), xml=xml)


@kind(512, 16384)
def plain_points_with_labels_of_their_own(count: int) -> Call:
    labels = f'<Labels name="what" toName="image">{LABEL}</Labels>'
    xml = f'<View>{IMAGE}{BRUSH}<KeyPoint name="kp" toName="image"/>{labels}</View>'
    shapes = (point(number=number, type="keypoint") for number in range(count // 2))
    own = (
        {"id": f"k{number}", "type": "labels", "from_name": "what", "to_name": "image", "value": {"labels": ["Cat"]}}
        for number in range(count // 2)
    )
    return asking(task(), *shapes, *own, xml=xml)


@kind(512, 16384)
def boxes_in_a_draft_with_answers_of_another_label(count: int) -> Call:
    boxes = [box("Cat", number) for number in range(count // 2)]
    answers = [brush("Dog", number) for number in range(count // 2)]
    clicks = point("Cat"), point("Dog", 1)
    return asking(task(drafts=[draft(*boxes, *answers, *clicks)]), *clicks)


@kind(512, 16384)
def boxes_in_a_draft_for_points_on_as_many_images(count: int) -> Call:
    boxes = [box(number=number) for number in range(count // 2)]
    clicks = [point(number=number, original_width=100 + number) for number in range(count // 2)]
    return asking(task(drafts=[draft(*boxes, *clicks)]), *clicks, limits=RequestLimits(200, ConfigLimits()))


@kind(512, 16384)
def points_in_a_draft_for_boxes(count: int) -> Call:
    clicks = [box(number=number) for number in range(200)]
    points = [point(number=number) for number in range(count)]
    return asking(task(drafts=[draft(*points, *clicks)]), *clicks)


@kind(512, 32768)
def drafts_annotations_and_predictions(count: int) -> Call:
    saved = [draft(brush(number=number), number=number) for number in range(count // 3)]
    return asking(task(drafts=saved, annotations=saved, predictions=saved), point())


@kind(512, 16384)
def masks_in_a_draft(count: int) -> Call:
    saved = [brush(number=number, rle="[0]") for number in range(count)]
    return asking(task(drafts=[draft(*saved)]), point())


@kind(512, 16384)
def text_areas_with_the_same_id(count: int) -> Call:
    area = {"id": "t", "type": "textarea", "from_name": "find", "to_name": "image", "value": {"text": ["a"]}}
    saved = area | {"value": {"text": names(count)}}
    return asking(task(drafts=[draft(saved)]), *[area] * count)


@kind(1024, 16384)
def texts_of_a_text_area(count: int) -> Call:
    area = {"id": "t", "type": "textarea", "from_name": "find", "to_name": "image", "value": {"text": names(count)}}
    return asking(task(drafts=[draft(area)]), area)


# ---- results


CONFIG = parse_labeling_config(PAGE).images[0]
SMALL = np.zeros((SIZE.height, SIZE.width), bool)
SMALL[10:20, 10:30] = True
RLE = encode_brush(SMALL)


@kind(256, 4096)
def regions_of_an_annotation(count: int) -> Call:
    results = [brush(number=number, rle=RLE) for number in range(count)]
    return lambda: parse_regions(results, CONFIG)


@kind(512, 32768)
def results_with_the_same_id(count: int) -> Call:
    results = [brush(rle=RLE)] + [
        {"id": "b0", "type": "labels", "from_name": "what", "to_name": "image", "value": {"labels": [f"l{number}"]}}
        for number in range(count)
    ]
    return lambda: parse_regions(results, CONFIG)


@kind(512, 16384)
def results_on_as_many_images(count: int) -> Call:
    images = "".join(f'<Image name="{name}" value="$x"/>' for name in names(count))
    config = parse_labeling_config(f"<View>{IMAGE}{BRUSH}{images}</View>", UNLIMITED.config).images[0]
    results = [box(number=number, to_name=f"i{number}") for number in range(count)]
    return lambda: (parse_image_choices(results, config), count_left_out(results, config))


@kind(256, 4096)
def boxes_in_as_many_controls(count: int) -> Call:
    tags = (f'<RectangleLabels name="{n}" toName="image">{LABEL}</RectangleLabels>' for n in names(count, "r"))
    config = parse_labeling_config(f"<View>{IMAGE}{BRUSH}{''.join(tags)}</View>", UNLIMITED.config).images[0]
    results = [box(number=number, from_name=f"r{number}") for number in range(count)]
    return lambda: parse_regions(results, config)


@kind(256, 4096)
def regions_with_as_many_labels_and_classes(count: int) -> Call:
    labels = "".join(f'<Label value="{name}"/>' for name in names(count, "l"))
    leaves = "".join(f'<Choice value="{name}"/>' for name in names(count, "c"))
    xml = (
        f'<View>{IMAGE}<BrushLabels name="b" toName="image">{labels}</BrushLabels>'
        f'<Taxonomy name="t" toName="image" perRegion="true">{leaves}</Taxonomy></View>'
    )
    config = parse_labeling_config(xml, UNLIMITED.config).images[0]
    regions = [LabeledRegion(SMALL, f"l{n}", f"r{n}", choices={"t": (f"c{n}",)}) for n in range(count)]
    return lambda: build_results(regions, config)


@kind(1024, 65536)
def points_of_a_polygon(count: int) -> Call:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    points = np.stack([50 + 40 * np.cos(angle), 50 + 40 * np.sin(angle)], axis=1).tolist()
    polygon = [result("polygonlabels", "poly", {"points": points, "closed": True}, "Cat")]
    return lambda: parse_regions(polygon, CONFIG)


@kind(1024, 16384)
def zigzags_of_a_polygon(count: int) -> Call:
    points = [[100 * number / count, 100 * (number % 2)] for number in range(count)]
    polygon = [result("polygonlabels", "poly", {"points": points, "closed": True}, "Cat")]
    return lambda: parse_regions(polygon, CONFIG)


@kind(1024, 65536)
def runs_of_a_brush(count: int) -> Call:
    mask = (np.arange(64 * count) % 32 < 16).reshape(count, 64)
    return lambda: decode_brush(encode_brush(mask), Size(64, count))


@kind(256, 16384)
def specks_of_a_mask_that_was_clicked_everywhere(count: int) -> Call:
    mask = np.zeros((64, 4 * count), bool)
    mask[2:10:4, ::4] = True
    mask[20:60] = True
    clicks = [(4.0 * number, 2.0) for number in range(0, count, max(count // 200, 1))]
    return lambda: clean_mask(mask, 8, clicks)


# ---- classes and texts


@kind(512, 16384)
def classes_that_a_text_names(count: int) -> Call:
    vocabulary = [ClassName(f"ring {name}", ("ring",)) for name in names(count)]
    query = parse_text("the ring")

    def match() -> None:
        says = {word: np.array([word == "ring"]) for word in distinct_words(vocabulary)}
        take_sides(query, vocabulary, says)
        named_class(query, vocabulary)

    return match


@kind(4096, 262144)
def words_of_a_class_name(count: int) -> Call:
    vocabulary = [ClassName(" ".join(names(count)) + "'" * count)]
    return lambda: distinct_words(vocabulary)


# ---- masks on the page


@kind(256, 4096)
def masks_on_the_page_beside_the_click(count: int) -> Call:
    saved = [brush(number=number, rle=json.dumps(RLE)) for number in range(count)]
    body = {
        "tasks": [task(drafts=[draft(*saved)])], "label_config": PAGE,
        "params": {"context": {"result": [point(number=0)]}},
    }  # fmt: skip
    click = parse_request(parse_predict_body(body)).request

    def search() -> None:
        masks = CorrectableMasks(click.correctable, CONFIG, MaskBoxCache())
        for prompt in click.prompts:
            masks.find(prompt)

    return search


@kind(64, 1024)
def masks_that_are_compared(count: int) -> Call:
    masks = np.zeros((count, 256, 256), bool)
    for number, mask in enumerate(masks):
        row, column = divmod(number * 7, 240)
        mask[row : row + 10, column : column + 10 + number % 5] = True
    return lambda: mask_nms(list(masks), 0.8)
