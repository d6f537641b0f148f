"""What is remembered of answers to typed texts and commands, apart from those to clicks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backend.images import SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import Click, FindEverything, FindText, LabeledPrompt, PageState, Request, TaskImage
from backend.predict.answer_memory import AnswerMemory, recall_answers
from backend.predict.last_answers import MAX_DOCUMENT_BYTES, AnswerPlace, LastAnswers, place_of
from backend.values import Prompt, Size
from tests.fakes import CONFIG, png

IMAGE, SOURCE = TaskImage("img", "a.png", 7, "3"), SourceImage(png(40, 30))
CONFIGURED = parse_labeling_config(CONFIG).images[0]
PAGE = PageState(project_key="3.1795206950")
CLICK = Click((LabeledPrompt(Prompt(((5.0, 5.0),), (1,)), "cat", Size(40, 30)),))
TEXT = FindText(("red car",))


def result(region_id: str, rle: str = "") -> dict[str, Any]:
    return {"id": region_id, "type": "brushlabels", "from_name": "b", "to_name": "img", "value": {"rle": rle}}


class Memory:
    """The memory of one task, for one request after another."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answers = LastAnswers(clock=lambda: self.now)

    def remember(self, request: Click | FindText, *region_ids: str, page: PageState = PAGE, rle: str = "") -> None:
        prompt_ids = frozenset({"kp"}) if isinstance(request, Click) else frozenset[str]()
        memory = self.recall_for(request, replace(page, prompt_ids=prompt_ids))
        memory.remember(request, [result(region_id, rle) for region_id in region_ids])
        self.now += 1

    def recall(self, page: PageState = PAGE) -> list[list[str]]:
        """The ids of the regions of each answer, newest first."""
        recalled = self.recall_for(FindEverything(), page).recalled
        return [[str(one["id"]) for one in answer.results] for answer in recalled]

    def recall_for(self, request: Request, page: PageState = PAGE) -> AnswerMemory:
        place = place_of(IMAGE, page, SOURCE)
        return recall_answers(self.answers, request, place, page, CONFIGURED, corrects=True)


def test_the_newest_answer_comes_first_whether_it_was_clicked_or_typed() -> None:
    memory = Memory()
    memory.remember(CLICK, "clicked")
    memory.remember(TEXT, "found", "found too")
    assert memory.recall() == [["found", "found too"], ["clicked"]]
    memory.remember(CLICK, "clicked again")
    assert memory.recall() == [["clicked again"], ["found", "found too"]]


def test_typed_answers_are_no_masks_for_a_click_to_correct() -> None:
    memory = Memory()
    memory.remember(TEXT, "found")
    assert memory.recall_for(CLICK).recalled == ()
    place = AnswerPlace("3.1", 7, "img", "digest")
    assert place.typed.name != place.name


def test_a_typed_answer_is_forgotten_after_a_minute_and_belongs_to_one_person_and_annotation() -> None:
    memory = Memory()
    memory.remember(TEXT, "found", page=replace(PAGE, user="one", draft="1", annotations="a"))
    same = replace(PAGE, user="one", draft="2", annotations="a")
    assert memory.recall(same) == [["found"]]
    assert memory.recall(replace(same, user="two")) == []
    assert memory.recall(replace(same, annotations="b")) == []
    memory.now += 60
    assert memory.recall(same) == []


def test_an_answer_that_is_too_large_for_redis_still_is_the_last_one() -> None:
    """Otherwise a replica without it would take the answer before for the last."""
    memory = Memory()
    memory.remember(CLICK, "clicked")
    memory.remember(TEXT, "found", rle="x" * MAX_DOCUMENT_BYTES)
    assert memory.recall() == [[], ["clicked"]]
