"""What a command says to the person in one line."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry import mask_iou
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import FindEverything, FindLike, FindText, PageState, ResizeLast
from backend.label_studio.results import LabeledRegion, SavedRegion, build_results, find_regions
from backend.predict.answer_memory import AnswerMemory
from backend.predict.command_answers import HELP, CommandAnswers, describe_objects
from backend.predict.image_answers import ImageAnswers
from backend.predict.last_answers import LastAnswers
from backend.predict.last_resized import describe_change
from backend.projects import DEFAULTS
from tests.fakes import CONFIG, OPTIONS, FakeClassifier, Hall, encoded, png

IMAGE = parse_labeling_config(CONFIG).images[0]
MEMORY = AnswerMemory(LastAnswers(), PageState())


def square(x: int, y: int, side: int = 5) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def saved(*masks: np.ndarray, label: str = "cat") -> tuple[SavedRegion, ...]:
    regions = [LabeledRegion(mask, label, f"{label}{number}") for number, mask in enumerate(masks)]
    return tuple(find_regions(build_results(regions, IMAGE), IMAGE))


def commands(*looks: str) -> CommandAnswers:
    labeler = Hall(classifier=FakeClassifier(looks=looks)).predictor.labeler
    return CommandAnswers(labeler, ImageAnswers(labeler, OPTIONS), OPTIONS)


PROPOSED = [square(3, 3), square(13, 3), square(13, 13)]  # by the fake SAM


@pytest.mark.parametrize(
    ("accepted", "message"),
    [
        ((), "3 objects."),
        (PROPOSED[:1], "2 more objects."),
        (PROPOSED[:2], "1 more object."),
        (PROPOSED, "No more objects."),
        ([square(30, 20)], "3 objects."),
    ],
)
def test_everything_is_counted(accepted: list[np.ndarray], message: str) -> None:
    request = FindEverything(saved(*accepted))
    answer = commands("black").everything(encoded(png(40, 30)), request, MEMORY, IMAGE, DEFAULTS)
    assert answer.message == message
    assert answer.message.startswith("No") or int(answer.message.split()[0]) == len(answer.regions)


@pytest.mark.parametrize(
    ("accepted", "message"),
    [
        ([], '3 objects match "the red car".'),
        (PROPOSED[:1], '2 objects match "the red car". 1 more has a mask already.'),
        (PROPOSED[:2], '1 object matches "the red car". 2 more have a mask already.'),
        (PROPOSED, 'All 3 objects that match "the red car" have a mask already.'),
        ([square(30, 20)], '3 objects match "the red car".'),
        ([square(4, 3)], '2 objects match "the red car". 1 more has a mask already.'),  # IoU of 20 / 30
        ([square(5, 4)], '3 objects match "the red car".'),  # of 12 / 38
    ],
)
def test_a_text_leaves_out_what_has_a_mask_and_says_so(accepted: list[np.ndarray], message: str) -> None:
    """The mask may have any label."""
    request = FindText(("the red car",), accepted=saved(*accepted, label="dog"))
    answer = commands("red car").find_text(encoded(png(40, 30)), request, MEMORY, IMAGE, DEFAULTS)
    assert answer.message == message
    assert len(answer.regions) == (int(message[0]) if message[0] != "A" else 0)
    assert not any(mask_iou(region.mask, other) >= 0.5 for region in answer.regions for other in accepted)


def test_the_only_object_of_a_text_that_has_a_mask_is_not_said_to_be_missing() -> None:
    request = FindText(("the red car",), accepted=saved(PROPOSED[0]))
    answer = commands("red car", "grass", "grass").find_text(encoded(png(40, 30)), request, MEMORY, IMAGE, DEFAULTS)
    assert (answer.regions, answer.message) == ((), 'The only object that matches "the red car" has a mask already.')


def test_several_labels_come_with_a_warning_of_the_label_that_is_picked() -> None:
    cat, dog = (LabeledRegion(square(3, 3), label, label) for label in ("cat", "dog"))
    warning = " If a label is picked above, the tick gives it to all of them."
    assert describe_objects([cat, dog], is_all=True) == f"2 objects.{warning}"
    assert describe_objects([cat, cat], is_all=True) == "2 objects."


def test_an_image_without_automatic_masks_has_no_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    hall = Hall(classifier=FakeClassifier(looks=["black"]))
    monkeypatch.setattr(hall.segmenter, "propose", lambda embedding, parameters: [])
    answers = CommandAnswers(hall.predictor.labeler, ImageAnswers(hall.predictor.labeler, OPTIONS), OPTIONS)
    assert answers.everything(encoded(png(40, 30)), FindEverything(), MEMORY, IMAGE, DEFAULTS).message == "No objects."


@pytest.mark.parametrize(
    ("looks", "accepted", "message"),
    [
        (("black",), saved(PROPOSED[0]), "2 more like the 'cat' region."),
        (("black",), saved(*PROPOSED[:2]), "1 more like the 2 'cat' regions."),
        (("black", "white", "white"), saved(PROPOSED[0]), "Nothing else looks like the 'cat' region."),
        (("black",), (*saved(PROPOSED[0]), *saved(PROPOSED[1], label="dog")), "1 more like the 'dog' region."),
    ],
)
def test_the_exemplars_are_named(looks: tuple[str, ...], accepted: tuple[SavedRegion, ...], message: str) -> None:
    answer = commands(*looks).find_like(encoded(png(40, 30)), FindLike(accepted), MEMORY, IMAGE, DEFAULTS)
    assert answer.message == message


def test_a_step_is_said_in_percent() -> None:
    for grows, message in ((True, "5 % larger."), (False, "5 % smaller.")):
        request = ResizeLast(grows, saved(square(5, 5, 20)))
        assert commands("black").resize(encoded(png(40, 30)), request, MEMORY, IMAGE).message == message
    large = LabeledRegion(np.ones((30, 40), bool), "cat", "a")
    smaller = np.ones((30, 40), bool)
    smaller[0, 0] = False
    assert describe_change([large], [LabeledRegion(smaller, "cat", "a")]) == "less than 1 % smaller."


def test_the_help_names_each_command() -> None:
    assert HELP == "Type what to find, or: everything, like this, tighter, looser."
