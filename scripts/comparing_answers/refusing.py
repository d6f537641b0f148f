"""What must be refused, and with which status: bodies, routes, configs, settings, prompts, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scripts.comparing_answers.backend import IMAGE_MAX_BYTES, IMAGE_TIMEOUT_SECONDS, MAX_BODY_BYTES
from scripts.comparing_answers.conversation import JSON_TYPE, Conversation
from scripts.comparing_answers.interfaces import BRUSH, TEXT, Interface
from scripts.comparing_answers.opening import setup
from scripts.comparing_answers.page import Page as TaskPage
from scripts.comparing_answers.page import body
from scripts.comparing_answers.picture_server import Page
from scripts.comparing_answers.pictures import Picture

Change = dict[str, Any]
XML = {
    "broken": "<View><Image",
    "empty": "  ",
    "with entities": '<!DOCTYPE v [<!ENTITY a "b">]><View>&a;</View>',
    "without an image": '<View><BrushLabels name="mask" toName="image"><Label value="red"/></BrushLabels></View>',
    "without a shape": '<View><Image name="image" value="$image"/></View>',
    "without a key": BRUSH.xml.replace('"$image"', '"image"'),
}
SETTINGS: dict[str, Any] = {
    "unknown": {"colour": "red"},
    "out of range": {"clip_threshold": 1.7},
    "of another type": {"auto_label": 3},
    "no JSON": "{auto_label",
    "a list": [1],
    "no such text area": {"text_prompt": "find"},
    "no such shape": {"answer": "ellipse"},
    "bad template": {"templates": ["no place"]},
    "bad shape": {"answer": 5},
    "no number": {"polygon_tolerance": "many"},
    "no name": {"text_prompt": 7},
}


def list_pages(picture: Picture) -> dict[str, Page]:
    """What the picture server has to have for `refuse_pictures`."""
    return {
        "/refused/page.png": Page(b"<html><body>Please log in.</body></html>", "text/html"),
        "/refused/cut.png": Page(picture.data[: len(picture.data) // 2]),
        "/refused/large.png": Page(picture.data + bytes(IMAGE_MAX_BYTES)),
        "/refused/slow.png": Page(picture.data, delay_seconds=2 * IMAGE_TIMEOUT_SECONDS),
        "/refused/away.png": Page(status=302, headers={"Location": "http://pictures.invalid/a.png"}),
        "/refused/loop.png": Page(status=302, headers={"Location": "/refused/loop.png"}),
        "/refused/error.png": Page(status=500),
        "/refused/secret.png": Page(status=401),
        "/data/upload/1/forbidden.png": Page(status=403),
        "/user/login/": Page(b"<html>Log in</html>", "text/html"),
        "/refused/login.png": Page(status=302, headers={"Location": "/user/login/?next=/"}),
    }


def send_in_chunks(talk: Conversation, picture: Picture) -> None:
    """A body whose length is not said is taken like any other."""
    page = TaskPage(talk, BRUSH, picture)
    text = json.dumps(body([page.task()], TEXT, [])).encode()
    talk.ask("in chunks", "POST", "/predict", [text[:100], text[100:]])


def refuse_bodies(talk: Conversation, picture: Picture) -> None:
    """Bodies that are no JSON, none of the protocol's, too large or cut off; routes and methods that are not there."""
    plain, none = {"Content-Type": "text/plain"}, dict[str, str]()
    texts = {
        "broken JSON": b'{"tasks": [',
        "a list": b"[]",
        "null": b"null",
        "empty": b"",
        "no UTF-8": b'{"a": "\xff"}',
    }
    for name, text in texts.items():
        talk.ask(f"refused: body, {name}", "POST", "/predict", text)
    talk.ask("refused: content type", "POST", "/predict", b"{}", headers=plain)
    talk.ask("refused: content type", "POST", "/webhook", b"{}", headers=none)
    talk.ask("refused: body too large, in chunks", "POST", "/predict", [b" " * (MAX_BODY_BYTES + 1)])
    declared = {"Content-Type": JSON_TYPE, "Content-Length": str(MAX_BODY_BYTES + 1)}
    talk.ask("refused: body too large", "POST", "/predict", b"", headers=declared)
    cut = {"Content-Type": JSON_TYPE, "Content-Length": "1000"}
    talk.ask("refused: body cut off", "POST", "/setup", b'{"project"', headers=cut, half=True)
    for method, path in (("GET", "/predict"), ("POST", "/health"), ("DELETE", "/setup"), ("GET", "/nothing/here")):
        talk.ask("refused: route", method, path)


def refuse_documents(talk: Conversation, picture: Picture) -> None:
    """JSON that is not what Label Studio sends."""
    task = TaskPage(talk, BRUSH, picture).task()
    changes: dict[str, Change] = {
        "no tasks": {"tasks": None},
        "tasks no list": {"tasks": {"id": 1}},
        "no config": {"label_config": 7},
        "context no object": {"params": {"context": "here"}},
        "context no list": {"params": {"context": {"result": {}}}},
        "two tasks with a prompt": {"tasks": [task, task], "params": {"context": {"result": []}}},
        "project": {"project": "demo"},
        "task without data": {"tasks": [{"id": 1}]},
        "no image": {"tasks": [{"id": 1, "data": {"photo": "a.png"}}]},
        "empty image": {"tasks": [{"id": 1, "data": {"image": " "}}]},
    }
    for name, change in changes.items():
        talk.post(f"refused: {name}", "/predict", body([task], BRUSH, None) | change)


