"""The labeling interfaces that pages are opened with; between them they have every kind of control."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from scripts.comparing_answers.pictures import COLOURS, SHAPES

LABELS = tuple(COLOURS)
CLASSES = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
SHAPE_TAGS = {
    "brush": "Brush",
    "bitmask": "Bitmask",
    "polygon": "Polygon",
    "rectangle": "Rectangle",
    "ellipse": "Ellipse",
}


@dataclass(frozen=True)
class Interface:
    """A labeling config, and the names in it that a page needs to know.

    Attributes:
        number: Of the project that has it.
        labels: The name of the Labels control where the tools are plain; None where they have labels of their own.
        key: Of the task's data.
    """

    number: int
    xml: str
    labels: str | None = None
    image: str = "image"
    key: str = "image"
    click: str = "click"
    box: str = "box"

    @property
    def project(self) -> str:
        """As Label Studio calls it: its number, and the second of its creation."""
        return f"{self.number}.1795206950"

    def of_round(self, number: int) -> Interface:
        """The same in a project of its own, so that no round sees the settings of another."""
        return replace(self, number=self.number + 100 * number)

    def with_settings(self, text: str, number: int) -> Interface:
        """Another project whose config says this in a comment for the backend."""
        return replace(self, number=number, xml=self.xml.replace("<View>", f"<View><!-- backend: {text} -->", 1))


def list_labels(names: Iterable[str], tag: str = "Label") -> str:
    """One tag for each name."""
    return "".join(f'<{tag} value="{name}"/>' for name in names)


def _tools(image: str = "image", suffix: str = "", rectangle: str = 'smartOnly="true"') -> str:
    labels = list_labels((*LABELS, "AUTO"))
    return (
        f'<KeyPointLabels name="click{suffix}" toName="{image}" smart="true" smartOnly="true">{labels}</KeyPointLabels>'
        f'<RectangleLabels name="box{suffix}" toName="{image}" {rectangle}>{labels}</RectangleLabels>'
    )


def _answer(kind: str, image: str = "image", name: str = "mask", labels: Iterable[str] = LABELS) -> str:
    tag = f"{SHAPE_TAGS[kind]}Labels"
    return f'<{tag} name="{name}" toName="{image}" smart="false">{list_labels(labels)}</{tag}>'


def _choices(name: str, classes: Iterable[str], options: str, image: str = "image") -> str:
    return f'<Choices name="{name}" toName="{image}" {options}>{list_labels(classes, "Choice")}</Choices>'


_IMAGE = '<Image name="image" value="$image"/>'
_CLASS = _choices("class", CLASSES, 'perRegion="true" choice="single"')
_BACKGROUND = _choices("background", ("solid", "gradient", "stripes", "checker", "grain"), 'choice="single"')
_SCORE = '<Number name="score" toName="image" perRegion="true" min="0" max="100" step="1"/>'
_TREE = "".join(
    f'<Choice value="{colour}">{list_labels((f"{colour} {shape}" for shape in SHAPES), "Choice")}</Choice>'
    for colour in LABELS
)
_TAXONOMY = f'<Taxonomy name="tree" toName="image" perRegion="true" whenLabelValue="red,blue,green">{_TREE}</Taxonomy>'
_SMART = 'smart="true"'
_KINDS = _choices("kinds", CLASSES, 'perRegion="true" choice="multiple"')
_ODD_SCORE = '<Number name="class_score-1" toName="image" perRegion="true" max="many" step="0.25"/>'
_CLASS_SCORE = '<TextArea name="class_score" toName="image" perRegion="true"/>'

BRUSH = Interface(1, f"<View>{_tools()}{_IMAGE}{_answer('brush')}{_CLASS}{_SCORE}{_BACKGROUND}</View>")
BITMASK = Interface(2, f"<View>{_tools()}{_IMAGE}{_answer('bitmask')}{_CLASS}</View>")
POLYGON = Interface(3, f"<View>{_tools()}{_IMAGE}{_answer('polygon')}{_TAXONOMY}{_CLASS_SCORE}</View>")
RECTANGLE = Interface(4, f"<View>{_tools(rectangle=_SMART)}{_IMAGE}{_SCORE}</View>")
ELLIPSE = Interface(5, f"<View>{_tools()}{_IMAGE}{_answer('ellipse')}{_KINDS}{_ODD_SCORE}</View>")
BY_KIND = {"brush": BRUSH, "bitmask": BITMASK, "polygon": POLYGON, "rectangle": RECTANGLE, "ellipse": ELLIPSE}


def _plain(kind: str) -> str:
    options = 'toName="image" smartOnly="true"'
    tools = f'<KeyPoint name="click" {options}/><Rectangle name="box" {options}/>'
    return f'{tools}{_IMAGE}<{SHAPE_TAGS[kind]} name="shape" toName="image" smart="false"/>'


PLAIN = {
    kind: Interface(
        10 + place,
        f'<View><Labels name="what" toName="image">{list_labels(LABELS)}</Labels>{_plain(kind)}</View>',
        labels="what",
    )
    for place, kind in enumerate(SHAPE_TAGS)
}
BARE = Interface(20, f"<View>{_plain('brush')}{_CLASS}</View>", labels="")
TWO_IMAGES = Interface(
    21,
    '<View><Image name="before" value="$before"/>'
    + _tools("before", "_before")
    + _answer("brush", "before", "mask_before")
    + '<Image name="after" value="$after"/>'
    + _tools("after", "_after")
    + _answer("polygon", "after", "outline_after")
    + _choices("seen", ("stripes", "checker", "grain"), 'choice="multiple"', "after")
    + "</View>",
    image="before",
    key="before",
    click="click_before",
    box="box_before",
)
ON_AFTER = replace(TWO_IMAGES, image="after", key="after", click="click_after", box="box_after")
UNSET_TEXT = Interface(
    26,
    f'<View><TextArea name="find" toName="image"/><TextArea name="caption" toName="image"/>'
    f"{_tools()}{_IMAGE}{_answer('brush')}{_CLASS}</View>",
)
TEXT = UNSET_TEXT.with_settings('{"text_prompt": "find"}', 22)
GROUPS = Interface(
    23,
    f"<View>{_tools()}{_IMAGE}{_answer('brush', labels=LABELS[:4])}"
    f"{_answer('polygon', name='outline', labels=LABELS[4:])}{_CLASS}</View>",
)
HINTS = Interface(
    24,
    f"<View>{_tools()}{_IMAGE}"
    '<BrushLabels name="mask" toName="image" smart="false">'
    '<Label value="warm" hint="red, orange, yellow"/><Label value="cold" alias="kühl" hint="blue, cyan, green"/>'
    '</BrushLabels><Choices name="form" toName="image" perRegion="true" allowNested="true">'
    '<Choice value="round"><Choice value="circle"/><Choice value="ring" hint="donut"/></Choice>'
    '<Choice value="edged"><Choice value="square"/><Choice value="star"/></Choice></Choices></View>',
)
ALL_SHAPES = Interface(
    25,
    f"<View>{_tools()}{_IMAGE}"
    + "".join(_answer(kind, name=kind) for kind in SHAPE_TAGS)
    + f"{_CLASS}{_BACKGROUND}</View>",
)
