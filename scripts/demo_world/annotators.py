"""Simulated annotators, who send the backend's predictor the requests that Label Studio's page sends."""

from __future__ import annotations

import io
import itertools
import logging
from dataclasses import InitVar, dataclass, field
from typing import Any

from PIL import Image

from backend.cache import EmbeddingCache, LocalStore
from backend.engine import ImageEncoder, ImageLabeler
from backend.errors import BackendError
from backend.images import DecodedImages
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import parse_prompted_task
from backend.label_studio.results import parse_regions
from backend.models.sam.segmenter import SamSegmenter
from backend.predict import LastAnswers, TaskPredictor
from backend.projects import ProjectSettings
from backend.runtime import PriorityExecutor
from backend.values import Box, Mask, Size
from scripts.demo_world.evaluate import DEMO_PROPOSAL, load_demo_sam
from scripts.demo_world.scenes import Scene

log = logging.getLogger(__name__)

CONFIG = parse_labeling_config(
    '<View><Image name="image" value="$image"/><Labels name="label" toName="image"><Label value="thing"/></Labels>'
    '<KeyPoint name="click" toName="image" smart="true" smartOnly="true"/>'
    '<Rectangle name="box" toName="image" smart="true" smartOnly="true"/>'
    '<Brush name="mask" toName="image" smart="false"/></View>'
)
Json = dict[str, Any]
numbers = itertools.count(1)
"""Numbers of tasks, points and drafts, none of them used twice."""


class SceneFetcher:
    """The image of every task is the current scene."""

    def __init__(self) -> None:
        self.file = b""

    def show(self, scene: Scene) -> None:
        file = io.BytesIO()
        Image.fromarray(scene.pixels).save(file, "PNG", compress_level=1)
        self.file = file.getvalue()

    def fetch(self, image_uri: str, task_id: int | None, project_id: str, **_: Any) -> bytes:
        return self.file

    def forget(self, content: bytes) -> None:
        """Nothing is kept."""


@dataclass
class Site:
    """The backend with the demo model, and a clock.

    Args:
        segmenter: None for the demo's SAM.
    """

    fetcher: SceneFetcher = field(default_factory=SceneFetcher)
    now: float = 0.0
    segmenter: InitVar[SamSegmenter | None] = None

    def __post_init__(self, segmenter: SamSegmenter | None) -> None:
        segmenter = segmenter or SamSegmenter(load_demo_sam(), device="cpu")
        self.predictor = TaskPredictor(
            ImageEncoder(segmenter, EmbeddingCache(LocalStore(10**8)), fingerprint="demo"),
            ImageLabeler(segmenter, None),
            self.fetcher,
            DecodedImages(10**8, 10**8, 0),
            PriorityExecutor(1),
            model_version="demo",
            default_proposal=DEMO_PROPOSAL,
            last_answers=LastAnswers(clock=lambda: self.now),
        )


@dataclass
class Annotator:
    """A person at the page of one task.

    Attributes:
        prompts: The points on the page.
        drafts: What Label Studio has saved of the page.
        answer: The results that are suggested.
        regions: The results that were accepted with `accept`.
        answered: Ids of all answers.
    """

    site: Site
    size: Size
    task: int
    name: str = "one@example.com"
    remembers: bool = True
    prompts: list[Json] = field(default_factory=list)
    drafts: list[Json] = field(default_factory=list)
    answer: list[Json] = field(default_factory=list)
    regions: list[Json] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)

    def click(self, pixel: tuple[float, float], *, positive: bool = True) -> tuple[str, Mask] | None:
        """Return id and mask of the answer; None if there is none."""
        x, y = self._percent(pixel[0] + 0.5, pixel[1] + 0.5)
        value = {"x": x, "y": y, "width": 0.2}
        return self._ask({"type": "keypoint", "from_name": "click", "value": value, "is_positive": positive})

    def draw_box(self, box_xyxy: Box) -> tuple[str, Mask] | None:
        """Return what `click` returns."""
        x, y = self._percent(*box_xyxy[:2])
        width, height = self._percent(box_xyxy[2] - box_xyxy[0], box_xyxy[3] - box_xyxy[1])
        value = {"x": x, "y": y, "width": width, "height": height}
        return self._ask({"type": "rectangle", "from_name": "box", "value": value})

    def _percent(self, x: float, y: float) -> tuple[float, float]:
        return x / self.size.width * 100, y / self.size.height * 100

    def _ask(self, prompt: Json) -> tuple[str, Mask] | None:
        size = {"original_width": self.size.width, "original_height": self.size.height}
        self.prompts.append({"id": f"p{next(numbers)}", "to_name": "image"} | prompt | size)
        document = {"id": self.task, "data": {"image": "scene.png"}, "drafts": self.drafts, "annotations": []}
        task, request = parse_prompted_task(document, CONFIG, self.prompts, project_id="1", project_key="1.1795206950")
        try:
            settings = ProjectSettings(correct_last=self.remembers, min_score=0.0)
            prediction = self.site.predictor.predict(task, CONFIG, request, settings) if request else None
        except BackendError as error:
            log.debug("A click was refused: %s", error)
            return None
        self.answer = list(prediction["result"]) if prediction else []
        regions = parse_regions(self.answer, CONFIG.images[0])
        if not regions:
            return None
        self.answered.add(regions[0].region_id)
        return regions[0].region_id, regions[0].mask

    def clear(self) -> None:
        """Accept or reject: the page sends nothing, and the prompts go."""
        self.prompts = []

    def accept(self) -> None:
        """Accept the answer: it becomes a region, or replaces those with its ids."""
        ids = {result["id"] for result in self.answer}
        self.regions = [region for region in self.regions if region["id"] not in ids] + self.answer
        self.clear()

    def save_draft(self) -> None:
        """Label Studio saves the page."""
        number, page = next(numbers), [*self.regions, *self.prompts]
        saved = {"id": 1, "user": self.name, "updated_at": f"{number:09}", "result": page}
        self.drafts = [saved]
