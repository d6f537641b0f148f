"""A run over a project: each task gets its prediction exactly once, whatever happens to requests, tasks and servers."""

from __future__ import annotations

import csv
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.bulk import TaskState
from backend.errors import BadConfig, BadImage, ImageUnavailable, LabelStudioError, LabelStudioUnavailable
from tests.bulk.fake_label_studio import FakeLabelStudio
from tests.bulk.fault_proxy import DELAY, DROP, DROP_UNSENT, LOSE, PASS, REFUSE, FaultProxy
from tests.bulk.toy_run import VERSION, ToyRun, toy_prediction
from tests.servers import LocalServer
from tests.tokens import PAT

Json = dict[str, Any]
Start = Callable[..., ToyRun]
TASKS = 60


@pytest.fixture
def site() -> FakeLabelStudio:
    return FakeLabelStudio.with_tasks(TASKS)


@pytest.fixture
def proxy(site: FakeLabelStudio, start_server: Callable[[], LocalServer]) -> FaultProxy:
    server = start_server()
    site.serve(server)
    return FaultProxy(server.url)


@pytest.fixture
def toy(proxy: FaultProxy, start_server: Callable[[], LocalServer], tmp_path: Path) -> Start:
    """Builds a run against the site behind the proxy."""
    server = start_server()
    proxy.serve(server)
    return lambda **options: ToyRun(server.url, tmp_path, **options)


def states(toy: ToyRun) -> dict[str, int]:
    with toy.run_folder.open_ledger() as ledger:
        return {state.value: count for state, count in ledger.counts().items() if count}


def failures(toy: ToyRun) -> list[list[str]]:
    path = toy.run_folder.path / "failures.csv"
    return list(csv.reader(path.open(encoding="utf-8", newline=""))) if path.is_file() else []


def test_every_task_gets_one_prediction_in_chunks(site: FakeLabelStudio, toy: Start) -> None:
    run = toy(chunk=25)
    assert str(run.run()) == "created 60, skipped 0, failed 0"
    assert [len(tasks) for tasks in site.imports] == [25, 25, 10]
    assert site.counts(VERSION) == {1}
    assert states(run) == {"done": TASKS}
    assert failures(run) == []


def test_a_second_run_asks_the_models_nothing(site: FakeLabelStudio, toy: Start) -> None:
    toy().run()
    second = toy()
    assert str(second.run()) == "created 0, skipped 0, failed 0"
    assert (second.taken, site.counts(VERSION)) == ([], {1})


def test_label_studio_wins_over_the_ledger(site: FakeLabelStudio, toy: Start) -> None:
    toy().run()
    (deleted,) = site.stored(VERSION)[7]
    del site.predictions[deleted]
    again = toy()
    assert (again.run().created, again.taken) == (1, [7])
    assert site.counts(VERSION) == {1}


def test_the_models_go_on_while_a_chunk_is_under_way(site: FakeLabelStudio, toy: Start) -> None:
    taken_at_import: list[int] = []
    has_gone_on = threading.Event()

    def commit_seconds() -> float:
        if not site.imports:
            assert has_gone_on.wait(60)
        taken_at_import.append(len(run.taken))
        return 0.0

    site.commit_seconds = commit_seconds
    run = toy(chunk=10, at_task=lambda number: has_gone_on.set() if number == 15 else None)
    run.run()
    assert taken_at_import[0] > 15


@pytest.mark.parametrize("fault", [LOSE, DROP])
def test_predictions_whose_answer_was_lost_are_not_sent_again(
    site: FakeLabelStudio, proxy: FaultProxy, toy: Start, fault: str
) -> None:
    proxy.faults = deque([PASS, fault, PASS, fault])
    run = toy()
    assert str(run.run()) == "created 60, skipped 0, failed 0"
    assert sorted(task for tasks in site.imports for task in tasks) == sorted(site.tasks)
    assert (site.counts(VERSION), states(run)) == ({1}, {"done": TASKS})


