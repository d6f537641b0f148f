"""A mask that was accepted a moment ago is corrected before any draft shows it; through the predictor, on fakes."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from backend.cache import GuardedRedis, RedisDocuments
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import PageState, parse_prompted_task
from backend.predict import LastAnswers
from backend.predict.clicks import CORRECTS_LAST
from backend.predict.last_answers import ANSWER_TTL_SECONDS, AnswerPlace
from backend.predict.recent_masks import UNPROVEN_SECONDS
from backend.predict.remembered_answer import RememberedAnswer, decode_answers, encode_answers
from backend.projects import DEFAULTS, ProjectSettings
from backend.values import Candidate, ImageEmbedding, Prompt
from tests.fakes import CONFIG, FakeSegmenter, Hall, keypoint, png
from tests.servers import RedisServer

INSIDE, BESIDE, FAR = (50, 50), (100 * 24.5 / 40, 50), (90, 90)  # of the fake's mask of 5 x 5 pixels around (20, 15)
IDS = (f"prompt-{number}" for number in itertools.count())


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Documents(dict):
    """Redis that always answers."""

    def get(self, name: str, *, in_use: bool) -> bytes | None:
        return dict.get(self, name)

    def put(self, name: str, document: bytes, *, in_use: bool) -> bool:
        self[name] = document
        return True


@dataclass
class Person:
    """An annotator at a page: the prompts that are on it, and what Label Studio has saved of it as a draft."""

    hall: Hall
    name: str = "one@example.com"
    task: int = 7
    project: str = "3.1795206950"
    uri: str = "a.png"
    annotations: list[dict] = field(default_factory=list)
    prompts: list[dict] = field(default_factory=list)
    regions: list[dict] = field(default_factory=list)
    answer: list[dict] = field(default_factory=list)
    drafts: list[dict] = field(default_factory=list)
    settings: ProjectSettings = DEFAULTS
    config: str = CONFIG
    size: tuple[int, int] = (40, 30)

    def click(self, at: tuple[float, float], label: str = "cat", *, positive: bool = True) -> str:
        """Click; returns the id of the region that comes."""
        self.prompts.append(keypoint(*at, label, positive=positive, size=self.size) | {"id": next(IDS)})
        return self.ask(self.prompts)

    def ask(self, context: list[dict]) -> str:
        """Send prompts; returns the id of the first region that comes."""
        document = {"id": self.task, "data": {"photo": self.uri}, "drafts": self.drafts}
        document["annotations"] = self.annotations
        config = parse_labeling_config(self.config)
        task, request = parse_prompted_task(document, config, context, project_id="3", project_key=self.project)
        assert request is not None
        prediction = self.hall.predictor.predict(task, config, request, self.settings)
        assert prediction is not None
        self.answer = prediction["result"]
        return str(self.answer[0]["id"])

    def accept(self) -> None:
        """The green tick: the suggestion becomes a region, or replaces the one with its id; all prompts go."""
        ids = {result["id"] for result in self.answer}
        self.regions = [region for region in self.regions if region["id"] not in ids] + self.answer
        self.prompts = []

    def reject(self) -> None:
        """The red cross."""
        self.prompts = []

    def autosave(self) -> None:
        """Label Studio saves the page as a draft."""
        result = [*self.regions, *self.prompts]
        self.drafts = [
            {"id": 1, "user": self.name, "updated_at": f"2026-11-20T20:00:{next(SECONDS):02}Z", "result": result}
        ]

    def corrected_area(self) -> float | None:
        """Area of the mask that SAM was asked to correct by the last click; None for a new object."""
        logits = self.hall.segmenter.decoded[-1].mask_logits
        return None if logits is None else float(logits.max())  # where the fake writes it


SECONDS = itertools.count()


def make_hall(clock: Clock | None = None, shared: Documents | RedisDocuments | None = None) -> Hall:
    return Hall(
        last_answers=LastAnswers(shared, clock=clock or Clock()),
        files={"a.png": png(40, 30), "b.png": png(40, 30, (1, 2, 3))},
    )


def accepted(hall: Hall | None = None, **more) -> tuple[Person, str]:
    """Somebody who has just accepted a mask, and its id."""
    person = Person(hall or make_hall(), **more)
    region = person.click(INSIDE)
    person.accept()
    return person, region


@pytest.fixture(autouse=True)
def unsure(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fake SAM is always sure of another object; here it is not."""
    monkeypatch.setattr("backend.predict.clicks.OTHER_SCORE", 1.0)
    yield


