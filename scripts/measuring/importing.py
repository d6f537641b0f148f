"""Import of predictions into a large project of a real Label Studio, against small chunks through its SDK."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Container, Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from backend.bulk import Pipeline, PipelineRunner, Stage
from backend.label_studio.api import AnswerOf, PredictionClient
from backend.settings import Settings
from scripts.demo_circle import stage
from scripts.demo_circle.places import DemoFolder, free_ports
from scripts.measuring.place import CLASSES_AND_MASKS
from scripts.measuring.timing import Row, SkippedRow
from scripts.preannotate import build_parser
from scripts.preannotating.importing import Work, import_project
from scripts.preannotating.selection import Selection, select_tasks

GROUP = "Import"
TASKS = 10_000
RUNS, INTEGERS = 3, 2600  # of brush RLE, which make a prediction of 37 kB; the real ones of demo scenes have 23
PEER_CHUNK, PEER_CHUNKS = 10, 5
VERSION = "bench-auto-00000000"


def measure_import(settings: Settings, folder: Path) -> Row | SkippedRow:
    """Import a prediction of 37 kB into each task of a project; once, as it takes a minute."""
    what = f"{TASKS:,} predictions into a project of {TASKS:,} tasks"
    if not stage.LABEL_STUDIO.exists():
        return SkippedRow(GROUP, what, "Label Studio is not installed; `make demo` installs it")
    places = DemoFolder(folder / "label-studio-import")
    with stage.Stage(places, free_ports(), lambda _: None, with_redis=False) as started:
        site, token = started.open_label_studio()
        project = site.create_project("Import", CLASSES_AND_MASKS, "")
        site.import_tasks(project, [{"image": f"/data/upload/{number}.png"} for number in range(TASKS)])
        client = PredictionClient(site.url, token)
        peer_ms = _import_by_sdk(site.url, token, project) * TASKS / (PEER_CHUNK * PEER_CHUNKS)
        here_ms = import_and_time(client, project, settings.model_copy(update={"runs_dir": str(folder / "runs")}))
        stored = client.count_tasks(str(project), VERSION)
    if stored != TASKS:
        raise RuntimeError(f"{stored} of {TASKS} tasks have a prediction.")
    remark = (
        "listing, ledger, import and the search for duplicates; Label Studio with its memory-efficient import; the "
        f"peer's {PEER_CHUNKS} chunks, each task asked before for its predictions, scaled to all"
    )
    peer = f"label_studio_sdk, {PEER_CHUNK} predictions a request"
    return Row(GROUP, what, here_ms, here_ms, 1, peer, peer_ms, 10.0, remark)


def _predict(seed: int) -> dict[str, Any]:
    """A prediction of three masks whose RLE is noise of the usual length."""
    drawn = random.Random(seed)
    results = [
        {
            "id": f"region{number}",
            "type": "brushlabels",
            "from_name": "mask",
            "to_name": "image",
            "original_width": 640,
            "original_height": 480,
            "image_rotation": 0,
            "score": 0.9,
            "value": {
                "format": "rle",
                "rle": [drawn.randrange(256) for _ in range(INTEGERS * 3 // (2 * RUNS))],
                "brushlabels": ["object"],
            },
        }
        for number in range(2 * RUNS)
    ]
    return {"result": results, "score": 0.9}


def import_and_time(client: PredictionClient, project: int, settings: Settings) -> float:
    """Import a prediction into each task, as a run without models; return the milliseconds."""
    arguments = build_parser().parse_args(["--project", str(project), "--url", client.url, "--api-key", "-"])

    def select(answer_of: AnswerOf, without: Container[int], last: Collection[int]) -> Selection:
        return select_tasks(client, str(project), arguments, VERSION, answer_of=answer_of, last=last)

    ready = _predict(0)
    runner = PipelineRunner(Pipeline([Stage("predict", lambda _: ready)]))
    show = partial(nullcontext, None)
    work = Work(client, str(project), VERSION, {"settings": {}}, select, runner, lambda: None, lambda _: False, show)
    started = time.perf_counter()
    status = import_project(work, settings, arguments)
    if status != 0:
        raise RuntimeError(f"The import ended with status {status}.")
    return (time.perf_counter() - started) * 1000


def _import_by_sdk(url: str, token: str, project: int) -> float:
    """Return the milliseconds of some small chunks, as a script would send them; they are deleted afterwards."""
    from label_studio_sdk import LabelStudio

    sdk = LabelStudio(base_url=url, api_key=token)
    pager: Any = sdk.tasks.list(project=project, page_size=PEER_CHUNK * PEER_CHUNKS)
    ids = [task.id for task in pager.items]
    seconds = 0.0
    for chunk in _portions(ids):
        documents: list[Any] = [{"task": task, "model_version": "peer", **_predict(task)} for task in chunk]
        started = time.perf_counter()
        for task in chunk:
            sdk.predictions.list(task=task)
        sdk.projects.import_predictions(project, request=documents)
        seconds += time.perf_counter() - started
    for task in ids:
        for prediction in sdk.predictions.list(task=task):
            sdk.predictions.delete(prediction.id)
    return seconds * 1000


def _portions(ids: list[int]) -> Iterable[list[int]]:
    return (ids[place : place + PEER_CHUNK] for place in range(0, len(ids), PEER_CHUNK))
