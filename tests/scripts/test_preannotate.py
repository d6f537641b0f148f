"""Pre-annotation: resumable, in chunks, one broken task does not end it, and the summary tells the truth."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from backend.bulk import Summary
from backend.engine import ImageLabeler
from backend.errors import BadProjectSettings, BadPrompt, BadSettings, LabelStudioError
from backend.label_studio.api.client import ProjectInfo
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import FindText, SegmentAll
from backend.projects import ProjectSettings
from backend.values import Lexicon, Priority
from scripts import preannotate
from scripts.console import run_command
from scripts.preannotate import (
    CHUNK,
    build_parser,
    build_version,
    check_can_name,
    check_can_read,
    check_knows_labels,
    find_pending,
    override,
    read_project_settings,
)
from tests.fakes import FakeClassifier, FakeSegmenter
from tests.scripts.fakes import CONFIG_XML, PROPOSAL, FakeLabelStudio, FakePredictor, make_tasks

CONFIG = parse_labeling_config(CONFIG_XML)
EVERYTHING = SegmentAll(PROPOSAL)
VERSION = build_version("demo-1234", CONFIG, EVERYTHING, ProjectSettings())


def version_of(request: preannotate.BulkRequest, settings: ProjectSettings = ProjectSettings()) -> str:
    return build_version("demo-1234", CONFIG, request, settings)


def fill(
    site: FakeLabelStudio,
    predictor: FakePredictor,
    limit: int | None = None,
    request: preannotate.BulkRequest = EVERYTHING,
) -> Summary:
    summary, version = Summary(), version_of(request)
    pending = find_pending(site.iterate_tasks("3"), version, summary, limit)
    preannotate.preannotate(site, predictor, "3", CONFIG, pending, version, summary, request, ProjectSettings())
    return summary


def test_every_task_gets_one_prediction_of_the_version_in_chunks() -> None:
    site, predictor = FakeLabelStudio(make_tasks(2 * CHUNK + 3)), FakePredictor()
    summary = fill(site, predictor)
    assert (summary.created, summary.skipped, summary.failed) == (2 * CHUNK + 3, 0, 0)
    assert [len(request) for request in site.requests] == [CHUNK, CHUNK, 3]
    assert all([p["model_version"] for p in task["predictions"]] == [VERSION] for task in site.tasks)
    assert predictor.requests[0] == (SegmentAll(PROPOSAL), ProjectSettings(), Priority.BULK)


def test_a_second_run_skips_what_is_done_and_asks_the_models_nothing() -> None:
    site, second = FakeLabelStudio(make_tasks(5)), FakePredictor()
    fill(site, FakePredictor())
    summary = fill(site, second)
    assert (summary.created, summary.skipped) == (0, 5)
    assert second.asked == []
    assert str(summary) == "created 0, skipped 5, failed 0"


def test_predictions_of_another_version_do_not_count_as_done() -> None:
    tasks = make_tasks(2)
    tasks[0]["predictions"] = [{"model_version": "demo-1234"}, {"model_version": None}]
    tasks[1]["predictions"] = [17]  # Label Studio lists bare ids where it does not resolve them
    assert [task["id"] for task in find_pending(tasks, VERSION, Summary(), None)] == [1, 2]


@pytest.mark.parametrize("predictions", [5, "demo", {"model_version": VERSION}, None])
def test_predictions_that_are_no_list_do_not_count_as_done(predictions: object) -> None:
    assert find_pending([{"id": 1, "predictions": predictions}], VERSION, Summary(), None) == [
        {"id": 1, "data": None, "has_others": False}
    ]


def test_annotations_of_people_stay_as_they_are() -> None:
    site = FakeLabelStudio(make_tasks(3))
    before = [list(task["annotations"]) for task in site.tasks]
    fill(site, FakePredictor())
    assert [task["annotations"] for task in site.tasks] == before


def test_a_broken_task_is_counted_with_its_reason_and_the_others_go_on() -> None:
    site = FakeLabelStudio(make_tasks(4))
    summary = fill(site, FakePredictor(broken=[2]))
    assert (summary.created, summary.failed) == (3, 1)
    assert str(summary).splitlines() == [
        "created 3, skipped 0, failed 1",
        "  task 2: /data/upload/3/0123abcd-2.png is gone. Upload it again.",
    ]


def test_a_task_without_an_image_is_counted_with_its_reason() -> None:
    tasks = make_tasks(1)
    tasks[0]["data"] = {"picture": "a.png"}
    summary = fill(FakeLabelStudio(tasks), FakePredictor())
    assert summary.failed == 1
    assert 'Task 1 has no image under "image"' in str(summary)


def test_a_task_on_which_nothing_is_found_is_done_all_the_same() -> None:
    site = FakeLabelStudio(make_tasks(2))
    assert str(fill(site, FakePredictor(empty=[1]))) == "created 2 (1 without a mask), skipped 0, failed 0"
    assert fill(site, FakePredictor()).skipped == 2


def test_a_task_on_which_nothing_is_found_is_reviewed_first() -> None:
    site = FakeLabelStudio(make_tasks(2))
    fill(site, FakePredictor(empty=[1]))
    assert [task["predictions"][0]["score"] for task in site.tasks] == [0, 0.9]


def test_the_limit_counts_tasks_that_are_not_done_yet() -> None:
    site = FakeLabelStudio(make_tasks(6))
    fill(site, FakePredictor(), limit=2)
    predictor = FakePredictor()
    fill(site, predictor, limit=3)
    assert predictor.asked == [3, 4, 5]


def test_what_was_predicted_before_an_interruption_is_imported() -> None:
    site = FakeLabelStudio(make_tasks(CHUNK))
    with pytest.raises(KeyboardInterrupt):
        fill(site, FakePredictor(interrupt_at=4))
    assert site.requests == [[1, 2, 3]]
    assert fill(site, FakePredictor()).skipped == 3


def test_an_interruption_while_label_studio_is_away_stays_an_interruption() -> None:
    site = FakeLabelStudio(make_tasks(CHUNK))
    site.is_away = True
    summary = Summary()
    pending = find_pending(site.iterate_tasks("3"), VERSION, summary, None)
    predictor = FakePredictor(interrupt_at=4)

    def work() -> int:
        preannotate.preannotate(site, predictor, "3", CONFIG, pending, VERSION, summary, EVERYTHING, ProjectSettings())
        return 0

    assert run_command(work) == 130
    assert (summary.created, summary.failed) == (0, 3)
    assert "task 3: Label Studio is away. Start it." in str(summary)


def test_a_refused_chunk_costs_a_look_at_its_own_tasks_only() -> None:
    site = FakeLabelStudio(make_tasks(4 * CHUNK), refused=[2, CHUNK + 2])
    fill(site, FakePredictor())
    chunks = [list(range(first, first + CHUNK)) for first in range(1, 4 * CHUNK, CHUNK)]
    assert site.looked_up == [chunks[0], chunks[0], chunks[1], chunks[1], chunks[2], chunks[3]]


ONE_BRUSH = parse_labeling_config(
    '<View><Image name="i" value="$image"/><BrushLabels name="b" toName="i"><Label value="red"/></BrushLabels></View>'
)


def test_without_clip_several_brush_labels_are_refused_and_one_is_not() -> None:
    with pytest.raises(
        BadSettings, match=r'No CLIP model is loaded to choose among the 2 labels \(red, green\).*as "red"'
    ) as no:
        check_can_name(False, CONFIG)
    assert "CLIP_MODEL" in no.value.remedy
    check_can_name(True, CONFIG)
    check_can_name(False, ONE_BRUSH)


def test_labels_that_clip_does_not_know_are_refused_before_any_image_is_read() -> None:
    colours = Lexicon(frozenset({"red", "green"}), "Only colours are known.", "the red one")
    labeler = ImageLabeler(FakeSegmenter(), FakeClassifier(lexicon=colours))
    check_knows_labels(labeler, CONFIG)
    cars = parse_labeling_config(CONFIG_XML.replace('"green"', '"car"'))
    with pytest.raises(BadSettings, match=r"^Only colours are known\. They cannot choose among the labels") as no:
        check_knows_labels(labeler, cars)
    assert "CLIP_MODEL" in no.value.remedy
    check_knows_labels(labeler, ONE_BRUSH)
    check_knows_labels(ImageLabeler(FakeSegmenter(), FakeClassifier()), cars)


def test_the_command_refuses_before_it_looks_for_tasks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Client:
        def __init__(self, url: str, api_key: str) -> None: ...

        def project(self, project_id: str) -> ProjectInfo:
            return ProjectInfo(3, "Birds", CONFIG_XML)

        def extra_params(self, project_id: str) -> list[object]:
            return []

    predictor = FakePredictor()
    monkeypatch.setattr(predictor, "labeler", SimpleNamespace(can_classify=False), raising=False)
    monkeypatch.setattr("backend.label_studio.api.LabelStudioClient", Client)
    monkeypatch.setattr("backend.wiring.build_predictor", lambda settings: predictor)
    assert preannotate.main(["--project", "3", "--url", "http://127.0.0.1:9", "--api-key", "x"]) == 1
    assert "error: No CLIP model is loaded to choose among the 2 labels" in capsys.readouterr().err


def test_one_refused_prediction_does_not_take_its_chunk_along() -> None:
    site = FakeLabelStudio(make_tasks(3), refused=[2])
    summary = fill(site, FakePredictor())
    assert site.requests == [[1, 2, 3], [1], [2], [3]]
    assert (summary.created, summary.failed) == (2, 1)
    assert "task 2: Task 2 does not exist. Reload." in str(summary)


def test_what_label_studio_took_of_a_refused_chunk_is_not_sent_twice() -> None:
    site = FakeLabelStudio(make_tasks(3), refused=[3], made_anyway=[1])
    summary = fill(site, FakePredictor())
    assert site.requests == [[1, 2, 3], [2], [3]]
    assert (summary.created, summary.failed) == (2, 1)


def test_what_another_run_did_meanwhile_is_left_out() -> None:
    site, predictor = FakeLabelStudio(make_tasks(2 * CHUNK)), FakePredictor()
    pending = find_pending(site.iterate_tasks("3"), VERSION, Summary(), None)
    fill(site, FakePredictor(), limit=CHUNK + 4)
    summary = Summary()
    preannotate.preannotate(site, predictor, "3", CONFIG, pending, VERSION, summary, EVERYTHING, ProjectSettings())
    assert str(summary) == f"created {CHUNK - 4}, skipped {CHUNK + 4}, failed 0"
    assert all(len(task["predictions"]) == 1 for task in site.tasks)
    assert site.requests[-1] == list(range(CHUNK + 5, 2 * CHUNK + 1))


def test_where_label_studio_does_not_say_what_is_done_meanwhile_everything_is_imported() -> None:
    site = FakeLabelStudio(make_tasks(3))
    site.is_silent_on_predictions = True
    assert fill(site, FakePredictor()).created == 3


def test_when_label_studio_takes_nothing_at_all_the_work_ends_with_its_words() -> None:
    site = FakeLabelStudio(make_tasks(3 * CHUNK), refused=range(1, 3 * CHUNK + 1))
    predictor = FakePredictor()
    with pytest.raises(LabelStudioError, match="Task 1 does not exist"):
        fill(site, predictor)
    assert len(predictor.asked) == CHUNK


def test_the_version_names_weights_parameters_and_vocabulary() -> None:
    hoops = parse_labeling_config(CONFIG_XML.replace("red ring", "red hoop"))
    versions = {
        VERSION,
        build_version("demo-9999", CONFIG, EVERYTHING, ProjectSettings()),
        version_of(SegmentAll(replace(PROPOSAL, points_per_side=17))),
        version_of(SegmentAll(PROPOSAL, review=True)),
        build_version("demo-1234", hoops, EVERYTHING, ProjectSettings()),
    }
    assert len(versions) == 5
    assert all("-auto-" in version for version in versions)
    commented = parse_labeling_config(CONFIG_XML + "<!-- x -->")
    assert build_version("demo-1234", commented, EVERYTHING, ProjectSettings()) == VERSION


@pytest.mark.parametrize(
    ("request_", "given", "digits"),
    [
        (EVERYTHING, {}, "f80fff04"),
        (SegmentAll(replace(PROPOSAL, points_per_side=17, max_masks=4, score_threshold=0.2)), {}, "d952b8f0"),
        (FindText(("the red car",), PROPOSAL), {}, "57705980"),
        (EVERYTHING, {"prefetch": 3, "auto_label": True, "text_prompt": "find"}, "f80fff04"),
        (FindText(("the red car",), PROPOSAL), {"clip_threshold": 0.1, "prefetch": 3}, "7a085f12"),
    ],
)
def test_versions_stay_what_they_were_so_that_a_filled_project_is_done(
    request_: preannotate.BulkRequest, given: dict[str, object], digits: str
) -> None:
    """They change together with the masks and for nothing else."""
    assert version_of(request_, ProjectSettings(**given)) == f"demo-1234-auto-{digits}"


def test_options_replace_only_the_defaults_they_name() -> None:
    arguments = build_parser().parse_args(["--project", "3", "--points-per-side", "9", "--max-masks", "4"])
    assert override(PROPOSAL, arguments) == replace(PROPOSAL, points_per_side=9, max_masks=4)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--project", "0"], "argument --project: must be at least 1, got 0"),
        (["--project", "1", "--pred-iou-thresh", "7"], "argument --pred-iou-thresh: must be between 0 and 1, got 7"),
        (["--project", "1", "--limit", "many"], "argument --limit: invalid positive_int value: 'many'"),
        ([], "the following arguments are required: --project"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(options)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_many_reasons_are_cut_short_with_their_number() -> None:
    summary = Summary()
    for task in range(25):
        summary.fail(task, ValueError("odd"))
    lines = str(summary).splitlines()
    assert lines[1] == "  task 0: ValueError: odd"
    assert lines[-1] == "  … and 5 more"
    assert len(lines) == 22


def test_what_a_text_names_is_filed_under_a_version_of_its_own() -> None:
    said = [(), ("the red car",), ("the blue car",), ("the red car", "a bus"), ("a bus", "the red car")]
    assert len({version_of(FindText(texts, PROPOSAL) if texts else EVERYTHING) for texts in said}) == len(said)
    site, predictor, request = FakeLabelStudio(make_tasks(1)), FakePredictor(), FindText(("the red car",), PROPOSAL)
    fill(site, predictor, request=request)
    assert predictor.requests[0] == (request, ProjectSettings(), Priority.BULK)


def test_where_a_text_finds_nothing_earlier_predictions_stay_the_newest() -> None:
    site, request = FakeLabelStudio(make_tasks(4)), FindText(("green star",), PROPOSAL)
    fill(site, FakePredictor(), limit=2)
    summary = fill(site, FakePredictor(empty=[1, 3]), request=request)
    version = version_of(request)
    assert [task["predictions"][-1]["model_version"] for task in site.tasks] == [VERSION, version, version, version]
    assert [len(task["predictions"]) for task in site.tasks] == [1, 2, 1, 1]
    first = "created 3 (1 without a mask), skipped 0, failed 0, unchanged 1 (no mask; earlier predictions kept)"
    assert str(summary) == first
    again = FakePredictor(empty=[1, 3])
    assert (fill(site, again, request=request).skipped, again.asked) == (3, [1])


def test_without_a_text_an_empty_prediction_takes_the_place_of_another_versions() -> None:
    site = FakeLabelStudio(make_tasks(1))
    fill(site, FakePredictor(), request=SegmentAll(replace(PROPOSAL, points_per_side=17)))
    assert str(fill(site, FakePredictor(empty=[1]))) == "created 1 (1 without a mask), skipped 0, failed 0"


def test_a_text_that_cannot_be_read_is_refused_before_anything_is_done() -> None:
    check_can_read(True, ["the red car", "a bus"])
    check_can_read(False, [])
    with pytest.raises(BadPrompt, match=r"The text is empty\. Describe the object"):
        check_can_read(True, ["a bus", " "])
    with pytest.raises(BadSettings, match=r'No CLIP model is loaded to match the text "the red car"\. Set CLIP_MODEL'):
        check_can_read(False, ["the red car"])


def test_several_texts_may_be_given() -> None:
    assert build_parser().parse_args(["--project", "3"]).text == []
    assert build_parser().parse_args(["--project", "3", "--text", "a", "--text", "b"]).text == ["a", "b"]


class Backends:
    """The extra params of a project's ML backends, or the error that is raised instead."""

    def __init__(self, *said: object) -> None:
        self.said = said

    def extra_params(self, project_id: str) -> list[object]:
        if self.said and isinstance(self.said[0], Exception):
            raise self.said[0]
        return list(self.said)


