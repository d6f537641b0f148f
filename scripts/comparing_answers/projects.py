"""A project of Label Studio for each checkout, filled and exported by the checkout's own commands."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.comparing_answers.exchanges import Answer, Exchange, Json
from scripts.comparing_answers.interfaces import ALL_SHAPES
from scripts.comparing_answers.label_studio import LabelStudio
from scripts.comparing_answers.pictures import draw_picture
from scripts.comparing_answers.programs import clean_environment, run_module

PICTURES = 6
DECIDED = ("result", "score", "model_version")
TEXTS = ("the red circle", "a blue ring", "every star")
_UPLOAD = re.compile(r"/data/upload/\d+/")
_PREFIX = re.compile(r"\b[0-9a-f]{8}-(?=picture-)")
_NUMBER = re.compile(r"\b([Pp]roject|[Tt]asks?|[Aa]nnotations?) \d+")
_PROGRESS = re.compile(r"^.*(it/s|s/it|task/s|s/task|\?task).*$", re.MULTILINE)


def work_in_projects(
    sides: Sequence[Path], python: str, label_studio: Path, folder: Path
) -> tuple[list[Exchange], list[Exchange]]:
    """Start Label Studio, and do the same with the commands of each checkout; what came of every step."""
    with LabelStudio(label_studio, folder) as site:
        before, after = (
            ProjectWork(site, side, python, folder / f"export-{name}").do()
            for name, side in zip(("before", "after"), sides, strict=True)
        )
    return before, after


@dataclass
class ProjectWork:
    """One project, and one checkout whose commands work in it."""

    site: LabelStudio
    checkout: Path
    python: str
    folder: Path
    project: int = 0
    steps: list[Exchange] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def do(self) -> list[Exchange]:
        """Upload, pre-annotate, the rest, by texts, annotate, export in three ways."""
        self.project = self.site.create_project("Compare", ALL_SHAPES.xml)
        self.site.upload(self.project, {p.name: p.data for p in map(draw_picture, range(5000, 5000 + PICTURES))})
        self._preannotate("preannotate, some", "--limit", "4")
        self._preannotate("preannotate, the rest")
        self._preannotate("preannotate, texts", "--max-masks", "2", *(f"--text={text}" for text in TEXTS))
        self._annotate()
        self._export("export")
        self._export("export, skipping", "--skip-bad-regions")
        self._export("export, all", "--skip-bad-regions", "--include-unannotated")
        return self.steps

    def _preannotate(self, kind: str, *options: str) -> None:
        status, printed = self._run("scripts.preannotate", *options)
        self._add(kind, "python -m scripts.preannotate", None, Answer(status, {"printed": printed, "new": self._new()}))

    def _new(self) -> dict[str, list[Json]]:
        """The predictions of each task that were not there before, without times and numbers of their own."""
        found = {name: self.site.predictions(task["id"]) for name, task in self.site.tasks(self.project).items()}
        new = {name: [one for one in stored if one["id"] not in self.seen] for name, stored in found.items()}
        self.seen |= {one["id"] for stored in found.values() for one in stored}
        return {name: [{key: one.get(key) for key in DECIDED} for one in stored] for name, stored in new.items()}

    def _export(self, kind: str, *options: str) -> None:
        out = self.folder / kind.replace(", ", "-")
        status, printed = self._run("scripts.export", "--out", str(out), *options)
        path = out / "instances.json"
        text = path.read_text(encoding="utf-8") if path.is_file() else "null"
        coco = json.loads(_PREFIX.sub("", _UPLOAD.sub("/data/upload/", text)))
        said = printed.replace(str(out), "OUT")
        self._add(kind, "python -m scripts.export", None, Answer(status, {"printed": said, "coco": coco}))

    def _annotate(self) -> None:
        """What a person would save, and what should not be there: each task is another case."""
        for place, (name, task) in enumerate(self.site.tasks(self.project).items()):
            first = self.site.predictions(task["id"])[0]["result"]
            saved = [result for result in first if result.get("to_name") == "image"]
            for annotation in _annotations(place, saved):
                self.site.annotate(task["id"], annotation)
                self._add("annotate", name, annotation, Answer(0))

    def _run(self, module: str, *options: str) -> tuple[int, str]:
        connection = ["--project", str(self.project), "--url", self.site.url, "--api-key", self.site.token]
        status, printed = run_module(
            self.python, module, [*connection, *options], self.checkout, clean_environment(REDIS_URL="")
        )
        printed = _PROGRESS.sub("", printed).replace(str(self.checkout), "CHECKOUT")
        lines = [line for line in _NUMBER.sub(r"\1 N", printed).splitlines() if line.strip()]
        return status, "\n".join(lines)

    def _add(self, kind: str, request: str, sent: Json, answer: Answer) -> None:
        self.steps.append(Exchange(len(self.steps) + 1, kind, request, sent, answer))


def _annotations(place: int, result: list[Json]) -> list[Json]:
    """What is saved of the task at this place: as it was, drawn on, twice, nothing, cancelled, damaged."""
    cases: list[list[Json]] = [
        [{"result": result}],
        [{"result": [*result, *_drawn()]}],
        [{"result": result}, {"result": result[:1], "ground_truth": False}],
        [{"result": []}],
        [{"result": result, "was_cancelled": True}],
        [{"result": [*result, _shape("bad0000001", "polygon", {"points": [[1, 1], [2, 2]], "closed": True})]}],
    ]
    return cases[place % len(cases)]


def _drawn() -> list[Json]:
    """One region of every kind that is drawn by hand, and a point that was not accepted."""
    return [
        _shape("hand000001", "polygon", {"points": [[10, 10], [40, 12], [25, 38.5]], "closed": True}),
        _shape("hand000002", "rectangle", {"x": 50, "y": 20, "width": 18.5, "height": 22, "rotation": 30}),
        _shape("hand000003", "ellipse", {"x": 70, "y": 70, "radiusX": 12, "radiusY": 8.25, "rotation": 340}),
        _shape("hand000004", "keypoint", {"x": 5, "y": 5, "width": 0.2}, "click"),
    ]


def _shape(region_id: str, kind: str, value: Json, name: str = "") -> Json:
    frame = {"original_width": 640, "original_height": 480, "image_rotation": 0, "origin": "manual"}
    own = {"id": region_id, "type": f"{kind}labels", "from_name": name or kind, "to_name": "image"}
    return {**frame, **own, "value": {**value, f"{kind}labels": ["red"]}}