@pytest.mark.parametrize("fault", [REFUSE, DROP_UNSENT])
def test_predictions_that_never_arrived_are_sent_again(
    site: FakeLabelStudio, proxy: FaultProxy, toy: Start, fault: str
) -> None:
    proxy.faults = deque([PASS, fault, PASS, fault])
    assert str(toy().run()) == "created 60, skipped 0, failed 0"
    assert site.counts(VERSION) == {1}


def test_a_commit_after_the_client_gave_up_is_waited_for(site: FakeLabelStudio, proxy: FaultProxy, toy: Start) -> None:
    proxy.faults, proxy.delay_seconds = deque([DELAY, PASS, DELAY]), 0.2
    summary = toy(settle_seconds=2.0).run(sweep=False)
    assert (summary.created, site.counts(VERSION)) == (TASKS, {1})


def test_a_commit_even_after_the_settle_time_is_swept(site: FakeLabelStudio, proxy: FaultProxy, toy: Start) -> None:
    proxy.faults, proxy.delay_seconds = deque([DELAY]), 2.0
    run = toy(settle_seconds=0.1)
    run.run(sweep=False)
    proxy.wait_for_late()
    assert site.counts(VERSION) == {1, 2}
    firsts = {task: ids[0] for task, ids in site.stored(VERSION).items()}
    assert run.sweep().deleted == 10
    assert site.stored(VERSION) == {task: [first] for task, first in firsts.items()}


def test_a_timeout_of_the_client_is_a_lost_answer(site: FakeLabelStudio, toy: Start) -> None:
    seconds = deque([0.0, 1.0])
    site.commit_seconds = lambda: seconds.popleft() if seconds else 0.0
    run = toy(import_timeout_seconds=0.4, settle_seconds=2.0)
    assert str(run.run()) == "created 60, skipped 0, failed 0"
    assert site.counts(VERSION) == {1}


def test_a_chunk_that_label_studio_never_answers_is_halved_down_to_the_prediction_that_is_to_blame(
    site: FakeLabelStudio, proxy: FaultProxy, toy: Start
) -> None:
    proxy.poison = b'"task":3,'
    run = toy(settle_seconds=0.05, limit=10)
    assert (run.run().created, run.summary.failed) == (9, 1)
    assert failures(run)[1][:3] == ["3", "failed", "1"]
    assert "could not answer the request for 1 predictions" in failures(run)[1][3]


def test_an_outage_pauses_the_run_which_then_goes_on(site: FakeLabelStudio, toy: Start) -> None:
    def at_task(number: int) -> None:
        if number == 25:
            site.is_down = True
            threading.Timer(0.5, lambda: setattr(site, "is_down", False)).start()

    run = toy(at_task=at_task)
    assert str(run.run()) == "created 60, skipped 0, failed 0"
    assert site.counts(VERSION) == {1}
    assert run.said[0].startswith("Waiting for Label Studio, at most ")
    assert run.said[1].startswith("Label Studio answers again after ")


def test_an_outage_that_lasts_too_long_ends_the_run_with_words(site: FakeLabelStudio, toy: Start) -> None:
    run = toy(at_task=lambda number: setattr(site, "is_down", number >= 25), give_up_after_seconds=0.3)
    with pytest.raises(LabelStudioUnavailable, match=r"was unavailable for .* s, so the run ended") as ended:
        run.run()
    assert "Run the same command again" in ended.value.remedy
    site.is_down = False
    assert toy().run().failed == 0
    assert site.counts(VERSION) == {1}


def test_images_that_label_studio_cannot_serve_during_an_outage_are_no_failures(
    site: FakeLabelStudio, toy: Start
) -> None:
    def predict(task: Json) -> Json:
        if task["id"] == 20 and not run.said:
            site.is_down = True
            threading.Timer(0.3, lambda: setattr(site, "is_down", False)).start()
        if site.is_down:
            raise ImageUnavailable("The image is away.", remedy="Wait.")
        return toy_prediction(task)

    run = toy(predict=predict)
    assert str(run.run()) == "created 60, skipped 0, failed 0"
    assert site.counts(VERSION) == {1}
    assert 1 <= len(run.taken) - TASKS <= 3  # it paused at the first one