def test_a_click_beside_the_mask_that_was_just_accepted_corrects_it_in_place() -> None:
    person, region = accepted()
    assert person.click(BESIDE) == region
    person.accept()
    assert [result["id"] for result in person.regions] == [region]


def test_a_negative_click_on_it_corrects_it_and_would_be_refused_without_the_memory() -> None:
    person, region = accepted()
    assert person.click(INSIDE, positive=False) == region


@pytest.fixture
def growing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake SAM answers a correction with a mask of two more columns, 18 to 24; it only knows masks on the page."""
    monkeypatch.setattr(FakeSegmenter, "refines_by_logits", False)
    original = FakeSegmenter.decode

    def decode(self: FakeSegmenter, embedding: ImageEmbedding, prompt: Prompt, **more) -> list[Candidate]:
        found = original(self, embedding, prompt, **more)
        if prompt.mask_logits is None:
            return found
        wider = found[0].mask.copy()
        wider[13:18, 18:25] = True
        return [replace(found[0], mask=wider)]

    monkeypatch.setattr(FakeSegmenter, "decode", decode)


@pytest.mark.usefixtures("growing")
def test_the_next_clicks_before_the_tick_correct_the_accepted_mask_and_not_the_suggestion() -> None:
    person, region = accepted()
    for _ in range(3):
        assert person.click(BESIDE) == region
        assert person.corrected_area() == 5 * 5


@pytest.mark.usefixtures("growing")
def test_after_the_tick_the_corrected_mask_is_what_the_next_click_corrects() -> None:
    person, region = accepted()
    person.click(BESIDE)
    person.accept()
    assert person.click((100 * 26.5 / 40, 50)) == region  # two pixels beside it, and too far from what it was
    assert person.corrected_area() == 7 * 5


@pytest.mark.usefixtures("growing")
def test_a_draft_that_is_older_than_the_last_correction_does_not_undo_it() -> None:
    person, region = accepted()
    person.autosave()
    person.click(BESIDE)
    person.accept()
    assert person.click(BESIDE, positive=False) == region
    assert person.corrected_area() == 7 * 5


def test_a_positive_click_on_the_last_mask_shows_that_it_was_rejected() -> None:
    person = Person(make_hall())
    region = person.click(INSIDE)
    person.reject()
    assert person.click(INSIDE) != region
    assert person.corrected_area() is None


def test_a_click_away_from_the_last_mask_starts_a_new_one() -> None:
    person, region = accepted()
    assert person.click(FAR) != region


def test_a_click_with_another_label_starts_a_new_mask() -> None:
    person, region = accepted()
    assert person.click(BESIDE, "dog") != region


def test_a_draft_without_the_mask_and_its_prompt_shows_that_it_was_rejected() -> None:
    person = Person(make_hall())
    region = person.click(INSIDE)
    person.reject()
    person.autosave()
    assert person.click(BESIDE) != region


def test_a_draft_that_still_has_the_prompt_says_nothing() -> None:
    person = Person(make_hall())
    region = person.click(INSIDE)
    person.autosave()
    person.accept()
    assert person.click(BESIDE) == region


def test_a_mask_that_was_deleted_is_not_corrected_once_a_draft_shows_it() -> None:
    person, region = accepted()
    person.autosave()
    person.regions = []
    person.autosave()
    assert person.click(BESIDE) != region


def test_a_submitted_mask_is_not_corrected() -> None:
    person, region = accepted()
    person.annotations = [{"id": 1, "updated_at": "2026-11-20T20:01:00Z", "result": person.regions}]
    assert person.click(BESIDE) != region


@pytest.mark.parametrize(("seconds", "is_corrected"), [(ANSWER_TTL_SECONDS - 1, True), (ANSWER_TTL_SECONDS + 1, False)])
def test_an_answer_is_remembered_for_a_minute(seconds: float, is_corrected: bool) -> None:
    clock = Clock()
    person = Person(make_hall(clock))
    person.click(FAR)
    person.autosave()
    person.reject()
    region = person.click(INSIDE)
    person.accept()
    clock.now += seconds
    assert (person.click(BESIDE) == region) is is_corrected


def test_without_any_draft_an_answer_counts_only_as_long_as_none_would_exist() -> None:
    for seconds, is_corrected in ((UNPROVEN_SECONDS - 1, True), (UNPROVEN_SECONDS + 1, False)):
        clock = Clock()
        person, region = accepted(make_hall(clock))
        clock.now += seconds
        assert (person.click(BESIDE) == region) is is_corrected


def test_two_people_with_drafts_never_correct_each_others_masks() -> None:
    hall = make_hall()
    people = [Person(hall, name) for name in ("one@example.com", "two@example.com")]
    for person in people:
        person.click(FAR)
        person.autosave()
        person.reject()
    her_mask = people[0].click(INSIDE)
    people[0].accept()
    assert people[1].click(BESIDE) != her_mask
    people[1].reject()
    assert people[0].click(BESIDE) == her_mask


def test_two_drafts_that_differ_in_nothing_but_their_user_are_of_two_people() -> None:
    hall = make_hall()
    her, him = Person(hall), Person(hall, "two@example.com")
    draft = {"id": 1, "updated_at": "2026-11-20T20:00:00Z", "result": []}
    her.drafts, him.drafts = [draft | {"user": her.name}], [draft | {"user": him.name}]
    mask = her.click(INSIDE)
    her.accept()
    assert him.click(BESIDE) != mask
    assert her.click(BESIDE) == mask


def test_a_person_without_a_draft_does_not_correct_the_mask_of_one_who_has_one() -> None:
    hall = make_hall()
    her, him = Person(hall), Person(hall, "two@example.com")
    her.click(FAR)
    her.autosave()
    her.reject()
    mask = her.click(INSIDE)
    assert him.click(BESIDE) != mask


def test_of_two_people_who_have_just_opened_the_task_neither_corrects_any_mask() -> None:
    """Without a draft they cannot be told apart once there are two masks."""
    hall = make_hall()
    her, him = Person(hall), Person(hall, "two@example.com")
    masks = {her.click(INSIDE), him.click(FAR)}
    her.accept()
    him.accept()
    assert her.click(BESIDE) not in masks
    assert him.click((100 * 33.5 / 40, 90)) not in masks


@pytest.mark.parametrize(("columns", "is_corrected"), [(slice(18, 30), True), (slice(21, 30), False)])
def test_what_sam_finds_at_the_click_alone_must_cover_half_of_a_mask_that_may_have_been_rejected(
    columns: slice, is_corrected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mask has the columns 18 to 22, of which the second answer covers two and the first all."""
    monkeypatch.setattr("backend.predict.clicks.OTHER_SCORE", 0.5)
    person, region = accepted()
    alone = np.zeros((30, 40), bool)
    alone[13:18, columns] = True
    monkeypatch.setattr(person.hall.segmenter, "decode", lambda *_, **__: [Candidate(alone, 0.9)])
    assert (person.click(BESIDE) == region) is is_corrected
    person.reject()
    person.autosave()
    assert person.click(BESIDE) == region  # a draft shows that it was accepted


