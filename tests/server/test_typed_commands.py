"""Commands typed into the text prompt, through the application, from a page that behaves as Label Studio's does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.label_studio.results import decode_brush, encode_brush
from backend.values import Mask, Size
from tests.fakes import CONFIG, FakeClassifier, Hall, keypoint, predict_body, rectangle
from tests.server.fakes import ServerOnFakes

COMMENT = '<View><!-- backend: {"text_prompt": "find"} -->'
TYPING = CONFIG.replace("<View>", COMMENT, 1).replace("</View>", '<TextArea name="find" toName="img"/></View>')
SIZE = Size(40, 30)


def square(x: int, y: int, radius: int = 2) -> Mask:
    """What the fake SAM answers at a pixel."""
    mask = np.zeros((30, 40), bool)
    mask[y - radius : y + radius + 1, x - radius : x + radius + 1] = True
    return mask


def brush(mask: Mask, region_id: str, label: str = "cat", choice: str = "") -> list[dict[str, Any]]:
    shared = {"id": region_id, "to_name": "img", "original_width": 40, "original_height": 30}
    value = {"format": "rle", "rle": encode_brush(mask)}
    shape = shared | {"type": "brushlabels", "from_name": "b", "value": value | {"brushlabels": [label]}}
    chosen = shared | {"type": "choices", "from_name": "kind", "value": {"choices": [choice]}}
    return [shape, chosen] if choice else [shape]


class Page:
    """A task on the labeling page: what is typed, accepted and saved."""

    def __init__(self, server: ServerOnFakes, *accepted: dict[str, Any]) -> None:
        self.server, self.accepted = server, list(accepted)
        self.texts: list[str] = []
        self.prompts: list[dict[str, Any]] = []
        self.suggested: list[dict[str, Any]] = []
        self._drafts: list[dict[str, Any]] = []
        if accepted:
            self.save_draft()

    def save_draft(self) -> None:
        """What Label Studio does some seconds after each change; suggestions are not saved, their prompts are."""
        count = len(self._drafts) and self._drafts[0]["id"] + 1
        text = [self._text_result()] if self.texts else []
        results = [*self.accepted, *self.prompts, *text]
        self._drafts = [{"id": count, "user": "1", "updated_at": f"2026-01-01T00:00:{count:02}Z", "result": results}]

    def type(self, text: str) -> list[Mask]:
        self.texts.append(text)
        return self._send(self._text_result())

    def click(self, x: float, y: float, *, prompt_id: str = "kp", positive: bool = True) -> list[Mask]:
        """Click a pixel, besides the earlier points that were not accepted."""
        point = keypoint((x + 0.5) / 40 * 100, (y + 0.5) / 30 * 100, positive=positive) | {"id": prompt_id}
        self.prompts.append(point)
        return self._send(*self.prompts)

    def draw_boxes(self, *boxes: tuple[float, float, float, float]) -> list[Mask]:
        """Draw boxes, in percent."""
        self.prompts += [rectangle(*box) | {"id": f"box{number}"} for number, box in enumerate(boxes)]
        return self._send(*self.prompts)

    def refusal_of(self, text: str) -> tuple[str, str]:
        """Type a text that is refused: what is wrong, and what to do."""
        reply = self.server.predict(self._body(typed(text)))
        assert reply.status_code == 422, reply.json
        return reply.json["error"], reply.json["remedy"]

    def accept(self) -> None:
        """Accept the suggestions, which replace regions of the same ids; the prompts go."""
        new = {result["id"] for result in self.suggested}
        self.accepted = [result for result in self.accepted if result["id"] not in new] + self.suggested
        self.suggested, self.prompts = [], []

    def masks(self) -> dict[str, Mask]:
        """The suggested masks by their ids."""
        return {
            result["id"]: decode_brush(result["value"]["rle"], SIZE)
            for result in self.suggested
            if result["type"] == "brushlabels"
        }

    def named(self, key: str) -> list[str]:
        """The suggested labels ("brushlabels") or classes ("choices")."""
        return [name for result in self.suggested for name in result["value"].get(key, ())]

    def _text_result(self) -> dict[str, Any]:
        value = {"text": list(self.texts)}
        return {"value": value, "id": "typed", "from_name": "find", "to_name": "img", "type": "textarea"}

    def _body(self, *context: dict[str, Any]) -> dict[str, Any]:
        body = predict_body("a.png", *context, config=TYPING)
        body["tasks"][0]["drafts"] = self._drafts
        return body

    def _send(self, *context: dict[str, Any]) -> list[Mask]:
        reply = self.server.predict(self._body(*context))
        assert reply.status_code == 200, reply.json
        (answer,) = reply.json["results"]
        self.suggested = answer["result"] if answer else []
        return list(self.masks().values())


def serve(*looks: str) -> ServerOnFakes:
    """A server whose SAM proposes squares at (5, 5), (15, 5) and (15, 15), which look so to CLIP."""
    return ServerOnFakes(Hall(classifier=FakeClassifier(looks=looks)))


def test_everything_suggests_all_automatic_masks_with_labels_and_classes() -> None:
    page = Page(serve("black"))
    masks = page.type("Everything")
    assert [mask.tolist() for mask in masks] == [square(x, y).tolist() for x, y in ((5, 5), (15, 5), (15, 15))]
    assert page.named("brushlabels") == ["cat"] * 3  # the first of each vocabulary, says the fake
    assert page.named("choices") == ["black"] * 3


def test_everything_leaves_out_what_has_a_mask_and_the_classes_of_the_whole_image() -> None:
    page = Page(serve("black"), *brush(square(15, 5), "mine", "dog"))
    assert [mask.tolist() for mask in page.type("everything")] == [square(5, 5).tolist(), square(15, 15).tolist()]


def test_a_text_leaves_out_what_has_a_mask() -> None:
    page = Page(serve("red car"), *brush(square(15, 5), "mine", "dog"))
    assert [mask.tolist() for mask in page.type("the red car")] == [square(5, 5).tolist(), square(15, 15).tolist()]


def test_like_this_suggests_what_looks_like_the_newest_regions_label_with_its_label_and_class() -> None:
    accepted = [*brush(square(5, 5), "first", "cat", "white"), *brush(square(5, 5), "newest", "dog", "black")]
    page = Page(serve("black", "white", "black"), *accepted)
    (mask,) = page.type("like this")
    assert np.array_equal(mask, square(15, 15))
    assert (page.named("brushlabels"), page.named("choices")) == (["dog"], ["black"])


def test_each_answer_has_the_class_of_the_region_that_it_looks_like() -> None:
    """The two exemplars look black and white to CLIP; the classes that a person chose for them are the other way."""
    accepted = [*brush(square(30, 5), "one", "dog", "white"), *brush(square(30, 15), "two", "dog", "black")]
    page = Page(serve("black", "white", "black"), *accepted)
    assert len(page.type("like these")) == 3
    by_corner = {tuple(np.argwhere(mask)[0]): region for region, mask in page.masks().items()}
    classes = {r["id"]: r["value"]["choices"] for r in page.suggested if r["type"] == "choices"}
    assert {at: classes[region] for at, region in by_corner.items()} == {
        (3, 3): ["white"],
        (3, 13): ["black"],
        (13, 13): ["white"],
    }


def test_like_this_looks_once_at_automatic_masks_of_its_own_finer_grid() -> None:
    server = serve("black", "white", "black")
    page = Page(server, *brush(square(5, 5), "mine", "dog", "black"))
    page.type("a black thing")
    assert server.hall.classifier is not None
    assert [masks for masks, vocabularies in server.hall.classifier.calls if not vocabularies] == [3]
    for _ in range(2):
        assert len(page.type("like this")) == 1
    assert [masks for masks, vocabularies in server.hall.classifier.calls if not vocabularies] == [3, 3, 1, 1]


def test_like_this_without_a_mask_on_the_page_says_what_to_do() -> None:
    wrong, remedy = Page(serve("black")).refusal_of("like this")
    assert wrong == "There is no mask to go by yet."
    assert remedy == 'Click an object, or wait some seconds after the tick, and type "like this" again.'


def test_like_this_right_after_the_click_goes_by_the_mask_that_is_not_saved_yet() -> None:
    page = Page(serve("black", "white", "black"))  # the exemplar is the first that CLIP sees: black
    page.click(30, 20)
    ((region, clicked),) = page.masks().items()
    page.type("like this")
    assert np.array_equal(page.masks().pop(region), clicked)
    assert sorted(np.argwhere(mask)[0].tolist() for mask in page.masks().values()) == [[3, 3], [13, 13], [18, 28]]
    assert page.named("brushlabels") == ["cat"] * 3


def test_what_was_accepted_a_moment_ago_gets_no_duplicate() -> None:
    page = Page(serve("black"))
    page.click(5, 5)  # where an automatic mask is, too
    page.accept()
    (region,) = {result["id"] for result in page.accepted}
    for text, count in (("like this", 3), ("everything", 3), ("everything", 3)):
        page.type(text)
        assert len(page.masks()) == count
        assert region in page.masks()
        page.accept()
    assert len({result["id"] for result in page.accepted}) == 3
    page.save_draft()
    assert page.type("everything") == []


@pytest.mark.parametrize("text", ["the red car", "everything"])
def test_what_was_accepted_a_moment_ago_gets_no_duplicate_by_a_text(text: str) -> None:
    """Two ticks before Label Studio has saved the page at all."""
    page = Page(serve("red car"))
    for x in (5, 15):
        page.click(x, 5, prompt_id=f"at {x}")
        page.accept()
    clicked = {result["id"] for result in page.accepted}
    for _ in range(2):
        page.type(text)
        assert len(page.masks()) == 3 and clicked < set(page.masks())
        page.accept()
    assert len({result["id"] for result in page.accepted}) == 3
    page.save_draft()
    assert page.type(text) == []


def test_like_this_goes_by_no_mask_that_may_be_another_persons() -> None:
    """Of two masks on a page that was never saved each may have been clicked by another person."""
    page = Page(serve("black"))
    for x in (5, 15):
        page.click(x, 5, prompt_id=f"at {x}")
        page.accept()
    wrong, _ = page.refusal_of("like this")
    assert wrong == "There is no mask to go by yet."


def test_a_rejected_answer_to_like_this_does_not_give_its_label_to_everything() -> None:
    page = Page(serve("black"), *brush(square(30, 20), "mine", "dog", "white"))
    page.type("like this")
    assert page.named("brushlabels") == ["dog"] * 3
    page.suggested = []
    page.type("everything")
    assert page.named("brushlabels") == ["cat"] * 3


def test_like_this_needs_a_label_of_the_project() -> None:
    for label, named in (("", "no label"), ("lion", 'the label "lion", which the project does not have')):
        wrong, remedy = Page(serve("black"), *brush(square(5, 5), "mine", label)).refusal_of("like this")
        assert (wrong, remedy) == (f"The newest mask has {named}.", 'Give it a label and type "like this" again.')


def test_a_class_that_the_project_no_longer_has_is_not_copied() -> None:
    page = Page(serve("black"), *brush(square(5, 5), "mine", "dog", "grey"))
    assert len(page.type("like this")) == 2
    assert (page.named("brushlabels"), page.named("choices")) == (["dog", "dog"], [])


def test_like_this_without_clip_is_refused() -> None:
    wrong, _ = Page(ServerOnFakes(Hall()), *brush(square(5, 5), "mine")).refusal_of("like this")
    assert wrong == '"like this" needs CLIP, which is not loaded.'


def test_a_damaged_mask_and_one_of_another_size_are_no_exemplars() -> None:
    (damaged,) = brush(square(5, 5), "damaged", "dog")
    damaged["value"]["rle"] = [1, 2, 3]
    (other,) = brush(square(5, 5), "other", "dog")
    page = Page(serve("black"), *brush(square(5, 5), "good", "cat"), damaged, other | {"original_width": 39})
    assert len(page.type("like this")) == 2
    assert page.named("brushlabels") == ["cat", "cat"]


def test_help_costs_neither_an_image_nor_a_model() -> None:
    server = serve("black")
    assert Page(server).type("help") == []
    assert (server.hall.fetcher.fetched, server.hall.segmenter.encoded) == ([], [])


def typed(text: str) -> dict[str, Any]:
    return {"value": {"text": [text]}, "id": "t", "from_name": "find", "to_name": "img", "type": "textarea"}


def areas(page: Page) -> list[int]:
    return [int(mask.sum()) for mask in page.masks().values()]


def test_a_pending_suggestion_gets_smaller_with_each_command_and_keeps_its_id_label_and_class() -> None:
    page = Page(serve("black"))
    page.click(20, 15)
    region, labels, classes = list(page.masks()), page.named("brushlabels"), page.named("choices")
    for area in (24, 23, 22):  # a twentieth of 25 is a pixel
        page.type("tighter")
        assert areas(page) == [area]
        page.save_draft()
    page.type("looser")
    assert areas(page) == [23]
    assert (list(page.masks()), page.named("brushlabels"), page.named("choices")) == (region, labels, classes)
    assert next(iter(page.masks().values()))[15, 20]


def test_an_accepted_mask_is_resized_under_its_id_before_and_after_it_is_saved() -> None:
    page = Page(serve("black"))
    page.click(20, 15)
    (region,) = page.masks()
    page.accept()
    page.type("looser")
    assert (list(page.masks()), areas(page)) == ([region], [26])
    page.accept()
    page.save_draft()
    page.type("looser")
    assert (list(page.masks()), areas(page)) == ([region], [27])
    page.save_draft()  # which still shows 26 pixels
    page.type("looser")
    assert areas(page) == [28]


def test_what_a_person_painted_after_the_tick_is_not_undone() -> None:
    page = Page(serve("black"))
    page.click(20, 15)
    (region,) = page.masks()
    page.accept()
    page.accepted = brush(square(20, 15, radius=5), region)
    page.save_draft()
    page.type("tighter")
    assert (list(page.masks()), areas(page)) == ([region], [121 - 6])


def test_clicks_hold_until_nothing_else_can_change() -> None:
    page = Page(serve("black"))
    page.click(20, 15)
    page.click(18, 15, prompt_id="kp2", positive=False)
    (mask,) = page.masks().values()
    assert mask[15, 20] and not mask[15, 18]
    for area in range(int(mask.sum()) - 1, 1, -1):
        (mask,) = page.type("tighter")
        assert (int(mask.sum()), mask[15, 20], mask[15, 18]) == (area, True, False)
    assert page.refusal_of("tighter") == ("The mask cannot get any smaller.", 'Type "looser" to go back.')


def test_all_masks_of_the_last_answer_are_resized() -> None:
    page = Page(serve("black"))
    assert [int(mask.sum()) for mask in page.draw_boxes((0, 0, 50, 50), (50, 50, 25, 50))] == [300, 150]
    page.type("tighter")
    assert areas(page) == [285, 142]
    page.type("everything")
    assert areas(page) == [25, 25, 25]
    page.type("tighter")
    assert areas(page) == [24, 24, 24]
    page.type("tighter")
    assert areas(page) == [23, 23, 23]


def test_without_a_remembered_answer_the_newest_region_on_the_page_is_resized() -> None:
    page = Page(serve("black"), *brush(square(5, 5), "old"), *brush(square(15, 15), "newest", "dog", "white"))
    page.type("tighter")
    assert (list(page.masks()), areas(page)) == (["newest"], [24])
    assert (page.named("brushlabels"), page.named("choices")) == (["dog"], ["white"])
    page.type("tighter")
    assert areas(page) == [23]


def test_without_an_answer_to_change_the_person_is_told() -> None:
    wrong, remedy = Page(serve("black")).refusal_of("tighter")
    assert wrong == "There is no mask to change."
    assert remedy == "Click an object and type it again within a minute, or accept the mask first."


@pytest.mark.parametrize("prompt", [keypoint(50, 50), rectangle(10, 10, 20, 20)])
def test_a_prompt_whose_answer_is_forgotten_does_not_make_the_newest_region_the_last_answer(
    prompt: dict[str, Any],
) -> None:
    page = Page(serve("black"), *brush(square(5, 5), "old"))
    page.prompts = [prompt]
    page.save_draft()
    assert page.refusal_of("tighter")[0] == "There is no mask to change."


def test_the_answers_of_another_task_or_project_are_not_changed() -> None:
    page = Page(serve("black"))
    page.click(20, 15)
    body = predict_body("a.png", typed("tighter"), config=TYPING)
    for other in (body | {"project": "4.1"}, {**body, "tasks": [body["tasks"][0] | {"id": 8}]}):
        assert page.server.predict(other).status_code == 422
    assert page.server.predict(body).status_code == 200