def test_a_task_that_fails_three_times_does_not_stop_the_others(site: FakeLabelStudio, toy: Start) -> None:
    def predict(task: Json) -> Json:
        if task["id"] == 5:
            raise ImageUnavailable("5.png cannot be fetched.", remedy="Upload it again.")
        if task["id"] == 6 and run.taken.count(6) < 3:
            raise ImageUnavailable("6.png is slow.", remedy="Wait.")
        if task["id"] == 7:
            raise BadImage("7.png is not an image.", remedy="Upload a PNG.")
        return toy_prediction(task)

    run = toy(predict=predict)
    summary = run.run()
    assert (summary.created, summary.failed) == (TASKS - 2, 2)
    assert [run.taken.count(task) for task in (4, 5, 6, 7)] == [1, 3, 3, 1]
    assert failures(run) == [
        ["task", "state", "attempts", "reason"],
        ["5", "failed", "3", "5.png cannot be fetched. Upload it again."],
        ["7", "failed", "1", "7.png is not an image. Upload a PNG."],
    ]


def test_a_task_that_was_deleted_meanwhile_is_gone_and_takes_no_other_one_along(
    site: FakeLabelStudio, toy: Start
) -> None:
    run = toy(at_task=lambda number: site.tasks.pop(24, None) if number == 25 else None)
    assert str(run.run()) == "created 59, skipped 0, failed 0, gone 1 (deleted meanwhile)"
    assert site.counts(VERSION) == {1}
    assert [len(tasks) for tasks in site.imports] == [10, 10, 9, 10, 10, 10]
    assert failures(run)[1] == ["24", "gone", "0", "The task was deleted from the project meanwhile."]
    asked = [name for name in site.requests if name == "GET tasks"]
    assert len(asked) <= 2 * 6 + 2 + 2 + 4  # two pages; one question a chunk, two more for this one, the sweep


def test_a_prediction_that_label_studio_drops_is_found_and_takes_no_other_one_along(
    site: FakeLabelStudio, toy: Start
) -> None:
    run = toy(predict=lambda task: toy_prediction(task, "purple" if task["id"] == 24 else "red"))
    assert (run.run().created, run.summary.failed) == (59, 1)
    assert failures(run)[1][:2] == ["24", "failed"]
    assert "created 0 of 1 predictions" in failures(run)[1][3]


def test_a_project_that_is_deleted_in_mid_run_ends_it_with_words(
    site: FakeLabelStudio, toy: Start, caplog: pytest.LogCaptureFixture
) -> None:
    run = toy(at_task=lambda number: setattr(site, "is_deleted", number >= 25))
    with pytest.raises(LabelStudioError, match=r"HTTP 404.*No Project matches") as ended:
        run.run()
    assert not isinstance(ended.value, LabelStudioUnavailable)
    assert len(run.taken) < TASKS
    assert "The predictions that were ready could not be imported either." in caplog.text


def test_labels_that_are_deleted_in_mid_run_end_it_with_words(site: FakeLabelStudio, toy: Start) -> None:
    def check() -> None:
        if "red" not in site.labels:
            raise BadConfig("The labeling config changed during the run.", remedy="Run the same command again.")

    def commit_seconds() -> float:
        if len(site.imports) == 2:
            site.labels = ("green",)
        return 0.0

    site.commit_seconds = commit_seconds
    run = toy(check=check)
    with pytest.raises(BadConfig, match="changed during the run"):
        run.run()
    assert sum(len(ids) for ids in site.stored(VERSION).values()) == 20


