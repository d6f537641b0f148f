"""Fill a project with predictions: automatic masks by SAM, classes by CLIP.

    python -m scripts.preannotate --project 1 --url http://localhost:8080 --api-key TOKEN
    python -m scripts.preannotate --project 1 --text "the red car"      only what the text names; --text may be repeated

It can be interrupted and restarted: a task is done when it has a prediction of this model version, which identifies the
weights, the parameters and the vocabulary. Annotations are neither read nor changed. Exit status: 0 if every task is
done, 1 if some failed (the summary lists the reasons), 130 if it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Protocol

from backend.bulk import Json, Predictions, Summary, import_before_exit, import_chunk
from backend.engine import parse_text
from backend.errors import BadSettings, LabelStudioError, shorten
from backend.label_studio.config import ConfigLimits, LabelingConfig, parse_labeling_config
from backend.label_studio.requests import FindText, SegmentAll, Task, parse_task
from backend.predict import BulkRequest, build_version
from backend.projects import ProjectSettings, check_setup
from backend.values import ClassName, Priority, ProposalOptions
from scripts.console import (
    add_connection_options,
    fraction,
    positive_int,
    read_settings,
    run_and_leave,
    run_command,
    show_progress,
)

CHUNK = 10


class Predictor(Protocol):
    """The part of `backend.predict.TaskPredictor` that is needed here."""

    @property
    def model_version(self) -> str: ...

    def predict(
        self, task: Task, config: LabelingConfig, request: BulkRequest, settings: ProjectSettings, *, priority: Priority
    ) -> Json | None: ...


class Labeler(Protocol):
    """The part of `backend.engine.ImageLabeler` that says what CLIP knows."""

    def limits_for(self, vocabularies: Sequence[Sequence[ClassName]]) -> str: ...


class Backends(Protocol):
    """The part of `LabelStudioClient` that reads the project's ML backends."""

    def extra_params(self, project_id: str) -> list[Any]: ...


def find_pending(tasks: Iterable[Json], version: str, summary: Summary, limit: int | None) -> list[Json]:
    """Return the first `limit` tasks without a prediction of this version, stripped to what a prediction needs.

    "has_others" states whether a task has other predictions.
    """
    pending = []
    for task in tasks:
        if has_version(task, version):
            summary.skipped += 1
        else:
            has_others = isinstance(predictions := task.get("predictions"), list) and bool(predictions)
            pending.append({"id": task.get("id"), "data": task.get("data"), "has_others": has_others})
            if limit and len(pending) == limit:
                break
    return pending


def has_version(task: Mapping[str, Any], version: str) -> bool:
    """Return whether the task has a prediction of this version."""
    predictions = task.get("predictions")
    return isinstance(predictions, list) and any(
        isinstance(prediction, Mapping) and prediction.get("model_version") == version for prediction in predictions
    )


def preannotate(
    client: Predictions,
    predictor: Predictor,
    project_id: str,
    config: LabelingConfig,
    pending: Sequence[Json],
    version: str,
    summary: Summary,
    request: BulkRequest,
    settings: ProjectSettings,
) -> None:
    """Predict each task and import the predictions in chunks, including the last, partial one on interruption.

    Args:
        pending: From `find_pending`.
        version: `build_version` of the same config, request and settings.

    Raises:
        LabelStudioError: Label Studio accepted no prediction of a chunk, so the rest would fail too.
    """
    chunk: list[Json] = []
    bar = show_progress(pending, "pre-annotating")
    try:
        for task in bar:
            document = _predict(predictor, task, project_id, config, summary, request, settings)
            if document is not None and isinstance(request, FindText) and task["has_others"] and not document["result"]:
                summary.unchanged += 1  # an empty prediction would hide the earlier ones: Label Studio shows the newest
            elif document is not None:
                chunk.append({**document, "task": task["id"], "model_version": version})
            if len(chunk) == CHUNK:
                full, chunk = chunk, []
                import_chunk(client, project_id, full, summary)
            bar.set_postfix(created=summary.created, failed=summary.failed, refresh=False)
    except KeyboardInterrupt:
        import_before_exit(client, project_id, chunk, summary)
        raise
    if chunk:
        import_chunk(client, project_id, chunk, summary)


def _predict(
    predictor: Predictor,
    task: Json,
    project_id: str,
    config: LabelingConfig,
    summary: Summary,
    request: BulkRequest,
    settings: ProjectSettings,
) -> Json | None:
    """Predict a task: a prediction, empty if there is no mask, or None if it failed; the failure is counted.

    Without a mask the score is 0: Label Studio would order a task without a score as its database does.
    """
    try:
        parsed = parse_task(task, config, project_id=project_id)
        document = predictor.predict(parsed, config, request, settings, priority=Priority.BULK)
    except Exception as error:  # one broken task must not end a run over thousands
        logging.getLogger(__name__).debug("Task %s failed", task.get("id"), exc_info=True)
        summary.fail(task.get("id"), error)
        return None
    return document or {"result": [], "score": 0.0}


