"""Stories of masks that are corrected on the page, and of the kinds of shapes that answer."""

from __future__ import annotations

from scripts.comparing_answers.clicking import Story
from scripts.comparing_answers.conversation import Conversation
from scripts.comparing_answers.interfaces import ALL_SHAPES, BARE, BRUSH, BY_KIND, GROUPS, HINTS, PLAIN, Interface
from scripts.comparing_answers.page import Page
from scripts.comparing_answers.pictures import Picture, Thing


def correct(talk: Conversation, picture: Picture, turn: int) -> None:
    """A brush, a bitmask and a polygon: something is taken away, then added, then taken away again."""
    for place, kind in enumerate(("brush", "bitmask", "polygon")):
        page = Page(talk, BY_KIND[kind].of_round(turn), picture)
        thing = picture.things[(turn + place) % len(picture.things)]
        page.click(f"click, {kind}", thing.inside, thing.colour)
        page.accept()
        page.click(f"correction, {kind}", _edge(thing), thing.colour, positive=False)
        page.accept()
        page.click(f"correction, {kind}", _edge(thing), thing.colour)


def answer_in_kinds(talk: Conversation, picture: Picture, turn: int) -> None:
    """Rectangles and ellipses: a click, a box, a click on the accepted shape, which starts anew."""
    for place, kind in enumerate(("rectangle", "ellipse")):
        page = Page(talk, BY_KIND[kind].of_round(turn), picture)
        thing = picture.things[(turn + 2 + place) % len(picture.things)]
        page.click(f"click, {kind}", thing.inside, thing.colour)
        page.accept()
        page.click(f"click, {kind}", thing.inside_too, thing.colour)
        page.reject()
        page.box(f"box, {kind}", thing.box(), thing.colour)


def answer_in_plain_kinds(talk: Conversation, picture: Picture, turn: int) -> None:
    """Plain shapes with a separate label, then one without any; a plain brush is corrected."""
    for place, (kind, interface) in enumerate(PLAIN.items()):
        page = Page(talk, interface.of_round(turn), picture)
        thing = picture.things[(turn + place) % len(picture.things)]
        page.click(f"click, plain {kind}", thing.inside, thing.colour)
        if kind == "bitmask":
            page.boxes("several boxes, plain", picture.things[1:], thing.colour)
        if kind == "brush":
            page.accept()
            page.click("correction, plain brush", _edge(thing), thing.colour, positive=False)
    bare = Page(talk, BARE.of_round(turn), picture)
    bare.click("click, no label", picture.things[3].inside, "")
    bare.accept()
    bare.click("correction, no label", _edge(picture.things[3]), "", positive=False)


def correct_predictions(talk: Conversation, picture: Picture, turn: int) -> None:
    """A prediction is on the page until the task is annotated; what other annotators saved is ignored."""
    page = Page(talk, BRUSH.of_round(turn), picture)
    thing = picture.things[2]
    page.click("click", thing.inside, thing.colour)
    result = page.shown
    page.reject()
    page.predictions = [{"id": 500 + page.task_id, "result": result, "model_version": "earlier", "score": 0.5}]
    page.click("correction, prediction", _edge(thing), thing.colour)
    page.annotations = [{"id": 700 + page.task_id, "result": [], "was_cancelled": False}]
    page.click("click on saved", thing.inside_too, thing.colour)


def correct_mixed(talk: Conversation, picture: Picture, turn: int) -> None:
    """Label Studio files an accepted mask under the key points too; a person has chosen another class meanwhile."""
    page = Page(talk, BRUSH.of_round(turn), picture)
    thing = picture.things[4]
    page.click("click", thing.inside, thing.colour)
    page.accept()
    for result in page.accepted:
        if result["type"] == "choices":
            result["value"]["choices"] = ["pink star"]
    masks = [result for result in page.accepted if result["type"] == "brushlabels"]
    page.save_draft()
    page.draw_point(_edge(thing), thing.colour)
    page.send("correction, mixed", [*map(_file_under_points, masks), *page.prompts])


def answer_in_groups(talk: Conversation, picture: Picture, turn: int) -> None:
    """Each label in the shape that has it; synonyms and nested choices."""
    for interface, count in ((GROUPS, 3), (HINTS, 2)):
        page = Page(talk, interface.of_round(turn), picture)
        for thing in picture.things[:count]:
            page.click("click, groups", thing.inside, thing.colour)
            page.reject()
    _damage(talk, ALL_SHAPES.of_round(turn), picture)


def _damage(talk: Conversation, interface: Interface, picture: Picture) -> None:
    """A mask on the page that cannot be decoded is passed over."""
    page = Page(talk, interface, picture)
    thing = picture.things[0]
    page.click("click, all shapes", thing.inside, thing.colour)
    page.accept()
    for result in page.accepted:
        if "rle" in result["value"]:
            result["value"]["rle"] = result["value"]["rle"][:40]
    page.save_draft()
    page.click("click, damaged mask", thing.inside_too, thing.colour)


def _edge(thing: Thing) -> tuple[float, float]:
    """Just inside the border of most shapes."""
    return thing.x - 0.8 * thing.radius, thing.y + 0.12 * thing.radius


def _file_under_points(result: dict[str, object]) -> dict[str, object]:
    value = dict(result["value"])  # type: ignore[call-overload]
    label = value.pop("brushlabels", None)
    return {**result, "type": "keypointlabels", "from_name": "click", "value": {**value, "keypointlabels": label}}


STORIES: tuple[Story, ...] = (
    correct,
    answer_in_kinds,
    answer_in_plain_kinds,
    correct_predictions,
    correct_mixed,
    answer_in_groups,
)
