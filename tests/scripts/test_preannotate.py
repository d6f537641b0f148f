"""Pre-annotation: what is checked before it starts, its versions and its options."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from backend.bulk import Summary
from backend.engine import ImageLabeler
from backend.errors import BadProjectSettings, BadSettings, LabelStudioError, LabelStudioUnavailable
from backend.label_studio.api.client import ProjectInfo
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import FindText, SegmentAll
from backend.predict import BulkRequest, build_version
from backend.projects import ProjectSettings
from backend.values import Lexicon
from scripts import preannotate
from scripts.preannotate import build_parser
from scripts.preannotating.checks import check_can_name, check_knows_labels, read_project_settings
from scripts.preannotating.masks import override
from tests.fakes import FakeClassifier, FakeSegmenter
from tests.scripts.fakes import CONFIG_XML, PROPOSAL, FakePredictor

CONFIG = parse_labeling_config(CONFIG_XML)
EVERYTHING = SegmentAll(PROPOSAL)
VERSION = build_version("demo-1234", CONFIG, EVERYTHING, ProjectSettings())


def version_of(request: BulkRequest, settings: ProjectSettings = ProjectSettings()) -> str:
    return build_version("demo-1234", CONFIG, request, settings)


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
        requests = None

        def __init__(self, url: str, api_key: str) -> None: ...

        def project(self, project_id: str) -> ProjectInfo:
            return ProjectInfo(3, "Birds", CONFIG_XML)

        def extra_params(self, project_id: str) -> list[object]:
            return []

    predictor = FakePredictor()
    monkeypatch.setattr(predictor, "labeler", SimpleNamespace(can_classify=False), raising=False)
    monkeypatch.setattr(preannotate, "PredictionClient", Client)
    monkeypatch.setattr(preannotate, "has_no_tasks", lambda listing, project_id: False)
    monkeypatch.setattr("backend.wiring.build_predictor", lambda settings, redis: predictor)
    assert preannotate.main(["--project", "3", "--url", "http://127.0.0.1:9", "--api-key", "x"]) == 1
    assert "error: No CLIP model is loaded to choose among the 2 labels" in capsys.readouterr().err


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
    request_: BulkRequest, given: dict[str, object], digits: str
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
        (["--project", "1", "--min-mask-region-area", "-5"], "--min-mask-region-area: must be at least 0, got -5"),
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


def test_settings_that_label_studio_cannot_tell_now_are_not_ignored() -> None:
    away = LabelStudioUnavailable("No answer.", remedy="Wait.")
    with pytest.raises(LabelStudioUnavailable, match="No answer"):
        read_project_settings(Backends(away), "3", SETTINGS_XML)


def test_a_setting_that_cannot_be_used_ends_the_command_before_the_models_load() -> None:
    with pytest.raises(BadProjectSettings, match="prefetch is -1"):
        read_project_settings(Backends({"prefetch": -1}), "3", CONFIG_XML)


def test_settings_that_change_predictions_change_the_version_and_others_do_not() -> None:
    def version(**said: object) -> str:
        return version_of(EVERYTHING, ProjectSettings(**said))

    assert version() == version(prefetch=3) == version(auto_label=True) == VERSION
    of_page = {"text_prompt": "find", "messages": "message", "min_score": 0.3}
    assert version(**of_page, correct_last=False, single_task="masks") == VERSION
    assert len({VERSION, version(templates=("a {}",)), version(answer="polygon"), version(clean_masks=False)}) == 4
