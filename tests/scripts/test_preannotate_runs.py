"""`scripts.preannotate` against a Label Studio over HTTP, with a predictor in place of the models."""

from __future__ import annotations

import csv
import json
import re
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from backend.bulk import Pipeline, PipelineRunner, Progress, RunFolder, Runner, Stage, StopFlag, hold_lock, identify_run
from backend.cache import GuardedRedis, RunLease
from backend.errors import RunRefused
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import FindText, SegmentAll, parse_task
from backend.predict import build_version
from backend.projects import ProjectSettings
from backend.values import Priority
from scripts import preannotate
from scripts.preannotating.importing import hold_lease
from scripts.preannotating.running import PredictionJob
from tests.bulk.fake_label_studio import FakeLabelStudio
from tests.scripts.fakes import CONFIG_XML, PROPOSAL, FakePredictor
from tests.servers import LocalServer, RedisServer

VERSION = build_version("demo-1234", parse_labeling_config(CONFIG_XML), SegmentAll(PROPOSAL), ProjectSettings())
TASKS = 8


@pytest.fixture
def site() -> FakeLabelStudio:
    site = FakeLabelStudio.with_tasks(TASKS)
    site.label_config = CONFIG_XML
    site.annotations = {3: [None]}
    return site


Run = Callable[..., FakePredictor]


@pytest.fixture
def server(site: FakeLabelStudio, start_server: Callable[[], LocalServer]) -> LocalServer:
    server = start_server()
    site.serve(server)
    return server


def build_runner(arguments: Namespace, predictor: FakePredictor, job: PredictionJob) -> tuple[Runner, Progress]:
    """Builds the runner from the fake predictor."""
    config = parse_labeling_config(job.label_config)

    def predict(task: dict[str, Any]) -> dict[str, Any]:
        parsed = parse_task(task, config, project_id=job.project_id)
        found = predictor.predict(parsed, config, job.request, job.project_settings, priority=Priority.BULK)
        return found or {"result": [], "score": None}

    progress = Progress(["predict"])
    return PipelineRunner(Pipeline([Stage("predict", predict)], progress=progress)), progress


