"""An answer to a click, a text or a command as it was sent to Label Studio, and its JSON in Redis.

{"version": 2, "answers": [{"results": [{"id": "f628e28c", "type": "brushlabels", …}], "base": [],
  "prompts": [{"point_coords": [[160.0, 240.0]], "point_labels": [1], "box_xyxy": null, "label": "Dog",
               "drawn_size": [640, 480]}],
  "prompt_ids": ["lo1VElWDbu"], "user": "", "draft": "", "annotations": "", "answered_at": 1795206950.25,
  "chains": {"f628e28c": {"point_coords": [[160.0, 240.0]], "point_labels": [1], "box_xyxy": null}}}]}
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from backend.errors import BadRegion
from backend.label_studio.config import ImageConfig
from backend.label_studio.requests import LabeledPrompt, PageState, parse_body
from backend.label_studio.results import LabeledRegion, Result, parse_regions
from backend.values import Prompt, Size

_VERSION = 2


@dataclass(frozen=True)
class RememberedAnswer:
    """An answer to a click, a text or a command.

    Attributes:
        results: The results of its regions as they were sent: masks, labels and choices.
        prompts: The points and boxes that it answers, in pixels; () for a text or command.
        prompt_ids: Label Studio's ids of these prompts.
        base: The results of the masks that it was made from: of a click those of the remembered mask that it corrects
            and of those that were answered with it, of a command that resizes those that it replaces.
        page: State of the page when it was asked for; of the draft only its version, without the project.
        answered_at: Unix time.
        chains: The box and clicks that a region is SAM's answer to, by its id, with those before a tick; see
            `click_chains`.
    """

    results: tuple[Result, ...]
    prompts: tuple[LabeledPrompt, ...]
    prompt_ids: frozenset[str]
    base: tuple[Result, ...]
    page: PageState
    answered_at: float
    chains: Mapping[str, Prompt] = field(default_factory=dict)

    def regions(self, config: ImageConfig) -> list[LabeledRegion]:
        """Decode its masks; see `decode_remembered`."""
        return decode_remembered(self.results, config)

    @property
    def region_ids(self) -> frozenset[str]:
        """Ids of its regions."""
        return frozenset(str(result.get("id")) for result in self.results)

    def is_pending(self, page: PageState) -> bool:
        """Whether it is neither accepted nor rejected: both remove its prompts from the page."""
        return bool(self.prompt_ids & page.prompt_ids)

    def is_in_newer_draft(self, page: PageState) -> bool:
        """Whether a draft that is newer than the answer has some of its regions: they were accepted."""
        return bool(self.region_ids & page.draft_ids) and page.draft != self.page.draft

    @property
    def nbytes(self) -> int:
        """Approximate size in memory."""
        return 2000 + sum(map(_size_of, (*self.results, *self.base)))


def decode_remembered(results: Sequence[Result], config: ImageConfig) -> list[LabeledRegion]:
    """Decode remembered masks; none if one of them is damaged, which only a broken Redis can do."""
    try:
        return parse_regions(results, config)
    except BadRegion:
        return []


def encode_answers(answers: Sequence[RememberedAnswer]) -> bytes:
    """Encode answers as a versioned JSON document."""
    return orjson.dumps({"version": _VERSION, "answers": [_to_json(answer) for answer in answers]})


def decode_answers(document: bytes) -> tuple[RememberedAnswer, ...]:
    """Decode what `encode_answers` of this version wrote.

    Raises:
        ValueError: Anything else.
    """
    try:
        fields = parse_body(document)
        if fields["version"] != _VERSION:
            raise ValueError("unsupported version")
        return tuple(map(_from_json, fields["answers"]))
    except (TypeError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(f"unexpected fields: {error!r}") from error


def _to_json(answer: RememberedAnswer) -> dict[str, Any]:
    page = answer.page
    return {
        "results": answer.results,
        "base": answer.base,
        "prompts": [
            _prompt_to_json(one.prompt)
            | {"label": one.label, "drawn_size": (one.drawn_size.width, one.drawn_size.height)}
            for one in answer.prompts
        ],
        "prompt_ids": sorted(answer.prompt_ids),
        "user": page.user,
        "draft": page.draft,
        "annotations": page.annotations,
        "answered_at": answer.answered_at,
        "chains": {region_id: _prompt_to_json(chain) for region_id, chain in answer.chains.items()},
    }


def _prompt_to_json(prompt: Prompt) -> dict[str, Any]:
    return {
        "point_coords": prompt.point_coords,
        "point_labels": prompt.point_labels,
        "box_xyxy": prompt.box_xyxy,
    }


def _from_json(fields: Mapping[str, Any]) -> RememberedAnswer:
    page = PageState(user=str(fields["user"]), draft=str(fields["draft"]), annotations=str(fields["annotations"]))
    answered_at = float(fields["answered_at"])
    if not math.isfinite(answered_at):
        raise ValueError("answered_at is not finite")
    return RememberedAnswer(
        _results(fields["results"]),
        tuple(map(_labeled_prompt, fields["prompts"])),
        frozenset(map(str, fields["prompt_ids"])),
        _results(fields["base"]),
        page,
        answered_at,
        {region_id: _prompt(chain) for region_id, chain in fields["chains"].items()},
    )


def _results(listed: Any) -> tuple[Result, ...]:
    if not isinstance(listed, list) or not all(isinstance(result, dict) for result in listed):
        raise ValueError("results that are not a list of objects")
    return tuple(listed)


def _labeled_prompt(fields: Mapping[str, Any]) -> LabeledPrompt:
    width, height = (int(side) for side in fields["drawn_size"])
    return LabeledPrompt(_prompt(fields), str(fields["label"]), Size(width, height))


def _prompt(fields: Mapping[str, Any]) -> Prompt:
    coords = tuple((float(x), float(y)) for x, y in fields["point_coords"])
    labels = tuple(int(label) for label in fields["point_labels"])
    box = None
    if fields["box_xyxy"] is not None:
        left, top, right, bottom = (float(side) for side in fields["box_xyxy"])
        box = (left, top, right, bottom)
    if len(coords) != len(labels):
        raise ValueError("points without labels")
    return Prompt(coords, labels, box)


def _size_of(result: Result) -> int:
    """Approximate size of a result in memory, of which only the shape counts."""
    value = result.get("value")
    shapes = value.values() if isinstance(value, dict) else ()
    return 500 + sum(
        len(shape) * (1 if isinstance(shape, str) else 8) for shape in shapes if isinstance(shape, str | list)
    )
