"""Stories of clicks and boxes that make new regions."""

from __future__ import annotations

from collections.abc import Callable

from scripts.comparing_answers.conversation import Conversation
from scripts.comparing_answers.interfaces import BITMASK, BRUSH, HINTS, POLYGON, RECTANGLE, Interface
from scripts.comparing_answers.page import Page
from scripts.comparing_answers.pictures import NEIGHBOURS, NEIGHBOURS_APART, Picture, draw_picture

Story = Callable[[Conversation, Picture, int], None]


def click_things(talk: Conversation, picture: Picture, turn: int) -> None:
    """One point, another one, one with Alt, a thing of another label beside it."""
    page = Page(talk, BRUSH.of_round(turn), picture)
    first, _, other, *_ = picture.things
    page.click("click", first.inside, first.colour)
    page.click("several points", first.inside_too, first.colour)
    page.click("Alt click", first.outside, first.colour, positive=False)
    page.click("click", other.inside, other.colour)
    page.reject()
    page.click("click", (3.5, 4.5), other.colour)


def repeat_clicks(talk: Conversation, picture: Picture, turn: int) -> None:
    """The same place again and again: the next larger mask each time, in a circle."""
    page = Page(talk, BRUSH.of_round(turn), picture)
    thing = picture.things[turn % len(picture.things)]
    x, y = thing.inside
    page.click("click", (x, y), thing.colour)
    for step in range(1, 4):
        page.click("repeat", (x + 0.7 * step, y - 0.5 * step), thing.colour)


def draw_boxes(talk: Conversation, picture: Picture, turn: int) -> None:
    """A box, more at once, a rotated one, one that reaches over the border; the answers are bitmasks."""
    page = Page(talk, BITMASK.of_round(turn), picture)
    first, *others = picture.things
    page.box("box", first.box(), first.colour)
    for other in others[:4]:
        page.box("several boxes", other.box(), first.colour)
    page.reject()
    page.box("rotated box", others[1].box(1.3), first.colour, rotation=12.5)
    page.reject()
    left, top, right, bottom = others[2].box()
    page.box("box", (min(left, -20.0), top, right, bottom), first.colour)


def join_boxes_and_points(talk: Conversation, picture: Picture, turn: int) -> None:
    """A click finds the box that waits in the draft, a box finds the points."""
    page = Page(talk, BRUSH.of_round(turn), picture)
    thing, _, other, *_ = picture.things
    page.draw_box(thing.box(1.3), thing.colour)
    page.save_draft()
    page.click("box + points", thing.inside, thing.colour)
    page.click("box + points", thing.outside, thing.colour, positive=False)
    page.accept()
    page.draw_point(other.inside, other.colour)
    page.draw_point(other.outside, other.colour, positive=False)
    page.save_draft()
    page.box("box + points", other.box(1.2), other.colour)
    _click_beside_drafts(talk, BRUSH.of_round(turn), picture)


def _click_beside_drafts(talk: Conversation, interface: Interface, picture: Picture) -> None:
    """Boxes in the draft that do not belong to the click: too far, from before, broken."""
    first, second, *_ = picture.things
    page = Page(talk, interface, picture)
    page.draw_box(first.box(), first.colour)
    page.save_draft()
    page.click("box elsewhere", second.inside, first.colour)
    page.draft_results()[0]["value"]["width"] = 0
    page.click("broken box", second.inside_too, first.colour)
    page.save_draft()
    page.reject()
    page.click("box from before", first.inside, first.colour)


def click_neighbours(talk: Conversation, picture: Picture, turn: int) -> None:
    """An accepted mask is not touched by a click on another thing of its label, on the page or beside it."""
    page = Page(talk, BRUSH.of_round(turn), picture)
    first, second, *_ = picture.things
    page.box("box", first.box(), first.colour)
    page.accept()
    page.click("other object", second.inside, first.colour)
    page.reject()
    page.click("other object", (first.x + 1.1 * first.radius, first.y), first.colour)
    _click_close_neighbour(talk, turn)


def _click_close_neighbour(talk: Conversation, turn: int) -> None:
    """It is beside the accepted mask, and still another object."""
    picture = draw_picture(NEIGHBOURS[turn])
    page = Page(talk, BRUSH.of_round(turn), picture)
    circle = picture.things[0]
    page.click("click", circle.inside, circle.colour)
    page.accept()
    page.click("other object", (circle.x + circle.radius + NEIGHBOURS_APART + 9, circle.y), circle.colour)


def let_clip_choose(talk: Conversation, picture: Picture, turn: int) -> None:
    """AUTO and labels that no answering control has."""
    page = Page(talk, BRUSH.of_round(turn), picture)
    for thing in picture.things[2:4]:
        page.click("AUTO", thing.inside, "AUTO")
        page.reject()
    page.boxes("AUTO", picture.things, "AUTO")
    other = Page(talk, HINTS.of_round(turn), picture)
    other.boxes("label of no answer", picture.things, "pink")


def send_several_labels(talk: Conversation, picture: Picture, turn: int) -> None:
    """In one request, the points of each label are a region of their own, and so is each box."""
    page = Page(talk, BRUSH.of_round(turn), picture)
    for thing in picture.things[1:]:
        page.draw_point(thing.inside, thing.colour)
    page.send("several labels", page.prompts)
    other = Page(talk, POLYGON.of_round(turn), picture)
    for thing in picture.things:
        other.draw_box(thing.box(), thing.colour)
    other.send("several labels", other.prompts)


def leak_regions(talk: Conversation, picture: Picture, turn: int) -> None:
    """Rectangles that were answers come along with the next smart one, and so do submitted points."""
    page = Page(talk, RECTANGLE.of_round(turn), picture)
    first, second, *_ = picture.things
    page.box("box", first.box(1.4), first.colour)
    page.accept()
    page.draw_box(second.box(1.4), first.colour)
    page.save_draft()
    page.send("box beside answers", page.draft_results())
    _click_beside_submitted(talk, BRUSH.of_round(turn), picture)


def _click_beside_submitted(talk: Conversation, interface: Interface, picture: Picture) -> None:
    page = Page(talk, interface, picture)
    first, second, *_ = picture.things
    page.draw_point(second.inside, first.colour)
    page.annotations = [{"id": 900 + page.task_id, "result": page.prompts, "was_cancelled": False}]
    page.click("click beside submitted", first.inside, first.colour)


STORIES: tuple[Story, ...] = (
    click_things,
    repeat_clicks,
    draw_boxes,
    join_boxes_and_points,
    click_neighbours,
    let_clip_choose,
    send_several_labels,
    leak_regions,
)