@pytest.mark.parametrize(
    "other", [{"task": 8}, {"project": "3.1795206951"}, {"project": "13.1795206950"}, {"project": ""}, {"uri": "b.png"}]
)
def test_another_task_project_server_or_image_has_memories_of_its_own(other: dict) -> None:
    hall = make_hall()
    _, region = accepted(hall)
    assert Person(hall, **other).click(BESIDE) != region


def test_the_name_of_a_place_cannot_be_imitated_by_moving_text_between_its_parts() -> None:
    names = {AnswerPlace(*parts).name for parts in (("3", 17, "i", "d"), ("31", 7, "i", "d"), ('3", 17', 7, "i", "d"))}
    assert len(names) == 3
    assert all(len(name) == 64 for name in names)


def test_a_project_can_switch_it_off() -> None:
    person, region = accepted(settings=ProjectSettings(correct_last=False))
    assert person.click(BESIDE) != region


def test_the_person_is_told_that_the_last_mask_is_corrected() -> None:
    hall = make_hall()
    said = []
    original = hall.predictor._answers.click
    hall.predictor._answers.click = lambda *arguments: said.append(original(*arguments)) or said[-1]
    person, _ = accepted(hall)
    person.click(BESIDE)
    assert [prediction.message for prediction in said] == ["", CORRECTS_LAST]