SETTINGS_XML = CONFIG_XML.replace("<View>", '<View><!-- backend: {"clip_threshold": 0.1, "clean_masks": false} -->', 1)
HIDDEN = LabelStudioError("You may not.", remedy="Ask.")


@pytest.mark.parametrize(
    ("backends", "threshold", "says"),
    [
        (Backends(), 0.1, ""),
        (Backends(None), 0.1, ""),
        (Backends('{"clip_threshold": 0.2}'), 0.2, ""),
        (Backends({"clip_threshold": 0.2}, {"clip_threshold": 0.2}), 0.2, ""),
        (
            Backends({"clip_threshold": 0.2}, None),
            0.1,
            "Ignoring the extra params: they differ between the project's 2 ML backends.",
        ),
        (Backends(HIDDEN), 0.1, "Ignoring the extra params of the project's ML backend. You may not. Ask."),
    ],
)
def test_the_projects_settings_come_from_its_config_and_its_backend(backends, threshold, says, capsys) -> None:
    settings = read_project_settings(backends, "3", SETTINGS_XML)
    assert settings == ProjectSettings(clip_threshold=threshold, clean_masks=False)
    said = capsys.readouterr().out
    assert says in said
    assert f'Project settings: {{"clip_threshold": {threshold}, "clean_masks": false}}' in said


def test_a_setting_that_cannot_be_used_ends_the_command_before_the_models_load() -> None:
    with pytest.raises(BadProjectSettings, match="prefetch is -1"):
        read_project_settings(Backends({"prefetch": -1}), "3", CONFIG_XML)


def test_settings_that_change_predictions_change_the_version_and_others_do_not() -> None:
    def version(**said: object) -> str:
        return version_of(EVERYTHING, ProjectSettings(**said))

    assert version() == version(prefetch=3) == version(auto_label=True) == VERSION
    assert len({VERSION, version(templates=("a {}",)), version(answer="polygon"), version(clean_masks=False)}) == 4
