"""A labeling page of Label Studio: what a person does there, and what Label Studio then sends to the backend."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

from scripts.comparing_answers.conversation import Conversation
from scripts.comparing_answers.exchanges import Answer, Json
from scripts.comparing_answers.interfaces import Interface
from scripts.comparing_answers.pictures import Box, Picture, Point, Thing

TIME = "2026-11-20T20:48:28.811449Z"


class Page:
    """One task, opened by one person. The methods that ask return the results that the page would show.

    Args:
        uri: Of the picture; by default the one of its upload.
    """

    def __init__(self, talk: Conversation, interface: Interface, picture: Picture, uri: str = "") -> None:
        self.talk, self.interface, self.picture = talk, interface, picture
        self.task_id = talk.new_task()
        self.data: dict[str, str] = {interface.key: uri or f"/data/upload/{interface.number}/{picture.name}"}
        self.drafts: list[Json] = []
        self.predictions: list[Json] = []
        self.annotations: list[Json] = []
        self.accepted: list[Json] = []
        self.shown: list[Json] = []
        self._prompts: list[tuple[str, str, list[Json]]] = []

    def open(self, kind: str = "page opened", pictures: Sequence[str] = ()) -> Answer:
        """What opening the task sends."""
        document = body([self.task()], self.interface, None)
        return self.talk.post(kind, "/predict", document, opened=pictures or [self.picture.name])

    def click(self, kind: str, at: Point, label: str, *, positive: bool = True) -> list[Json]:
        """One more point of this label; `positive=False` is a click with Alt."""
        self.draw_point(at, label, positive=positive)
        return self.ask(kind, self.interface.click, label)

    def box(self, kind: str, around: Box, label: str, rotation: float = 0) -> list[Json]:
        """One more rectangle of this label."""
        self.draw_box(around, label, rotation)
        return self.ask(kind, self.interface.box, label)

    def boxes(self, kind: str, things: Sequence[Thing], label: str) -> list[Json]:
        """A rectangle of this label around each thing, asked for at once."""
        for thing in things:
            self.draw_box(thing.box(), label)
        return self.ask(kind, self.interface.box, label)

    def draw_point(self, at: Point, label: str, *, positive: bool = True) -> None:
        """As `click`, but the backend is not asked."""
        width, height = self.picture.size
        value = {"x": at[0] / width * 100, "y": at[1] / height * 100, "width": 0.23}
        self._draw("keypoint", value, label, {"is_positive": positive})

    def draw_box(self, around: Box, label: str, rotation: float = 0) -> None:
        """As `box`, but the backend is not asked."""
        (left, top, right, bottom), (width, height) = around, self.picture.size
        value = {"x": left / width * 100, "y": top / height * 100}
        value |= {"width": (right - left) / width * 100, "height": (bottom - top) / height * 100, "rotation": rotation}
        self._draw("rectangle", value, label, {})

    def type_text(
        self, kind: str, texts: Sequence[str] | str, area: str = "find", area_id: str = "text000001"
    ) -> list[Json]:
        """What the text area holds now, of which the last is new; a single text may come without a list."""
        value = {"text": texts if isinstance(texts, str) else list(texts)}
        result = {"id": area_id, "type": "textarea", "from_name": area, "to_name": self.interface.image, "value": value}
        return self.send(kind, [result])

    def ask(self, kind: str, tool: str, label: str) -> list[Json]:
        """Send all prompts of this tool and label."""
        prompts = [result for name, own, results in self._prompts if (name, own) == (tool, label) for result in results]
        return self.send(kind, prompts)

    def send(self, kind: str, context: Sequence[Json]) -> list[Json]:
        """Send these results as what was drawn."""
        document = body([self.task()], self.interface, context)
        answer = self.talk.post(kind, "/predict", document)
        self.shown = results_of(answer)
        if self.shown:
            self.talk.saw([self.picture.name])
        return self.shown

    @property
    def prompts(self) -> list[Json]:
        """All prompts that wait, of every tool and label, in their order."""
        return [result for _, _, results in self._prompts for result in results]

    def accept(self) -> None:
        """The green tick: the answer becomes regions, its prompts go; Label Studio then saves a draft."""
        made = {result["id"] for result in self.shown}
        self.accepted = [result for result in self.accepted if result["id"] not in made]
        self.accepted += accepted(self.shown)
        self.reject()
        self.save_draft()

    def reject(self) -> None:
        """The red cross: the answer and its prompts go."""
        self.shown, self._prompts = [], []

    def save_draft(self) -> None:
        """What is on the page now becomes the newest draft."""
        results = copy.deepcopy(self.accepted + self.prompts)
        times = {"created_at": TIME, "updated_at": TIME, "task": self.task_id, "annotation": None}
        self.drafts = [{"id": self.task_id, "user": "user@example.com", "result": results, **times}]

    def draft_results(self) -> list[Json]:
        """The results in the newest draft, to be changed."""
        return self.drafts[-1]["result"]

    def task(self) -> Json:
        """The task as Label Studio sends it."""
        saved = {"annotations": self.annotations, "drafts": self.drafts, "predictions": self.predictions}
        counts = {"total_annotations": len(self.annotations), "total_predictions": len(self.predictions)}
        times = {"created_at": TIME, "updated_at": TIME, "allow_skip": True, "inner_id": self.task_id}
        number = self.interface.number
        return {"id": self.task_id, **saved, "data": self.data, "meta": {}, **times, **counts, "project": number}

    def on(self, interface: Interface, picture: Picture) -> None:
        """From now on the person works on another picture of the same page."""
        self.interface, self.picture = replace(interface, number=self.interface.number), picture

    def _draw(self, kind: str, value: Mapping[str, Json], label: str, mark: Json) -> None:
        tool = self.interface.click if kind == "keypoint" else self.interface.box
        shared = {**self._frame(), "id": self.talk.new_id(), "to_name": self.interface.image, "origin": "manual"}
        own = {f"{kind}labels": [label]} if self.interface.labels is None else {}
        named = {"labels": [label]} if own and kind == "keypoint" else {}
        kind_of_tool = f"{kind}labels" if own else kind
        first = {**shared, "value": {**value, **named, **own}, **mark, "from_name": tool, "type": kind_of_tool}
        results = [first]
        if self.interface.labels and label:
            second = {**value, "labels": [label]}
            results.append({**shared, "value": second, **mark, "from_name": self.interface.labels, "type": "labels"})
        self._prompts.append((tool, label, results))

    def _frame(self) -> Json:
        width, height = self.picture.size
        return {"original_width": width, "original_height": height, "image_rotation": 0}


def body(tasks: Sequence[Json], interface: Interface, context: Sequence[Json] | None) -> Json:
    """The document of POST /predict."""
    drawn = None if context is None else {"result": list(context)}
    params = {"login": None, "password": None, "context": drawn}
    project = interface.project
    return {"tasks": list(tasks), "project": project, "label_config": interface.xml, "params": params}


def results_of(answer: Answer) -> list[Json]:
    """The results of the first task of an answer; none of a refusal or of anything odd."""
    found = answer.body.get("results") if isinstance(answer.body, dict) else None
    first = found[0] if isinstance(found, list) and found else None
    results = first.get("result") if isinstance(first, dict) else None
    return [result for result in results if _is_result(result)] if isinstance(results, list) else []


def _is_result(result: Json) -> bool:
    """Whether the page can work with it; what else an answer holds is left to the comparison."""
    return isinstance(result, dict) and {"id", "type"} <= result.keys() and isinstance(result.get("value"), dict)


def accepted(results: Sequence[Json]) -> list[Json]:
    """The regions that Label Studio makes of an answer: classes and texts get a copy of their region's shape."""
    shapes = {result["id"]: result for result in reversed(results) if "original_width" in result}
    regions = []
    for result in results:
        shape = shapes.get(result["id"], {})
        frame = {key: shape[key] for key in ("original_width", "original_height", "image_rotation") if key in shape}
        value = {key: part for key, part in shape.get("value", {}).items() if not key.endswith("labels")}
        regions.append({**frame, **result, "value": {**value, **result["value"]}, "origin": "manual"})
    return regions