def test_another_replica_corrects_the_mask_too() -> None:
    shared, clock = Documents(), Clock()
    here, other = make_hall(clock, shared), make_hall(clock, shared)
    person, region = accepted(here)
    wait_until(lambda: shared)
    person.hall = other
    assert person.click(BESIDE) == region
    wait_until(lambda: b'"base":[{' in next(iter(shared.values())))
    person.hall = here
    assert person.click(INSIDE, positive=False) == region


def test_replicas_share_the_answers_through_redis_which_forgets_them(redis_server: RedisServer) -> None:
    def documents() -> RedisDocuments:
        return RedisDocuments(GuardedRedis(redis_server.url, 5.0), group="last-answer", ttl_seconds=ANSWER_TTL_SECONDS)

    stored, place = documents(), AnswerPlace("3.1795206950", 7, "img", "digest")
    here, other = LastAnswers(stored), LastAnswers(documents())
    answer = an_answer(time.time())
    here.remember(place, answer)
    wait_until(lambda: other.recall(place))
    assert other.recall(place)[0].prompt_ids == answer.prompt_ids
    client = GuardedRedis(redis_server.url, 5.0)
    assert 0 < client.execute(lambda redis: redis.ttl(stored.key_of(place.name))) <= ANSWER_TTL_SECONDS


def test_redis_that_hangs_holds_no_click_up() -> None:
    released, waited_for = threading.Event(), []

    class Hanging(Documents):
        def get(self, name: str, *, in_use: bool) -> bytes | None:
            if not released.wait(20):
                waited_for.append(name)
            return None

        put = get

    person, region = accepted(make_hall(shared=Hanging()))
    assert person.click(BESIDE) == region
    released.set()
    assert not waited_for


def test_redis_that_is_down_leaves_what_this_process_answered(redis_server: RedisServer) -> None:
    documents = RedisDocuments(GuardedRedis(redis_server.url, 5.0), group="last-answer")
    redis_server.stop()
    person, region = accepted(make_hall(shared=documents))
    assert person.click(BESIDE) == region


def an_answer(answered_at: float = 0.0) -> RememberedAnswer:
    person = Person(make_hall())
    person.click(INSIDE)
    (remembered,) = person.hall.predictor._last_answers.recall(AnswerPlace("3.1795206950", 7, "img", digest_of_image()))
    page = PageState(user="u", draft="d", annotations="a")
    return RememberedAnswer(
        remembered.results,
        remembered.prompts,
        remembered.prompt_ids,
        remembered.results[:1],
        page,
        answered_at,
        remembered.chains,
    )


def digest_of_image() -> str:
    return hashlib.sha256(png(40, 30)).hexdigest()


def test_an_answer_survives_its_json() -> None:
    chains = {"box": Prompt(((5.0, 6.0),), (0,), (1.0, 2.0, 30.0, 20.0))}
    answer = replace(an_answer(), chains=chains | an_answer().chains)
    (again,) = decode_answers(encode_answers([answer]))
    config = parse_labeling_config(CONFIG).images[0]
    (region,), (same,) = answer.regions(config), again.regions(config)
    assert np.array_equal(region.mask, same.mask) and region.region_id == same.region_id
    assert (again.prompts, again.prompt_ids, again.page) == (answer.prompts, answer.prompt_ids, answer.page)
    assert again.chains == answer.chains and Prompt(((20.0, 15.0),), (1,)) in again.chains.values()


@pytest.mark.parametrize(
    "document",
    [
        b"", b"[]", b"{}", b'{"version": 1, "answers": []}', b'{"version": 2, "answers": 3}',
        b'{"version": 2, "answers": [{}]}', b'{"version": 2, "answers": [null]}',
    ],
)  # fmt: skip
def test_anything_else_in_redis_is_refused_and_the_click_answered(document: bytes) -> None:
    with pytest.raises(ValueError):
        decode_answers(document)
    shared = Documents()
    place = AnswerPlace("3.1795206950", 7, "img", digest_of_image())
    shared[place.name] = document
    assert Person(make_hall(shared=shared)).click(INSIDE)


def wait_until(is_so) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)
