"""Damage to labeling configs: attributes and tags that are gone, doubled or odd, deep nesting, text that is no XML."""

from __future__ import annotations

import random
import re

import orjson

from tests.fuzzing.odd_json import ODD_VALUES

_TAG = re.compile(r"<[^<>]*>")
_ATTRIBUTE = re.compile(r'([\w:]+)="([^"<>]*)"')
ODD_TEXTS = (
    *("", " ", ",", "img", "img,img", "photo", "$", "$photo", "$$", "a,b,,c", "cat", "true", "TRUE", "multiple", "{}"),
    *("1e-320", "1e308", "-1", "0", "nan", "inf", "1e999", "1_000", "٣", "0x1", "1e-7", "5e-324", "1e-10", "1e17"),
    *(
        "é\u2028\U0001f600",
        "x" * 3000,
        "&lt;b&gt;",
        "&#10;",
        "&#0;",
        "&#x110000;",
        "&amp;amp;",
        "&nope;",
        "' / '",
        " / ",
    ),
)
NAMES = (
    "name",
    "toName",
    "value",
    "alias",
    "hint",
    "smart",
    "smartOnly",
    "perRegion",
    "choice",
    "allowNested",
    "max",
    "step",
)
TAGS = (
    *("View", "Image", "Brush", "BrushLabels", "Polygon", "PolygonLabels", "Rectangle", "RectangleLabels", "Ellipse"),
    *(
        "EllipseLabels",
        "BitmaskLabels",
        "KeyPoint",
        "KeyPointLabels",
        "Labels",
        "Label",
        "Choices",
        "Choice",
        "Taxonomy",
    ),
    *("Number", "TextArea", "Video", "x:y", "ns:Image", "Ä", "backend", "1", "a b"),
)
SNIPPETS = (
    *(
        "<!-- -->",
        "<!--backend:-->",
        "<!-- backend: [] -->",
        "<!-- a -- b -->",
        "<!-- backend: {} -->",
        "<!-- backend: {",
    ),
    *("<?xml version='1.0' encoding='utf-16'?>", "<?php echo 1 ?>", "<?backend {}?>", "<![CDATA[<Label value='x'/>]]>"),
    *("<!DOCTYPE a>", '<!DOCTYPE a [<!ENTITY b "c">]>', "&b;", "]]>", "\x00", "\ufffe", "<", ">", "&", '"', "</View>"),
    '<Number name="score" toName="img" perRegion="true" step="1e-320"/>',
    '<Number name="score_2" toName="img" perRegion="true" max="1e308" step="1e-300"/>',
    '<Image name="img2" value="$photo"/>',
    '<Image name="img" value="$second"/>',
    '<Labels name="what" toName="img"><Label value="cat"/></Labels>',
    '<Choices name="kind" toName="img"><Choice value="x"/></Choices>',
    '<Taxonomy name="t" toName="img" perRegion="true"><Choice value=""><Choice value=""/></Choice></Taxonomy>',
)
SETTINGS = (
    *("answer", "auto_label", "clip_threshold", "choices_threshold", "templates", "polygon_tolerance", "clean_masks"),
    *("prefetch", "text_prompt", "polygon_parts", "max_points", "nonsense", ""),
)
SETTING_VALUES = (
    *(
        "brush",
        "ellipse",
        "polygon",
        " Rectangle ",
        "find",
        "a {}",
        "a {} {}",
        ["a {}"] * 40,
        [1],
        0.5,
        1,
        100,
        101,
        -0.0,
    ),
    *(
        True,
        False,
        "true",
        "NaN",
        "1e400",
        None,
        "0.9",
        "\x00",
        "é",
        "x" * 250,
        ["a {}", "a photo of {}|b"],
        {"a": [[]]},
    ),
)
DEPTHS = (2, 20, 90, 99, 100, 101, 102, 300, 1000, 3000)


def damage_config(xml: str, rng: random.Random, times: int) -> str:
    """Return the labeling config with damage at `times` places."""
    for _ in range(times):
        xml = _damage_once(xml, rng)
    return xml


def odd_settings(rng: random.Random) -> object:
    """Return settings of a project, valid or not: the extra params of /setup, or the object in a comment."""
    values = SETTING_VALUES if rng.random() < 0.7 else ODD_VALUES
    text = orjson.dumps({rng.choice(SETTINGS): rng.choice(values) for _ in range(rng.randrange(4))})
    return orjson.loads(text) if rng.random() < 0.7 else text.decode()


def odd_settings_text(rng: random.Random) -> str:
    """Return JSON text of settings that orjson would not write."""
    depth = rng.choice((5, 50, 99, 101, 900, 3000, 100_000))
    value = rng.choice(
        (
            "NaN",
            "Infinity",
            r'"\ud800"',
            r'["\udfff {}"]',
            "1e999",
            "9" * 5000,
            "-0.0",
            "[" * depth + "]" * depth,
            '{"a":' * depth + "1" + "}" * depth,
        )
    )
    return f'{{"{rng.choice(SETTINGS)}": {value}}}'


def _damage_once(xml: str, rng: random.Random) -> str:
    action = rng.random()
    if action < 0.4:
        return _damage_attribute(xml, rng)
    tags = list(_TAG.finditer(xml))
    tag = rng.choice(tags) if tags else None
    if tag is None:
        return xml + rng.choice(SNIPPETS)
    start, end = tag.span()
    if action < 0.5:
        return xml[:start] + xml[end:]
    if action < 0.55:
        return xml[:end] + tag[0] + xml[end:]
    if action < 0.6:
        return xml[:start] + re.sub(r"\w+", rng.choice(TAGS), tag[0], count=1) + xml[end:]
    if action < 0.8:
        return xml[:end] + rng.choice(SNIPPETS) + xml[end:]
    if action < 0.87:
        comment = odd_settings_text(rng) if rng.random() < 0.5 else orjson.dumps(odd_settings(rng)).decode()
        return f"{xml[:end]}<!-- backend: {comment} -->{xml[end:]}"
    if action < 0.95:
        depth, name = rng.choice(DEPTHS), rng.choice(("View", "Choice value='a'", "Label value='a'", "Taxonomy"))
        control = rng.choice(("Taxonomy", "Choices allowNested='true'", "BrushLabels", "View"))
        nested = f"<{name}>" * depth + f"</{name.split()[0]}>" * depth
        opening, closing = f"<{control} name='deep' toName='img' perRegion='true'>", f"</{control.split()[0]}>"
        return f"{xml[:end]}{opening}{nested}{closing}{xml[end:]}"
    at = rng.randrange(len(xml) + 1)
    return rng.choice(
        (xml[:at], xml[:at] + xml[at + 7 :], xml[:at] + chr(rng.randrange(0xD7FF)) + xml[at:], xml.lower(), xml * 2, "")
    )


def _damage_attribute(xml: str, rng: random.Random) -> str:
    attributes = list(_ATTRIBUTE.finditer(xml))
    if not attributes:
        return xml
    attribute = rng.choice(attributes)
    start, end = attribute.span()
    other = rng.choice(ODD_TEXTS) if rng.random() < 0.7 else rng.choice(attributes)[2]
    changed = rng.choice(
        (
            "",
            f'{attribute[1]}="{other}"',
            f'{attribute[1]}="{other}"',
            f'{rng.choice(NAMES)}="{attribute[2]}"',
            f'{attribute[0]} {rng.choice(NAMES)}="{other}"',
            f"{attribute[0]} {attribute[0]}",
        )
    )
    return xml[:start] + changed + xml[end:]
