"""Fill a project with predictions: automatic masks by SAM, classes by CLIP.

    python -m scripts.preannotate --project 1 --url http://localhost:8080 --api-key TOKEN
    python -m scripts.preannotate --project 1 --text "the red car"      only what the words name; --text may be repeated

It may be stopped and started again: a task is done when it has a prediction of this model version, which names the
weights, the parameters and the vocabulary. Annotations of people are neither read nor touched. Exit status: 0 when
every task was done, 1 when some failed (the summary says which and why), 130 when it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, Protocol

from backend.bulk import Json, Predictions, Summary, import_before_leaving, import_chunk
from backend.engine import parse_text
from backend.errors import BadSettings, LabelStudioError, shorten
from backend.label_studio.config import LabelingConfig, parse_labeling_config
from backend.label_studio.requests import FindText, SegmentAll, Task, parse_task
from backend.projects import ProjectSettings, check_setup
from backend.values import Priority, ProposalOptions
from scripts.console import (
    add_connection_options,
    positive_int,
    read_settings,
    run_and_leave,
    run_command,
    share,
    show_progress,
)

CHUNK = 10
FOR_CLICKS = ("auto_label", "prefetch", "text_prompt")  # project settings that change nothing here


Asked = FindText | SegmentAll


class Predictor(Protocol):
    """What of `backend.predict.task_predictor.TaskPredictor` is used here."""

    @property
    def model_version(self) -> str: ...

    def predict(
        self, task: Task, config: LabelingConfig, request: Asked, settings: ProjectSettings, *, priority: Priority
    ) -> Json | None: ...


class Backends(Protocol):
    """What of `backend.label_studio.api.client.LabelStudioClient` tells of the project's ML backends."""

    def extra_params(self, project_id: str) -> list[Any]: ...


def build_version(model_version: str, config: LabelingConfig, request: Asked, settings: ProjectSettings) -> str:
    """What predictions are filed under: the models' version, then 8 digits for all that makes them besides.

    A text that is not given leaves no trace in the digits, nor do settings that are the default or change nothing here.
    """
    controls = [
        asdict(control)
        for image in config.images
        for control in (*image.answers, *image.region_choices, *image.image_choices)
    ]
    named: Json = {"proposal": asdict(request.options) if request.options else None, "controls": controls}
    if isinstance(request, FindText):
        named |= {"text": request.texts[0]} if len(request.texts) == 1 else {"texts": request.texts}
    changed = {name: value for name, value in settings.changed().items() if name not in FOR_CLICKS}
    named |= {"settings": changed} if changed else {}
    digest = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()
    return f"{model_version}-auto-{digest[:8]}"


def find_pending(tasks: Iterable[Json], version: str, summary: Summary, limit: int | None) -> list[Json]:
    """The first `limit` tasks without a prediction of this version, stripped to what a prediction needs.

    Of their other predictions only remains whether there are any: "has_others".
    """
    pending = []
    for task in tasks:
        if has_version(task, version):
            summary.skipped += 1
        else:
            has_others = isinstance(found := task.get("predictions"), list) and bool(found)
            pending.append({"id": task.get("id"), "data": task.get("data"), "has_others": has_others})
            if limit and len(pending) == limit:
                break
    return pending


def has_version(task: Mapping[str, Any], version: str) -> bool:
    """Whether the task is done."""
    found = task.get("predictions")
    return isinstance(found, list) and any(
        isinstance(prediction, Mapping) and prediction.get("model_version") == version for prediction in found
    )


def preannotate(
    client: Predictions,
    predictor: Predictor,
    project_id: str,
    config: LabelingConfig,
    pending: Sequence[Json],
    version: str,
    summary: Summary,
    request: Asked,
    settings: ProjectSettings,
) -> None:
    """Predict each task and import the predictions in chunks, also the last, unfinished one when it is interrupted.

    Args:
        pending: As `find_pending` gives them.
        version: `build_version` of the same config, request and settings.

    Raises:
        LabelStudioError: Not one prediction of a chunk was taken, so that going on would be for nothing.
    """
    chunk: list[Json] = []
    bar = show_progress(pending, "pre-annotating")
    try:
        for task in bar:
            document = _predict(predictor, task, project_id, config, summary, request, settings)
            if document is not None and isinstance(request, FindText) and task["has_others"] and not document["result"]:
                summary.unchanged += 1  # Label Studio shows the newest prediction, which would be an empty one
            elif document is not None:
                chunk.append({**document, "task": task["id"], "model_version": version})
            if len(chunk) == CHUNK:
                full, chunk = chunk, []
                import_chunk(client, project_id, full, summary)
            bar.set_postfix(created=summary.created, failed=summary.failed, refresh=False)
    except KeyboardInterrupt:
        import_before_leaving(client, project_id, chunk, summary)
        raise
    if chunk:
        import_chunk(client, project_id, chunk, summary)


def _predict(
    predictor: Predictor,
    task: Json,
    project_id: str,
    config: LabelingConfig,
    summary: Summary,
    request: Asked,
    settings: ProjectSettings,
) -> Json | None:
    """The task's prediction, without a mask where there is none to be found; None when it failed, which is counted."""
    try:
        parsed = parse_task(task, config, project_id=project_id)
        document = predictor.predict(parsed, config, request, settings, priority=Priority.BULK)
    except Exception as error:  # one broken task must not end the work on thousands
        logging.getLogger(__name__).debug("Task %s failed", task.get("id"), exc_info=True)
        summary.fail(task.get("id"), error)
        return None
    return document or {"result": [], "score": None}