@pytest.fixture
def run(server: LocalServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command; returns the predictor with what it was asked."""
    monkeypatch.setenv("RUNS_DIR", str(tmp_path))

    def run(*options: str, status: int = 0, **broken: list[int]) -> FakePredictor:
        predictor = FakePredictor(**broken)
        labeler = SimpleNamespace(
            boxes=None,
            can_classify=True,
            can_search=True,
            limits_for=lambda _: "",
            check_text=lambda text, vocabulary: None,
        )
        monkeypatch.setattr(predictor, "labeler", labeler, raising=False)
        monkeypatch.setattr("backend.wiring.build_predictor", lambda settings, redis: predictor)
        monkeypatch.setattr(preannotate, "build_runner", build_runner)
        monkeypatch.setattr(preannotate, "measure_task", lambda *_: None)
        argv = ["--project", "3", "--url", server.url, "--api-key", "abcdef", *options]
        assert preannotate.main(argv) == status
        return predictor

    return run


def test_every_task_gets_one_prediction_of_the_version(
    site: FakeLabelStudio, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    predictor = run()
    assert site.counts(VERSION) == {1}
    assert predictor.requests[0] == (SegmentAll(PROPOSAL), ProjectSettings(), Priority.BULK)
    assert f"Model version {VERSION}\n" in (said := capsys.readouterr().out)
    assert "\ncreated 8, skipped 0, failed 0\n" in said


def test_a_second_run_skips_what_is_done(site: FakeLabelStudio, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    assert run().asked == []
    assert "\ncreated 0, skipped 8, failed 0\n" in capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--only-unlabeled"]])
def test_an_empty_project_ends_before_the_models_are_loaded(
    options: list[str],
    site: FakeLabelStudio,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    site.tasks = {}
    assert run(*options).asked == []
    assert capsys.readouterr().out == "Nothing was done: project 3 has no tasks. Import pictures into it first.\n"
    assert list(tmp_path.iterdir()) == []


def test_options_that_choose_no_task_are_told(
    site: FakeLabelStudio, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "Nothing was done: the options choose no task.\n"
    assert run("--task-ids", "99").asked == []
    assert said in capsys.readouterr().out
    for _ in range(2):  # all tasks; none, because they are done
        run()
        assert said not in capsys.readouterr().out


def test_an_outage_before_the_first_task_is_not_taken_for_options_that_choose_none(
    site: FakeLabelStudio, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    site.at_request = lambda name: setattr(site, "is_down", site.requests.count("GET tasks") > 2)
    run("--give-up-after", "0", status=1)
    said = capsys.readouterr()
    assert "\ncreated 0, skipped 0, failed 0\n" in said.out and "Nothing was done" not in said.out
    assert "Label Studio was unavailable" in said.err


def test_annotations_of_people_are_neither_read_nor_changed(site: FakeLabelStudio, run: Run) -> None:
    run()
    assert site.annotations == {3: [None]}
    changes = {name for name in site.requests if not name.startswith("GET ")}
    assert changes == {"POST projects/3/import/predictions", "PATCH projects/3"}


def test_failures_are_listed_with_their_reasons(
    site: FakeLabelStudio, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    site.tasks[5] = {"picture": "a.png"}
    run(broken=[2], status=1)
    said = capsys.readouterr().out
    assert "created 6, skipped 0, failed 2\n" in said
    (path,) = re.findall("^Each task that failed or is gone, with its reason: (.*)$", said, re.MULTILINE)
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1] == ["2", "failed", "3", "2.png is gone. Upload it again."]
    assert rows[2][:3] == ["5", "failed", "1"] and 'Task 5 has no image under "image"' in rows[2][3]


def test_a_task_on_which_nothing_is_found_is_done_all_the_same(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(empty=[1])
    assert "\ncreated 8 (1 without a mask), skipped 0, failed 0\n" in capsys.readouterr().out
    assert run().asked == []


def test_the_limit_counts_tasks_that_are_not_done_yet(run: Run) -> None:
    run("--limit", "2")
    assert sorted(run("--limit", "3").asked) == [3, 4, 5]


def test_tasks_that_failed_before_come_last_and_do_not_use_up_the_limit(run: Run) -> None:
    run("--limit", "2", status=1, broken=[1, 2])
    assert sorted(run("--limit", "4").asked) == [3, 4, 5, 6]
    assert run(status=1, broken=[1]).asked[2:] == [1, 2, 1, 1]  # after 7 and 8
    assert run().asked == [1]


def test_the_display_counts_a_task_that_is_tried_again_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Progress] = []

    def show(progress: Progress, what: str) -> AbstractContextManager[None]:
        shown.append(progress)
        return nullcontext()

    monkeypatch.setattr(preannotate, "show_progress_of", show)
    run(status=1, broken=[3])
    now = shown[0].snapshot()
    assert (now.total, now.finished, now.failed, now.retried, now.in_flight) == (TASKS, TASKS, 1, 2, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--class-threshold", "rde=0.5"], "--class-threshold names 'rde', which is no class of the labeling config."),
        (["--class-threshold", "0.5", "--class-threshold", "0.6"], "--class-threshold is given twice"),
        (["--background-label", "red"], "--background-label is given without --background."),
        (["--background", "red"], "The background word 'red' is a class of the labeling config."),
        (["--text", " "], "The text is empty."),
        (["--text", "the red ring", "--score-threshold", "0.5"], "A search for a text drops no masks"),
        (["--view", "99"], "Project 3 has no tab 99 in the Data Manager.\n  help: It has: 4 (Default)."),
        (["--dry-run", "--sheet", "."], "--sheet . is a folder."),
        (["--engine", "ray", "--workers", "2", "--ray-address", "here"], "The address of Ray must be HOST:PORT"),
    ],
)
def test_a_wrong_option_is_refused_before_the_models_load(
    server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    def load(settings: object, redis: object) -> None:
        raise AssertionError("the models were loaded")

    monkeypatch.setattr("backend.wiring.build_predictor", load)
    argv = ["--project", "3", "--url", server.url, "--api-key", "abcdef", *options]
    assert preannotate.main(argv) == 1
    assert f"error: {message}" in capsys.readouterr().err


def test_a_shard_is_a_part_and_all_shards_are_the_project(site: FakeLabelStudio, run: Run) -> None:
    first, second = run("--shard", "1/2"), run("--shard", "2/2")
    assert (sorted(first.asked), sorted(second.asked)) == ([2, 4, 6, 8], [1, 3, 5, 7])
    assert site.counts(VERSION) == {1}


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "1/²"])
def test_a_shard_that_makes_no_sense_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        preannotate.build_parser().parse_args(["--project", "3", "--shard", text])
    assert f"got {text}" in capsys.readouterr().err


def test_a_run_while_another_one_works_on_the_same_is_refused(
    server: LocalServer, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold_lock(RunFolder(tmp_path, identify_run(server.url, 3, VERSION))):
        assert run(status=1).asked == []
    complaint = capsys.readouterr().err
    assert f"error: Another run works on project 3 with version {VERSION} (process " in complaint
    assert "--shard" in complaint


def test_a_run_on_another_machine_is_refused_by_the_lease_in_redis(
    server: LocalServer,
    run: Run,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    identity = identify_run(server.url, 3, VERSION)
    work = f"{identity.server}:{identity.project}:{identity.version}"
    lease = RunLease(GuardedRedis(redis_server.url, 5.0), work, "", "process 7 on another machine", print)
    assert lease.acquire() is None
    assert run(status=1).asked == []
    assert f"with version {VERSION} (process 7 on another machine)." in capsys.readouterr().err
    lease.release()
    assert len(run().asked) == TASKS
    assert lease.acquire() is None  # the run gave it back
    lease.release()


def test_a_lease_that_is_lost_ends_the_run(
    server: LocalServer, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunLease, "lease_seconds", 1.5)
    folder, flag = RunFolder(tmp_path, identify_run(server.url, 3, VERSION)), StopFlag()
    client = redis.Redis.from_url(redis_server.url)
    with (
        pytest.raises(RunRefused, match="another machine"),
        hold_lease(folder, GuardedRedis(redis_server.url, 5), flag),
    ):
        (key,) = client.keys("run:*")
        client.hset(key, "all", f"token\n{int(time.time()) + 60}\nprocess 7 on another machine")
        assert flag.wait(30.0)


@pytest.mark.parametrize("option", ["--settle-seconds", "--give-up-after"])
@pytest.mark.parametrize("text", ["-1", "nan", "inf"])
def test_a_time_that_makes_no_sense_is_refused(option: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        preannotate.build_parser().parse_args(["--project", "3", option, text])
    assert f"argument {option}: must be a finite number of at least 0, got {text}" in capsys.readouterr().err


def test_where_a_text_finds_nothing_earlier_predictions_stay_the_newest(
    site: FakeLabelStudio, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--limit", "2")
    predictor = run("--text", "green star", empty=[1, 3])
    request = FindText(("green star",), PROPOSAL)
    assert predictor.requests[0] == (request, ProjectSettings(), Priority.BULK)
    version = build_version("demo-1234", parse_labeling_config(CONFIG_XML), request, ProjectSettings())
    assert [len(ids) for ids in site.stored(version).values()] == [0, 1, 1, 1, 1, 1, 1, 1]
    counts = "created 7 (1 without a mask), skipped 0, failed 0, unchanged 1 (no mask; earlier predictions kept)\n"
    assert counts in capsys.readouterr().out
    assert run("--text", "green star", "--limit", "1").asked == []  # what has nothing to find is not tried for ever
    assert "1 tasks are left out: nothing was found there before.\n" in capsys.readouterr().out


def test_the_difference_to_the_projects_last_run_is_shown(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run()
    capsys.readouterr()
    run("--points-per-side", "24")
    said = capsys.readouterr().out
    difference = said.partition(f"The last run of this project here had version {VERSION}; the difference:\n")[2]
    assert [line for line in difference.splitlines() if line.startswith("  ")] == ["  points_per_side: 16 → 24"]


def test_labels_that_change_in_mid_run_end_it(
    site: FakeLabelStudio, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("backend.bulk.prediction_importer.CHECK_SECONDS", -1.0)

    def commit_seconds() -> float:
        raise AssertionError("nothing may be imported")

    site.commit_seconds = commit_seconds
    real = FakePredictor.predict

    def predict(*arguments: object, **keywords: object) -> object:
        site.label_config = CONFIG_XML.replace("red ring", "red hoop")
        return real(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(FakePredictor, "predict", predict)
    run(status=1)
    assert "error: The labeling config of project 3 changed during the run" in capsys.readouterr().err


def test_verify_counts_and_deletes_duplicates_without_models(
    site: FakeLabelStudio, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    kept = site.stored(VERSION)[4]
    site.store(4, VERSION)
    capsys.readouterr()
    assert run("--verify").asked == []
    line = f"{VERSION}: 8 of 8 tasks have their prediction, 1 duplicates deleted\n"
    assert capsys.readouterr().out == line
    assert site.stored(VERSION)[4] == kept
    site.store(1, "elsewhere-1")  # by a run of another machine
    run("--verify", "elsewhere-1")
    assert capsys.readouterr().out == "elsewhere-1: 1 of 8 tasks have their prediction, 0 duplicates deleted\n"


def test_verify_of_a_version_that_no_task_has_says_which_there_are(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--limit", "1")
    run("--verify", "nonsense", status=1)
    said = capsys.readouterr().err
    assert "No task of project 3 has a prediction of version nonsense" in said and VERSION in said


@pytest.mark.parametrize("option", [("--sample", "3"), ("--sheet", "a.html")])
def test_an_option_of_the_contact_sheet_without_a_dry_run_starts_no_import(
    run: Run, site: FakeLabelStudio, option: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    run(*option, status=1)
    assert f"{' '.join(option)} is for a dry run, and this is none." in capsys.readouterr().err
    assert site.requests == []


def test_verify_without_a_known_run_says_what_to_give(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("--verify", status=1)
    assert "No run of project 3 is known in" in (said := capsys.readouterr().err)
    assert "--verify VERSION" in said


def test_the_ledger_says_what_made_the_predictions(server: LocalServer, run: Run, tmp_path: Path) -> None:
    run("--limit", "1")
    previous = RunFolder(tmp_path, identify_run(server.url, 3, "another")).previous_run()
    assert previous is not None
    assert (previous.version, previous.about["label_config"]) == (VERSION, CONFIG_XML)
    assert previous.about["settings"]["models"] == "demo-1234"
    assert json.dumps(previous.about["settings"]["labels"]) == '["red", "green"]'
