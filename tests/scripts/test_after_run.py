"""After a run the project shows the new predictions, and only replaced ones of this command are deleted."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.errors import BadSettings
from backend.label_studio.api import LabelStudioClient
from scripts.preannotating.after_run import add_after_run_options, check_replaced, finish_project
from tests.label_studio.api.generated_project import answer
from tests.servers import Answer, LocalServer, Seen
from tests.tokens import LEGACY

OLD, NEW = "demo-01-auto-aaaaaaaa", "demo-02-auto-bbbbbbbb"
Json = dict[str, Any]
Finish = Callable[..., None]


@dataclass
class Predicted:
    """Project 1 with predictions.

    Attributes:
        predictions: The model version of each, by its id; its task is the id divided by 10.
        parents: Predictions that annotations were made from.
        drafts: Tasks with a draft.
        shown: The project's `model_version`.
        is_locked: Whether the token's user may not change the project.
    """

    predictions: dict[int, str]
    parents: tuple[int, ...] = ()
    drafts: tuple[int, ...] = ()
    shown: str | None = "SAM + CLIP"
    is_locked: bool = False
    log: list[str] = field(default_factory=list)

    def respond(self, seen: Seen, handler: object) -> Answer:
        url = urlsplit(seen.path)
        if url.path == "/api/projects/1/model-versions/":
            return answer(dict(Counter(self.predictions.values())))
        if url.path == "/api/projects/1/":
            if seen.method == "PATCH":
                if self.is_locked:
                    return answer({"detail": "You do not have permission."}, 403)
                self.shown = json.loads(seen.body)["model_version"]
                self.log.append(f"show {self.shown}")
            return answer({"id": 1, "model_version": self.shown})
        if seen.method == "DELETE":
            number = int(url.path.split("/")[3])
            self.log.append(f"delete {number}")
            self.predictions.pop(number)
            return 204, {}, b""
        assert url.path == "/api/tasks/"
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        return self._tasks(query)

    def _tasks(self, query: Mapping[str, str]) -> Answer:
        conditions = json.loads(query["query"])["filters"]["items"]
        tasks = sorted({number // 10 for number in self.predictions})
        chosen = [task for task in tasks if all(self._matches(task, condition) for condition in conditions)]
        include = query["include"].split(",")
        page = [self._whole(task, include) for task in chosen[: int(query["page_size"])]]
        return answer({"tasks": page, "total": len(chosen)})

    def _matches(self, task: int, condition: Json) -> bool:
        column, operator, value = condition["filter"].rsplit(":", 1)[1], condition["operator"], condition["value"]
        if column == "id":
            return task > int(value)
        if column == "draft_exists":
            return (task in self.drafts) == value
        names = [name for number, name in self.predictions.items() if number // 10 == task]
        return any(value[0] in name for name in names) == (operator == "contains")

    def _whole(self, task: int, include: Sequence[str]) -> Json:
        """A task; as in Label Studio, `include` selects the fields of its annotations, too."""
        own = {number: name for number, name in self.predictions.items() if number // 10 == task}
        return {
            "id": task,
            "data": {},
            "total_predictions": len(own),
            "predictions": [{"id": number, "model_version": name} for number, name in own.items()],
            "annotations": [
                {"id": 900 + task, "parent_prediction": number} for number in self.parents if number in own
            ],
        }


@pytest.fixture
def finish(start_server: Callable[[], LocalServer]) -> Finish:
    def finish(project: Predicted, *options: str) -> None:
        server = start_server()
        server.respond = project.respond
        finish_project(LabelStudioClient(server.url, LEGACY), "1", parse(*options), NEW)

    return finish


def parse(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_after_run_options(parser)
    return parser.parse_args(options)


def test_the_project_shows_the_new_predictions(finish: Finish, capsys: pytest.CaptureFixture[str]) -> None:
    project = Predicted({10: NEW, 20: OLD})
    finish(project)
    assert project.log == [f"show {NEW}"]
    said = capsys.readouterr().out
    assert said.startswith(f"Annotators start from the predictions {NEW} now (before: 'SAM + CLIP'; Settings >")
    finish(project)
    assert project.log == [f"show {NEW}"] and capsys.readouterr().out == ""


def test_the_shown_version_is_left_alone_on_demand_and_where_there_is_nothing_to_show(
    finish: Finish, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen, empty = Predicted({10: NEW}), Predicted({10: OLD})
    finish(chosen, "--keep-shown-version")
    finish(empty, "--replace", OLD)
    assert chosen.log == empty.log == []
    assert capsys.readouterr().out == ""


def test_more_predictions_are_not_hidden_behind_fewer(finish: Finish, capsys: pytest.CaptureFixture[str]) -> None:
    project = Predicted({10: NEW, 20: OLD, 30: OLD}, shown=OLD)
    finish(project)
    assert project.log == []
    said = capsys.readouterr().out
    assert f"still start from the predictions {OLD}, of which there are 2; of {NEW} there are 1." in said


def test_a_project_that_may_not_be_changed_is_a_warning_with_what_to_do(
    finish: Finish, capsys: pytest.CaptureFixture[str]
) -> None:
    finish(Predicted({10: NEW}, is_locked=True))
    warning, remedy = capsys.readouterr().out.splitlines()
    assert warning.startswith("Warning: annotators are not shown the new predictions.") and "HTTP 403" in warning
    assert remedy == f"  help: Choose {NEW} in the project's Settings > Annotation > Prelabeling."


def test_a_replaced_version_is_deleted_only_where_it_is_replaced_and_nobody_uses_it(
    finish: Finish, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = {
        10: OLD,
        11: NEW,  # replaced
        20: OLD,  # the new one failed
        30: OLD,
        31: OLD,
        32: NEW,
        33: "other-model",  # 30 is an annotation's parent
        40: OLD,
        41: NEW,  # somebody is labeling
        50: f"{OLD}-copy",
        51: NEW,  # another one's version, whose name contains ours
        60: OLD,
        61: f"{NEW}-copy",  # no new one of ours
    }
    project = Predicted(dict(predictions), parents=(30,), drafts=(4,))
    finish(project, "--replace", OLD)
    assert project.log == [f"show {NEW}", "delete 10", "delete 31"]
    said = capsys.readouterr().out
    kept = "1 that annotations were made from, 1 in tasks with a draft, 1 in tasks without a new prediction"
    assert f"Predictions of version {OLD}: deleted 2, kept {kept}\n" in said


def test_a_version_that_no_task_has_is_named(finish: Finish, capsys: pytest.CaptureFixture[str]) -> None:
    finish(Predicted({10: NEW}), "--replace", OLD, "--keep-shown-version")
    assert capsys.readouterr().out == f"No task has a prediction of version {OLD}.\n"


@pytest.mark.parametrize("version", ["SAM + CLIP", "other-model", "demo-auto-xyz", f"{OLD} "])
def test_a_version_that_is_not_ours_cannot_be_replaced(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--replace", version)
    assert "is not a version that this command made" in capsys.readouterr().err


def test_the_version_that_a_run_makes_cannot_be_replaced() -> None:
    check_replaced([OLD], NEW)
    with pytest.raises(BadSettings, match=f"--replace {NEW} is the version that this run makes"):
        check_replaced([OLD, NEW], NEW)