def test_a_label_studio_that_refuses_everything_ends_the_run(site: FakeLabelStudio, toy: Start) -> None:
    run = toy(predict=lambda task: toy_prediction(task, "purple"), chunk=30)
    with pytest.raises(LabelStudioError, match=r"refused 20 predictions in a row\. Label Studio created 0 of 1"):
        run.run()
    assert run.summary.failed == 20


def test_an_access_token_that_expires_is_renewed(site: FakeLabelStudio, toy: Start) -> None:
    tokens = iter(f"token-{number}" for number in range(100))

    def fresh_token() -> str:
        token = next(tokens)
        site.accepted_tokens = {f"Bearer {token}"}
        return token

    site.fresh_token = fresh_token  # type: ignore[method-assign]
    site.accepted_tokens = set()

    def expire(number: int) -> None:
        if number % 20 == 0:
            site.accepted_tokens = set()

    assert str(toy(api_key=PAT, at_task=expire).run()) == "created 60, skipped 0, failed 0"
    assert site.counts(VERSION) == {1}
    assert site.requests.count("POST token/refresh") >= 3


def test_what_another_run_did_meanwhile_is_left_out(site: FakeLabelStudio, toy: Start) -> None:
    def at_task(number: int) -> None:
        if number == 25:
            for task in range(25, 45):
                site.store(task, VERSION)

    run = toy(at_task=at_task)
    assert str(run.run()) == "created 40, skipped 20, failed 0"
    assert site.counts(VERSION) == {1}


def test_a_stopped_run_imports_what_is_under_way_and_a_second_one_does_the_rest(
    site: FakeLabelStudio, toy: Start
) -> None:
    run = toy(at_task=lambda number: run.stop.set() if number == 24 else None)
    summary = run.run()
    assert (summary.created, summary.was_stopped) == (25, True)
    assert sum(len(ids) for ids in site.stored(VERSION).values()) == 25
    assert (toy().run().created, site.counts(VERSION)) == (35, {1})


def test_a_stopped_run_predicts_no_more_of_the_tasks_that_were_pulled_ahead(site: FakeLabelStudio, toy: Start) -> None:
    def at_task(number: int) -> None:
        if number == 5:
            run.stop.set()
        time.sleep(0.01)

    run = toy(at_task=at_task, lookahead=TASKS)
    assert run.run().created == len(run.taken) < 20


def test_a_stopped_run_does_not_wait_for_doubts_but_the_next_one_does(
    site: FakeLabelStudio, proxy: FaultProxy, toy: Start
) -> None:
    proxy.faults = deque([DELAY])
    proxy.delay_seconds = 0.4
    run = toy(at_task=lambda number: run.stop.set() if number == 24 else None, settle_seconds=2.0)
    summary = run.run()
    assert (summary.created, summary.in_doubt) == (15, 10)
    assert "in doubt 10 (the next run asks Label Studio)" in str(summary)
    assert states(run)["in_doubt"] == 10
    second = toy(settle_seconds=2.0)
    assert second.run(sweep=False).failed == 0
    assert site.counts(VERSION) == {1}
    assert not set(second.taken) & set(range(1, 11))


def test_tasks_that_a_killed_run_left_as_sent_are_asked_about_before_they_are_done_again(
    site: FakeLabelStudio, toy: Start
) -> None:
    run = toy(settle_seconds=2.0)
    with run.run_folder.open_ledger() as ledger:
        ledger.mark([1, 2], TaskState.SENT, sends=1)
    threading.Timer(0.1, lambda: site.store(1, VERSION)).start()
    summary = run.run(sweep=False)
    assert (summary.created, site.counts(VERSION)) == (TASKS - 1, {1})
    assert run.taken[-1] == 2 and 1 not in run.taken


def test_a_prediction_that_is_no_json_fails_alone(site: FakeLabelStudio, toy: Start) -> None:
    run = toy(predict=lambda task: toy_prediction(task) | {"score": float("nan") if task["id"] == 4 else 0.5})
    assert (run.run().created, run.summary.failed) == (TASKS - 1, 1)
    assert failures(run)[1][0] == "4"