def build_parser() -> argparse.ArgumentParser:
    """Build the command's option parser; parameters of SAM default to the checkpoint's values."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.preannotate",
        description="Fill a project with predictions: masks by SAM, classes by CLIP.",
    )
    add_connection_options(parser)
    parser.add_argument("--limit", type=positive_int, metavar="N", help="predict at most N pending tasks")
    parser.add_argument(
        "--text",
        metavar="WORDS",
        action="append",
        default=[],
        help='predict only what the text names, e.g. "the red car"; may be repeated',
    )
    parser.add_argument(
        "--review",
        action="store_true",
        help="score each mask by how far it can be trusted, so that the doubtful tasks are reviewed first",
    )
    masks = parser.add_argument_group(
        "automatic masks", "SamAutomaticMaskGenerator's parameters; the defaults depend on the checkpoint"
    )
    masks.add_argument("--points-per-side", type=positive_int, metavar="N", help="prompt with an N x N grid of points")
    masks.add_argument("--pred-iou-thresh", type=fraction, metavar="X", help="minimum predicted IoU of a mask")
    masks.add_argument(
        "--stability-score-thresh",
        type=fraction,
        metavar="X",
        help="minimum stability of a mask under a changed threshold",
    )
    masks.add_argument(
        "--box-nms-thresh",
        type=fraction,
        metavar="X",
        help="of masks whose boxes overlap more (IoU) only the best is kept",
    )
    masks.add_argument(
        "--mask-nms-thresh", type=fraction, metavar="X", help="of masks that overlap more (IoU) only the best is kept"
    )
    masks.add_argument("--min-mask-region-area", type=int, metavar="PIXELS", help="remove smaller specks and holes")
    masks.add_argument("--score-threshold", type=fraction, metavar="X", help="minimum class probability of a mask")
    masks.add_argument("--max-masks", type=positive_int, metavar="N", help="keep the N best masks of an image")
    return parser


def check_can_name(can_classify: bool, config: LabelingConfig) -> None:
    """Raise BadSettings if there are several labels and no CLIP to choose among them."""
    names = max(([label.name for label in image.answer_classes] for image in config.images), key=len)
    if can_classify or len(names) <= 1:
        return
    raise BadSettings(
        f"No CLIP model is loaded to choose among the {len(names)} labels ({shorten(', '.join(names))}): every mask "
        f'would be saved as "{shorten(names[0])}".',
        remedy="Set CLIP_MODEL to a model that loads (demo-clip, or see the README), or keep a single label.",
    )


def check_knows_labels(labeler: Labeler, config: LabelingConfig) -> None:
    """Raise BadSettings if CLIP has to choose among labels that it does not know, as the demo's may."""
    limits = labeler.limits_for([image.answer_classes for image in config.images if len(image.answer_classes) > 1])
    if limits:
        remedy = "Set SAM_MODEL and CLIP_MODEL to models for photographs (see the README), or keep a single label."
        raise BadSettings(f"{limits} They cannot choose among the labels of this project.", remedy=remedy)


def check_can_read(can_classify: bool, texts: Sequence[str]) -> None:
    """Raise BadSettings if a text is given without a CLIP, BadPrompt if a text is invalid."""
    for text in texts:
        parse_text(text)
        if not can_classify:
            raise BadSettings(
                f'No CLIP model is loaded to match the text "{shorten(text)}".',
                remedy="Set CLIP_MODEL to a model that loads (demo-clip, or see the README), or omit --text.",
            )


def read_project_settings(
    client: Backends, project_id: str, label_config: str, limits: ConfigLimits = ConfigLimits()
) -> ProjectSettings:
    """Read the settings in the labeling config and, if this token may read them, in the backend's extra params.

    Raises:
        BadConfig, BadProjectSettings: A setting is invalid; better reported now than stored in every prediction.
    """
    try:
        extra_params = client.extra_params(project_id)
    except LabelStudioError as error:
        print(f"Ignoring the extra params of the project's ML backend. {error}", flush=True)
        extra_params = []
    if any(other != extra_params[0] for other in extra_params):
        print(
            f"Ignoring the extra params: they differ between the project's {len(extra_params)} ML backends.", flush=True
        )
        extra_params = []
    settings = check_setup(label_config, extra_params[0] if extra_params else None, limits)[1]
    if settings.changed():
        print(f"Project settings: {json.dumps(settings.changed())}", flush=True)
    return settings


def override(proposal: ProposalOptions, arguments: argparse.Namespace) -> ProposalOptions:
    """Return the default proposal with the given options replaced."""
    given = {f.name: value for f in fields(proposal) if (value := getattr(arguments, f.name, None)) is not None}
    return replace(proposal, **given)


def run(arguments: argparse.Namespace) -> int:
    """Connect, load the models, predict, import, and print a summary."""
    from backend.label_studio.api import LabelStudioClient
    from backend.wiring import build_limits, build_predictor

    settings = read_settings(arguments.url, arguments.api_key)
    client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key)
    project_id = str(arguments.project)
    project = client.project(project_id)  # report a wrong token before loading the models
    limits = build_limits(settings).config
    config = parse_labeling_config(project.label_config, limits)
    project_settings = read_project_settings(client, project_id, project.label_config, limits)
    print(f"Project {project_id}, {project.title!r}: loading the models …", flush=True)
    predictor = build_predictor(settings)
    check_can_name(predictor.labeler.can_classify, config)
    check_knows_labels(predictor.labeler, config)
    texts = tuple(dict.fromkeys(arguments.text))
    check_can_read(predictor.labeler.can_classify, texts)
    proposal = override(predictor.default_proposal(), arguments)
    request: BulkRequest = FindText(texts, proposal) if texts else SegmentAll(proposal)
    request = replace(request, review=arguments.review)
    version = build_version(predictor.model_version, config, request, project_settings)
    print(f"Model version {version}", flush=True)
    summary = Summary()
    tasks = show_progress(client.iterate_tasks(project_id), "looking for tasks")
    pending = find_pending(tasks, version, summary, arguments.limit)
    tasks.close()
    try:
        preannotate(client, predictor, project_id, config, pending, version, summary, request, project_settings)
    finally:
        print(summary, flush=True)
    return 1 if summary.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the options and run; return the exit status."""
    arguments = build_parser().parse_args(argv)
    return run_command(lambda: run(arguments))


if __name__ == "__main__":
    run_and_leave(main)
