"""The pipeline of a project with the demo models: the same documents as one prediction after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backend.bulk import Outcome, PipelineRunner, Progress, build_task_pipeline
from backend.cache import GuardedRedis
from backend.errors import BadImage, BadRequest, ImageUnavailable
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import FindText, SegmentAll, parse_task
from backend.predict import CACHED, COMPUTED, BulkRequest, TaskPredictor
from backend.projects import ProjectSettings
from backend.settings import Settings
from backend.values import Priority, ProposalOptions, Size
from backend.wiring import build_predictor
from scripts.measuring.place import Picture, make_pictures, serve

SMALL = Size(240, 180)
LABELS = '<Label value="red ring"/><Label value="blue square"/><Label value="green star"/>'
BRUSH = f'<View><Image name="a" value="$a"/><BrushLabels name="mask" toName="a">{LABELS}</BrushLabels></View>'
TWO_IMAGES = f"""<View><Image name="a" value="$a"/><Image name="b" value="$b"/>
<BrushLabels name="mask" toName="a">{LABELS}</BrushLabels>
<PolygonLabels name="outline" toName="b">{LABELS}</PolygonLabels>
<Choices name="place" toName="b"><Choice value="wood"/><Choice value="sand"/></Choices></View>"""
SECOND_IMAGE_ONLY_CLASSES = f"""<View><Image name="a" value="$a"/><Image name="b" value="$b"/>
<BrushLabels name="mask" toName="a">{LABELS}</BrushLabels>
<Choices name="place" toName="b"><Choice value="wood"/><Choice value="sand"/></Choices></View>"""
PER_REGION = BRUSH.replace(
    "</View>",
    '<Choices name="kind" toName="a" perRegion="true"><Choice value="ring"/><Choice value="star"/></Choices></View>',
)
OPTIONS = ProposalOptions(6, 0.6, 0.6, 20, 0.7)
EVERYTHING = SegmentAll(OPTIONS)


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return make_pictures(3, SMALL, first=300)


@pytest.fixture(scope="module")
def predictor(pictures: list[Picture]) -> Iterator[TaskPredictor]:
    files = {picture.uri: picture.png for picture in pictures}
    files["/data/upload/1/broken.png"] = pictures[0].png[:2000]
    with serve(files) as url:
        yield build_predictor(Settings(device="cpu", torch_threads=1, label_studio_url=url, cache_max_bytes=0))


def run(
    predictor: TaskPredictor,
    tasks: list[dict],
    config: LabelingConfig,
    request: BulkRequest = EVERYTHING,
    settings: ProjectSettings = ProjectSettings(),
    **options: Any,
) -> dict[int, Outcome]:
    steps = predictor.stages(config, request, settings, project_id="1", **options)
    return {outcome.task["id"]: outcome for outcome in PipelineRunner(build_task_pipeline(steps))(tasks)}


def without_ids(document: dict | None) -> list[tuple]:
    """The results without their random ids, but with what belongs together, and the score."""
    results = (document or {"result": []})["result"]
    ids = list(dict.fromkeys(result.get("id") for result in results))
    named = [{**result, "id": ids.index(result.get("id"))} for result in results]
    return [named, (document or {"score": 0.0})["score"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("xml", "request_", "settings"),
    [
        (BRUSH, EVERYTHING, ProjectSettings()),
        (PER_REGION, EVERYTHING, ProjectSettings(clean_masks=False, choices_threshold=0.1)),
        (TWO_IMAGES, EVERYTHING, ProjectSettings()),
        (SECOND_IMAGE_ONLY_CLASSES, EVERYTHING, ProjectSettings()),
        (SECOND_IMAGE_ONLY_CLASSES, FindText(("the red ring", "blue square"), OPTIONS), ProjectSettings()),
        (TWO_IMAGES, SegmentAll(OPTIONS, review=True), ProjectSettings()),
        (BRUSH, FindText(("red ring", "blue square"), OPTIONS, review=True), ProjectSettings()),
    ],
    ids=["brush", "per-region", "two-images", "only-classes", "text", "review", "text-review"],
)
def test_the_pipeline_gives_the_documents_of_one_prediction_after_the_other(
    predictor: TaskPredictor,
    pictures: list[Picture],
    xml: str,
    request_: BulkRequest,
    settings: ProjectSettings,
) -> None:
    config = parse_labeling_config(xml)
    uris = [picture.uri for picture in pictures]
    tasks = [{"id": n, "data": {"a": uri, "b": uris[n - 1]}} for n, uri in enumerate(uris)]
    outcomes = run(predictor, tasks, config, request_, settings)
    assert sorted(outcomes) == [0, 1, 2]
    for task in tasks:
        parsed = parse_task(task, config, project_id="1")
        expected = predictor.predict(parsed, config, request_, settings, priority=Priority.BULK)
        assert outcomes[task["id"]].error is None
        assert without_ids(outcomes[task["id"]].prediction) == without_ids(expected)
    if not isinstance(request_, FindText):
        assert all(outcome.prediction["result"] for outcome in outcomes.values())


@pytest.mark.slow
@pytest.mark.parametrize("review", [False, True])
def test_a_task_on_which_nothing_is_found_has_the_lowest_score(
    predictor: TaskPredictor, pictures: list[Picture], review: bool
) -> None:
    task = {"id": 1, "data": {"a": pictures[0].uri}}
    nothing = SegmentAll(ProposalOptions(2, 1.0, 1.0, 20, 0.7), review=review)
    assert run(predictor, [task], parse_labeling_config(BRUSH), nothing)[1].prediction == {"result": [], "score": 0.0}


@pytest.mark.slow
def test_broken_tasks_fail_with_what_is_wrong_and_the_others_are_predicted(
    predictor: TaskPredictor, pictures: list[Picture]
) -> None:
    tasks = [
        {"id": 1, "data": {"a": pictures[0].uri}},
        {"id": 2, "data": {"a": "/data/upload/1/broken.png"}},
        {"id": 3, "data": {"a": "/data/upload/1/missing.png"}},
        {"id": 4, "data": {"text": "no image"}},
        {"id": 5, "data": {"a": pictures[0].uri}},
    ]
    outcomes = run(predictor, tasks, parse_labeling_config(BRUSH))
    assert {n: type(outcome.error) for n, outcome in outcomes.items() if outcome.error} == {
        2: BadImage,
        3: ImageUnavailable,
        4: BadRequest,
    }
    assert without_ids(outcomes[1].prediction) == without_ids(outcomes[5].prediction), "a repeated image"


@pytest.mark.slow
def test_embeddings_go_to_the_cache_on_the_way_and_are_taken_from_it(
    pictures: list[Picture], redis_server: Any
) -> None:
    config = parse_labeling_config(BRUSH)
    tasks = [{"id": n, "data": {"a": picture.uri}} for n, picture in enumerate(pictures)]
    with serve({picture.uri: picture.png for picture in pictures}) as url:
        settings = Settings(device="cpu", torch_threads=1, label_studio_url=url, cache_max_bytes=0)
        shared = build_predictor(settings, GuardedRedis(redis_server.url, 5.0))
        noted = Progress()
        without = run(shared, tasks, config, uses_cache=False, note=noted.note)
        assert noted.snapshot().noted == {COMPUTED: 3}
        first = run(shared, tasks, config, note=noted.note)
        assert noted.snapshot().noted == {COMPUTED: 6}, "the run before kept nothing"
        second = run(shared, tasks, config, note=noted.note)
    assert noted.snapshot().noted == {COMPUTED: 6, CACHED: 3}
    for task in tasks:
        documents = [without_ids(outcomes[task["id"]].prediction) for outcomes in (without, first, second)]
        assert documents[0] == documents[1] == documents[2]