def refuse_configs(talk: Conversation, picture: Picture) -> None:
    """Labeling configs that cannot carry an answer, and settings that cannot be used."""
    page = TaskPage(talk, BRUSH, picture)
    for name, xml in XML.items():
        document = body([page.task()], BRUSH, None) | {"label_config": xml}
        talk.post(f"refused: config {name}", "/predict", document)
    for place, (name, extra_params) in enumerate(SETTINGS.items()):
        setup(talk, f"refused: settings, {name}", Interface(6000 + place, BRUSH.xml), extra_params)
    setup(talk, "refused: settings, config", Interface(6100, XML["broken"]), None)
    for number, comment in ((6101, "{no json"), (6102, "[1]")):
        setup(talk, "refused: settings, comment", BRUSH.with_settings(comment, number), None)
    setup(talk, "refused: settings, again", Interface(6000, BRUSH.xml), SETTINGS["unknown"])
    _break_config_later(talk, page)


def _break_config_later(talk: Conversation, page: TaskPage) -> None:
    """Extra params that were taken are not refused for a config that broke; what was right stays in force."""
    good = BRUSH.with_settings('{"clean_masks": false}', 6103)
    extra_params = {"auto_label": True}
    setup(talk, "setup", good, extra_params)
    page.interface = BRUSH.with_settings('{"clean_masks": 7}', 6103)
    setup(talk, "setup, broken later", page.interface, extra_params)
    thing = page.picture.things[0]
    page.click("setting, in force", thing.inside, "pink")


def refuse_prompts(talk: Conversation, picture: Picture) -> None:
    """Prompts that cannot be answered."""
    thing = picture.things[0]
    page = TaskPage(talk, BRUSH, picture)
    page.draw_point(thing.inside, thing.colour)
    (prompt,) = page.prompts
    page.reject()
    for name, change in _changes_of_a_point(*picture.size).items():
        value = change.get("value", {})
        changed = {**prompt, **change, "value": None if value is None else {**prompt["value"], **value}}
        page.send(f"refused: {name}", [changed])
    page.send("refused: too many points", [{**prompt, "id": talk.new_id()} for _ in range(501)])
    page.click("refused: only Alt clicks", thing.inside, thing.colour, positive=False)
    for name, box in (("no area", (9.0, 9.0, 9.0, 20.0)), ("box outside", (-90.0, 9.0, -10.0, 40.0))):
        page.reject()
        page.box(f"refused: {name}", box, thing.colour)


def refuse_pictures(talk: Conversation, picture: Picture) -> None:
    """Images that are missing, damaged, too large, too slow, or at a forbidden address."""
    thing = picture.things[0]
    for name, uri in _uris(talk.url):
        page = TaskPage(talk, BRUSH, picture, uri)
        page.click(f"refused: picture {name}", thing.inside, thing.colour)
    page = TaskPage(talk, BRUSH, picture, f"{talk.url}/pictures/missing.png")
    document = body([page.task()], BRUSH, None)
    talk.post("refused: page opened, picture missing", "/predict", document, opened=())


def _changes_of_a_point(width: int, height: int) -> dict[str, Change]:
    return {
        "point outside": {"value": {"x": 130.0}},
        "point no number": {"value": {"y": "12"}},
        "drawn on another size": {"original_width": height, "original_height": width},
        "drawn on no size": {"original_width": 0},
        "is_positive": {"is_positive": "yes"},
        "no label": {"value": {"labels": [], "keypointlabels": []}},
        "unknown label": {"value": {"labels": ["sepia"], "keypointlabels": ["sepia"]}},
        "prompt without a value": {"value": None},
        "unknown control": {"from_name": "stamp"},
        "kind of prompt": {"type": "brushlabels", "value": {"brushlabels": ["red"], "rle": [0]}},
    }


def refuse_texts(talk: Conversation, picture: Picture) -> None:
    """Texts that are not a valid prompt."""
    page = TaskPage(talk, TEXT, picture)
    for name, text in (("too long", "red " * 80), ("empty", "   "), ("with control characters", "red\x07ring")):
        page.type_text(f"refused: text {name}", [text])
    area = {"id": "text000003", "type": "textarea", "from_name": "find", "to_name": "image", "value": {"text": 5}}
    page.send("refused: text no list", [area])


def _uris(url: str) -> Iterator[tuple[str, str]]:
    yield "missing", f"{url}/pictures/missing.png"
    yield "missing in Label Studio", "/data/upload/1/missing.png"
    yield "forbidden in Label Studio", "/data/upload/1/forbidden.png"
    yield "no plain address", url.replace("://", "://somebody@") + "/pictures/picture-000.png"
    yield "unknown host", "http://pictures.invalid/a.png"
    yield "data: address", "data:image/png;base64,AAAA"
    yield "in a cloud", "s3://bucket/a.png"
    yield "no address", "http://[::1/a.png"
    names = ("page", "cut", "large", "slow", "away", "loop", "error", "secret", "login")
    yield from ((name, f"{url}/refused/{name}.png") for name in names)


STORIES = (
    send_in_chunks,
    refuse_bodies,
    refuse_documents,
    refuse_configs,
    refuse_prompts,
    refuse_texts,
    refuse_pictures,
)
