"""What bulk runs ask of the real Label Studio: its filters, its page sizes, and what deleting a prediction does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from backend.label_studio.api import (
    LabelStudioClient,
    PredictionClient,
    TaskFilter,
    TaskListing,
    delete_earlier_version,
    show_version,
)
from scripts.demo_circle.stage import Opened
from tests.e2e.site import LABEL_CONFIG

OLD, NEW = "demo-01-auto-aaaaaaaa", "demo-02-auto-bbbbbbbb"
Json = dict[str, Any]


class PredictedProject:
    """A project of Label Studio with tasks whose image is never fetched; `tasks` are their ids."""

    def __init__(self, opened: Opened, title: str, size: int) -> None:
        self.site, self.client = opened.site, LabelStudioClient(opened.site.url, opened.token)
        self.number = self.site.create_project(title, LABEL_CONFIG, "")
        documents = [{"image": f"https://images.invalid/{place}.png"} for place in range(size)]
        path = f"/api/projects/{self.number}/import?return_task_ids=true"
        self.tasks: list[int] = self.post(path, documents)["task_ids"]
        self.listing = TaskListing(self.client)

    def post(self, path: str, document: object) -> Json:
        """Create something."""
        answer: Json = self.client.requests.post_once(path, path, json.dumps(document).encode(), 60.0)
        return answer

    def predict(self, versions: dict[int, Sequence[str]]) -> None:
        """Store empty predictions of these versions, by the place of their task."""
        predictions = [
            {"task": self.tasks[place], "result": [], "score": 0.5, "model_version": name}
            for place, names in versions.items()
            for name in names
        ]
        self.post(f"/api/projects/{self.number}/import/predictions", predictions)

    def listed(self, tasks: TaskFilter) -> list[int]:
        """The places of the tasks that are listed."""
        return [self.tasks.index(task["id"]) for task in self.listing.iterate(self.number, tasks)]

    def versions(self, place: int) -> list[str]:
        """The versions of a task's predictions."""
        return sorted(one["model_version"] for one in self.site.task(self.tasks[place])["predictions"])


@pytest.fixture(scope="module")
def predicted(opened: Opened) -> PredictedProject:
    project = PredictedProject(opened, "Task listing", 9)
    project.predict({1: [OLD], 2: [OLD, OLD], 3: [OLD, NEW], 4: [f"x{OLD}"], 5: [OLD.upper()], 6: ["other"]})
    project.site.annotate(project.tasks[0], [])
    return project


def test_tasks_are_chosen_by_the_exact_version_of_their_predictions(predicted: PredictedProject) -> None:
    assert predicted.listed(TaskFilter(without_version=NEW)) == [0, 1, 2, 4, 5, 6, 7, 8]
    assert sorted(predicted.listed(TaskFilter(without_version=OLD))) == [0, 4, 5, 6, 7, 8]
    assert predicted.listed(TaskFilter(with_versions=(OLD, NEW))) == [3]
    assert predicted.listing.model_versions(predicted.number) == {
        OLD: 4,
        NEW: 1,
        "other": 1,
        f"x{OLD}": 1,
        OLD.upper(): 1,
    }


def test_tasks_are_chosen_by_what_people_and_models_did(predicted: PredictedProject) -> None:
    assert predicted.listed(TaskFilter(unlabeled=True)) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert predicted.listed(TaskFilter(without_predictions=True)) == [0, 7, 8]
    assert predicted.listed(TaskFilter(without_predictions=True, unlabeled=True)) == [7, 8]
    assert predicted.listed(TaskFilter(without_version=NEW, task_ids=predicted.tasks[2:5])) == [2, 4]
    assert predicted.listing.existing(predicted.number, [predicted.tasks[0], 10**9]) == {predicted.tasks[0]}
    documents = predicted.listing.iterate(predicted.number, TaskFilter(task_ids=predicted.tasks[2:3]))
    image = {"image": "https://images.invalid/2.png"}
    assert list(documents) == [{"id": predicted.tasks[2], "data": image, "total_predictions": 2}]


def test_a_tab_chooses_tasks(predicted: PredictedProject) -> None:
    newest = {"filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": predicted.tasks[5]}
    filters = {"conjunction": "or", "items": [newest]}
    body = {"project": predicted.number, "data": {"title": "newest", "filters": filters, "ordering": ["-tasks:id"]}}
    tab = predicted.post("/api/dm/views/", body)["id"]
    assert predicted.listing.tab_task_ids(predicted.number, tab) == predicted.tasks[6:]


def test_pages_end_where_the_project_ends(predicted: PredictedProject, monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.label_studio.api import task_listing

    for size in (1, 3, 9):
        monkeypatch.setattr(task_listing, "USUAL", task_listing.Columns("task_only", "id,data,total_predictions", size))
        assert predicted.listed(TaskFilter()) == list(range(9))
    sample = predicted.listing.sample(predicted.number, TaskFilter(), 3)
    assert [predicted.tasks.index(task["id"]) for task in sample] == [1, 4, 7]


def test_an_earlier_version_is_deleted_where_it_is_replaced_and_nobody_uses_it(opened: Opened) -> None:
    project = PredictedProject(opened, "Replaced predictions", 6)
    both, similar = [OLD, NEW], [f"{OLD}-copy", NEW]
    project.predict({0: both, 1: [OLD], 2: [OLD, *both], 3: both, 4: [*both, "other"], 5: similar})
    reviewed = project.site.task(project.tasks[2])["predictions"]
    parent = min(one["id"] for one in reviewed if one["model_version"] == OLD)
    project.post(f"/api/tasks/{project.tasks[2]}/annotations", {"result": [], "parent_prediction": parent})
    project.post(f"/api/tasks/{project.tasks[3]}/drafts", {"result": []})

    removal = delete_earlier_version(project.client, project.number, OLD, NEW)
    assert (removal.deleted, removal.reviewed, removal.drafted, removal.waiting) == (3, 1, 1, 1)
    left = [project.versions(place) for place in range(6)]
    assert left == [[NEW], [OLD], [OLD, NEW], [OLD, NEW], [NEW, "other"], similar]
    (kept,) = project.site.task(project.tasks[2])["annotations"]
    assert kept["parent_prediction"] == parent
    assert delete_earlier_version(project.client, project.number, OLD, NEW).deleted == 0


def test_the_shown_version_is_one_that_a_task_has(opened: Opened) -> None:
    from backend.errors import LabelStudioError

    project = PredictedProject(opened, "Shown version", 1)
    with pytest.raises(LabelStudioError, match=r"HTTP 400: .*Model version doesn't exist"):
        show_version(project.client, project.number, NEW)
    project.predict({0: [OLD, NEW]})
    show_version(project.client, project.number, OLD)
    assert show_version(project.client, project.number, NEW) == OLD
    assert project.site.project(project.number)["model_version"] == NEW


def test_of_duplicates_the_first_one_stays_and_those_that_annotations_were_made_from(opened: Opened) -> None:
    project = PredictedProject(opened, "Duplicates", 1)
    project.predict({0: [NEW, NEW, NEW, OLD]})
    (task,) = project.tasks
    first, second, third = sorted(
        one["id"] for one in project.site.task(task)["predictions"] if one["model_version"] == NEW
    )
    project.post(f"/api/tasks/{task}/annotations", {"result": [], "parent_prediction": second})
    client = PredictionClient(opened.site.url, opened.token)
    (stored,) = client.iterate_stored(str(project.number), NEW, [task])
    assert (stored.ids, stored.surplus) == ((first, second, third), (third,))
