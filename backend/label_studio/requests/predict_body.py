"""/predict bodies to tasks and the one request that is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import BadPrompt, BadRequest, shorten
from backend.label_studio.config import ImageConfig, LabelingConfig, check_text_prompt, parse_labeling_config
from backend.label_studio.requests.correctable_regions import find_correctable
from backend.label_studio.requests.draft_prompts import join_draft
from backend.label_studio.requests.ordinary_regions import drop_leaks
from backend.label_studio.requests.prompts import SEND_REMEDY, parse_prompts
from backend.label_studio.requests.request import ClassifyImage, Click, FindText, Request
from backend.label_studio.requests.tasks import Task, parse_project_id, parse_task, parse_task_on
from backend.label_studio.requests.text_areas import holds_texts, parse_texts
from backend.label_studio.results import kind_of


@dataclass(frozen=True)
class PredictBody:
    """A /predict body whose labeling config is parsed and whose tasks are not.

    Attributes:
        documents: The tasks, as they came.
        context: What a person drew or typed; None where Label Studio asks on its own.
    """

    documents: Sequence[Any]
    config: LabelingConfig
    project_id: str
    context: Sequence[Any] | None


@dataclass(frozen=True)
class PredictRequest:
    """A parsed /predict body.

    Attributes:
        request: Of all its tasks; None where a person drew or typed nothing that is to be answered.
    """

    tasks: tuple[Task, ...]
    config: LabelingConfig
    project_id: str
    request: Request | None


def parse_predict_body(body: Mapping[str, Any]) -> PredictBody:
    """Check the types in the body of POST /predict and parse its labeling config.

    Raises:
        BadRequest: No tasks, no labeling config, or wrong types.
        BadConfig: The labeling config cannot carry an answer.
    """
    if not isinstance(body, Mapping):
        raise BadRequest(f"The body is {kind_of(body)}, not an object.", remedy=SEND_REMEDY)
    documents = body.get("tasks")
    if not isinstance(documents, list):
        raise BadRequest(f'"tasks" is {kind_of(documents)}, not a list.', remedy=SEND_REMEDY)
    xml = body.get("label_config")
    if not isinstance(xml, str):
        raise BadRequest(f'"label_config" is {kind_of(xml)}, not a text.', remedy=SEND_REMEDY)
    config = parse_labeling_config(xml)
    project_id = parse_project_id(body.get("project"))
    context = _context_result(body)
    if context is not None and len(documents) != 1:
        message = f"A prompt belongs to one task, but {len(documents)} tasks came with it."
        raise BadRequest(message, remedy=SEND_REMEDY)
    return PredictBody(documents, config, project_id, context)


def parse_predict_request(body: PredictBody, text_prompt: str | None = None) -> PredictRequest:
    """Parse the tasks, and decide what is asked of them.

    Of drafts, annotations and predictions only ids, kinds and labels are looked at and no mask is decoded, so a click
    costs about the same however many there are.

    Args:
        text_prompt: The text area whose texts are answered, by the project's setting.

    Raises:
        BadRequest: Wrong types, no image in a task.
        BadConfig: The labeling config has no such text area.
        BadPrompt: A prompt that cannot be answered.
    """
    config, project_id = body.config, body.project_id
    if body.context is None:
        tasks = tuple(parse_task(document, config, project_id=project_id) for document in body.documents)
        return PredictRequest(tasks, config, project_id, ClassifyImage())
    (document,) = body.documents
    task, request = parse_prompted_task(document, config, body.context, text_prompt, project_id=project_id)
    return PredictRequest((task,), config, project_id, request)


def parse_prompted_task(
    document: Mapping[str, Any],
    config: LabelingConfig,
    context: Sequence[Mapping[str, Any]],
    text_prompt: str | None = None,
    *,
    project_id: str = "",
) -> tuple[Task, Click | FindText | None]:
    """Parse one task with what a person drew or typed on it, and decide what they ask for.

    The task's drafts may complete the prompts (see `draft_prompts`); some results of the context are no prompts (see
    `ordinary_regions`).

    Args:
        document: The task.
        context: `context.result`; empty where a person took the prompts back.
        text_prompt: As for `parse_predict_request`.

    Raises:
        BadRequest, BadConfig, BadPrompt: As `parse_predict_request`.
    """
    if not context:
        return parse_task(document, config, project_id=project_id), None
    image = _image_of_prompts(context, config)
    task = parse_task_on(document, image, project_id=project_id)
    if holds_texts(context):
        return task, _find_typed(parse_texts(context, document), config, text_prompt)
    clicked = parse_prompts(drop_leaks(context, document, image), image)
    prompts = join_draft(clicked, context, document, image)
    if not prompts:
        return task, None
    return task, Click(prompts, find_correctable(clicked, context, document, image))


def _find_typed(texts: Sequence[tuple[str, str]], config: LabelingConfig, text_prompt: str | None) -> FindText | None:
    """The text typed into the project's text prompt; None where there is none, or only in other areas."""
    if not texts or text_prompt is None:
        return None
    check_text_prompt(config, text_prompt)
    typed = dict(texts).get(text_prompt)
    return None if typed is None else FindText((typed,))


def _image_of_prompts(context: Sequence[Mapping[str, Any]], config: LabelingConfig) -> ImageConfig:
    """The image that the prompts were drawn on; Label Studio sends those of one image at a time."""
    names = {result.get("to_name") for result in context if isinstance(result, Mapping)} - {None}
    if len(names) != 1 or len(config.images) == 1:
        return config.images[0]
    (name,) = names
    if not any(image.name == name for image in config.images):
        known = shorten(", ".join(image.name for image in config.images))
        message = f'The prompt was drawn on the image "{shorten(name)}", but those that can be answered are: {known}.'
        raise BadPrompt(message, remedy="Give that image a control for masks, such as BrushLabels with its toName.")
    return config.image(str(name))


def _context_result(body: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """What the person drew; None where nobody did."""
    params = _object(body, "params")
    context = _object(params, "context", "params.")
    if context is None:
        context = _object(body, "context")
    result = context.get("result") if context is not None else None
    if result is None:
        return None
    if not isinstance(result, list):
        raise BadRequest(f'"context.result" is {kind_of(result)}, not a list.', remedy=SEND_REMEDY)
    return result


def _object(holder: Mapping[str, Any] | None, key: str, where: str = "") -> Mapping[str, Any] | None:
    """The object under a key; None where there is none. Anything else would be answered as if nobody had clicked."""
    found = holder.get(key) if holder is not None else None
    if found is None or isinstance(found, Mapping):
        return found
    raise BadRequest(f'"{where}{key}" is {kind_of(found)}, not an object.', remedy=SEND_REMEDY)