def build_parser() -> argparse.ArgumentParser:
    """The command's options; a parameter of SAM that is not given has the checkpoint's default."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.preannotate",
        description="Fill a project with predictions: masks by SAM, classes by CLIP.",
    )
    add_connection_options(parser)
    parser.add_argument("--limit", type=positive_int, metavar="N", help="predict at most N tasks that have none yet")
    parser.add_argument(
        "--text",
        metavar="WORDS",
        action="append",
        default=[],
        help='predict only what the words name, as "the red car"; may be given several times',
    )
    masks = parser.add_argument_group(
        "automatic masks", "SamAutomaticMaskGenerator's parameters; defaults belong to the weights"
    )
    masks.add_argument("--points-per-side", type=positive_int, metavar="N", help="click on an N x N grid")
    masks.add_argument("--pred-iou-thresh", type=share, metavar="X", help="SAM's own opinion of a mask, at least")
    masks.add_argument(
        "--stability-score-thresh", type=share, metavar="X", help="how little a mask may depend on its threshold"
    )
    masks.add_argument(
        "--box-nms-thresh", type=share, metavar="X", help="masks whose boxes overlap more are one object"
    )
    masks.add_argument(
        "--mask-nms-thresh", type=share, metavar="X", help="of masks that overlap more (IoU) only the best is kept"
    )
    masks.add_argument(
        "--min-mask-region-area", type=int, metavar="PIXELS", help="smaller specks and holes are removed"
    )
    masks.add_argument(
        "--score-threshold", type=share, metavar="X", help="keep masks whose class is at least this probable"
    )
    masks.add_argument("--max-masks", type=positive_int, metavar="N", help="keep the N best masks of an image")
    return parser


def check_can_name(can_classify: bool, config: LabelingConfig) -> None:
    """Raises BadSettings where nobody could tell which label a mask gets: there are several, and no CLIP."""
    names = max(([label.name for label in image.answer_classes] for image in config.images), key=len)
    if can_classify or len(names) <= 1:
        return
    raise BadSettings(
        f"There is no CLIP to choose among the {len(names)} labels ({shorten(', '.join(names))}): every mask "
        f'would be saved as "{shorten(names[0])}".',
        remedy="Set CLIP_MODEL to a model that loads (demo-clip, or see the README), or leave one label.",
    )


def check_can_read(can_classify: bool, texts: Sequence[str]) -> None:
    """Raises BadSettings where a text is given and there is no CLIP to read it, BadPrompt where it names nothing."""
    for text in texts:
        parse_text(text)
        if not can_classify:
            raise BadSettings(
                f'There is no CLIP to find "{shorten(text)}" with.',
                remedy="Set CLIP_MODEL to a model that loads (demo-clip, or see the README), or leave --text out.",
            )


def read_project_settings(client: Backends, project_id: str, label_config: str) -> ProjectSettings:
    """What the project says in its labeling config and, where this token may read them, in its backend's extra params.

    Raises:
        BadConfig, BadProjectSettings: Something in them cannot be used; better said now than saved a thousand times.
    """
    try:
        said = client.extra_params(project_id)
    except LabelStudioError as error:
        print(f"The extra params of the project's ML backend are left out. {error}", flush=True)
        said = []
    if any(other != said[0] for other in said):
        print(f"The project's {len(said)} ML backends have different extra params, which are left out.", flush=True)
        said = []
    settings = check_setup(label_config, said[0] if said else None)[1]
    if settings.changed():
        print(f"Project settings: {json.dumps(settings.changed())}", flush=True)
    return settings


def override(proposal: ProposalOptions, arguments: argparse.Namespace) -> ProposalOptions:
    """The default proposal with the options that were given."""
    given = {f.name: value for f in fields(proposal) if (value := getattr(arguments, f.name, None)) is not None}
    return replace(proposal, **given)


def run(arguments: argparse.Namespace) -> int:
    """Connect, load the models, predict, import, and say what became of it."""
    from backend.label_studio.api import LabelStudioClient
    from backend.wiring import build_predictor

    settings = read_settings(arguments.url, arguments.api_key)
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    project_id = str(arguments.project)
    project = client.project(project_id)  # a wrong token should not wait for the models
    config = parse_labeling_config(project.label_config)
    wanted = read_project_settings(client, project_id, project.label_config)
    print(f"Project {project_id}, {project.title!r}: loading the models …", flush=True)
    predictor = build_predictor(settings)
    check_can_name(predictor.labeler.can_classify, config)
    texts = tuple(dict.fromkeys(arguments.text))
    check_can_read(predictor.labeler.can_classify, texts)
    proposal = override(predictor.default_proposal(), arguments)
    request: Asked = FindText(texts, proposal) if texts else SegmentAll(proposal)
    version = build_version(predictor.model_version, config, request, wanted)
    print(f"Model version {version}", flush=True)
    summary = Summary()
    tasks = show_progress(client.iterate_tasks(project_id), "looking for tasks")
    pending = find_pending(tasks, version, summary, arguments.limit)
    tasks.close()
    try:
        preannotate(client, predictor, project_id, config, pending, version, summary, request, wanted)
    finally:
        print(summary, flush=True)
    return 1 if summary.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; returns the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
