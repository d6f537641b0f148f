"""Stand-ins that record their calls and bear the real method names, and small things that many tests need."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image

from backend.cache import EmbeddingCache, LocalStore
from backend.engine import EncodedImage, ImageEncoder, ImageLabeler
from backend.errors import BadPrompt
from backend.images import DecodedImages, SourceImage
from backend.label_studio.config import parse_labeling_config
from backend.label_studio.requests import ClassifyImage, Request, parse_prompted_task, parse_task
from backend.predict import LastAnswers, TaskPredictor
from backend.projects import DEFAULTS, ProjectSettings
from backend.runtime import PriorityExecutor
from backend.values import (
    Box,
    Candidate,
    ClassName,
    ClassScore,
    Detection,
    EmbeddingSpec,
    ImageEmbedding,
    Lexicon,
    Mask,
    Pixels,
    Prompt,
    ProposalOptions,
    ReviseLogits,
    Size,
)

CONFIG = """<View><Image name="img" value="$photo"/>
<BrushLabels name="b" toName="img"><Label value="cat"/><Label value="dog"/></BrushLabels>
<KeyPointLabels name="k" toName="img" smart="true"><Label value="cat"/><Label value="dog"/><Label value="AUTO"/>
</KeyPointLabels>
<RectangleLabels name="r" toName="img" smart="true"><Label value="cat"/><Label value="dog"/></RectangleLabels>
<Choices name="kind" toName="img" perRegion="true"><Choice value="black"/><Choice value="white"/></Choices></View>"""
CONFIG_WITH_IMAGE_CHOICES = CONFIG.replace(
    "</View>", '<Choices name="place" toName="img"><Choice value="indoor"/><Choice value="outdoor"/></Choices></View>'
)

OPTIONS = ProposalOptions(4, 0.5, 0.5, 10, 0.7)


def png(width: int, height: int, colour: tuple[int, int, int] = (10, 20, 30), image_format: str = "PNG") -> bytes:
    """A file of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, image_format)
    return file.getvalue()


def noise_png(width: int, height: int, seed: int) -> bytes:
    """A file that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _square_or_box(size: Size, prompt: Prompt, radius: int) -> Mask:
    mask = np.zeros((size.height, size.width), bool)
    if prompt.box_xyxy is not None:
        left, top, right, bottom = (int(v) for v in prompt.box_xyxy)
    else:
        x, y = (int(v) for v in prompt.point_coords[0])
        left, top, right, bottom = max(x - radius, 0), max(y - radius, 0), x + radius + 1, y + radius + 1
    mask[top:bottom, left:right] = True
    return mask


class FakeSegmenter:
    """The best mask is a square of 5 pixels around the first point, then come 7 and 3; or the box.

    The mean of the pixels marks the embedding.
    """

    refines_by_logits = True

    def __init__(self, encode_seconds: float = 0.0) -> None:
        self.encoded: list[tuple[int, ...]] = []
        self.decoded: list[Prompt] = []
        self._encode_seconds = encode_seconds
        self._lock = threading.Lock()

    def encode(self, pixels: Pixels) -> ImageEmbedding:
        time.sleep(self._encode_seconds)
        with self._lock:
            self.encoded.append(pixels.shape)
        size = Size(pixels.shape[1], pixels.shape[0])
        return ImageEmbedding({"image_embed": np.full((4, 2, 2), pixels.mean(), np.float16)}, size, size, "fake")

    def embedding_spec(self, size: Size) -> EmbeddingSpec:
        return EmbeddingSpec({"image_embed": (np.dtype(np.float16), (4, 2, 2))}, size, size, "fake")

    def decode(
        self,
        embedding: ImageEmbedding,
        prompt: Prompt,
        *,
        max_masks: int | None = None,
        revise: ReviseLogits | None = None,
    ) -> list[Candidate]:
        self.decoded.append(prompt)
        size = embedding.original_size
        logits = np.full((1, 8, 8), len(self.decoded), np.float32)
        scored = ((0.9, 2), (0.5, 3), (0.3, 1))[:max_masks]
        return [Candidate(_square_or_box(size, prompt, radius), score, logits) for score, radius in scored]

    def decode_many(self, embedding: ImageEmbedding, prompts: Sequence[Prompt]) -> list[Candidate]:
        return [self.decode(embedding, prompt, max_masks=1)[0] for prompt in prompts]

    def mask_to_logits(self, mask: Mask) -> np.ndarray:
        return np.full((1, 2, 2), mask.sum(), np.float32)

    def propose(self, embedding: ImageEmbedding, parameters: object) -> list[Candidate]:
        corners = [(5.0, 5.0), (15.0, 5.0), (15.0, 15.0)]
        return [self.decode(embedding, Prompt((corner,), (1,)), max_masks=1)[0] for corner in corners]


def encoded(data: bytes, name: str = "The image") -> EncodedImage:
    """An image that was encoded earlier, by a segmenter that counts for no test."""
    image = SourceImage(data, name)
    return EncodedImage(image, FakeSegmenter().encode(image.pixels))


class FakeClassifier:
    """The first class of every vocabulary, with the score it was given.

    Every name has a direction of its own; mask number n lies in that of `looks[n]`.
    """

    logit_scale = 10.0

    def __init__(self, score: float = 0.8, looks: Sequence[str] = (), lexicon: Lexicon | None = None) -> None:
        self.lexicon = lexicon
        self.calls: list[tuple[int, int]] = []
        self.templates: list[tuple[str, ...]] = []
        self._score, self._looks = score, looks
        self._axes: dict[str, int] = {}

    def embed_masks(self, pixels: Pixels, masks: Sequence[Mask]) -> np.ndarray:
        self.calls.append((len(masks), 0))
        return self._directions([self._looks[number % len(self._looks)] for number in range(len(masks))])

    def embed_texts(self, names: Sequence[ClassName], templates: Sequence[str] = ()) -> np.ndarray:
        self.templates.append(tuple(templates))
        return self._directions([name.name for name in names])

    def pending_texts(self, names: Sequence[ClassName], templates: Sequence[str] = ()) -> None:
        """All texts are encoded."""

    def _directions(self, names: Sequence[str]) -> np.ndarray:
        axes = [self._axes.setdefault(name, len(self._axes)) for name in names]
        return np.eye(256, dtype=np.float32)[axes]

    def crop_masks(self, pixels: Pixels, masks: Sequence[Mask]) -> Pixels:
        return np.zeros((len(masks), 2, 2, 3), np.uint8)

    def classify_crops(
        self,
        crops: Pixels,
        vocabularies: Sequence[Sequence[ClassName]],
        *,
        top_k: int,
        templates: Sequence[str] = (),
    ) -> list[list[tuple[ClassScore, ...]]]:
        self.templates.append(tuple(templates))
        self.calls.append((len(crops), len(vocabularies)))
        return [[self._scores(vocabulary)[:top_k] for _ in crops] for vocabulary in vocabularies]

    def classify_image(
        self, pixels: Pixels, vocabulary: Sequence[ClassName], *, top_k: int, templates: Sequence[str] = ()
    ) -> tuple[ClassScore, ...]:
        self.templates.append(tuple(templates))
        self.calls.append((1, 1))
        return self._scores(vocabulary)[:top_k]

    def _scores(self, vocabulary: Sequence[ClassName]) -> tuple[ClassScore, ...]:
        return tuple(ClassScore(name.name, self._score / (i + 1)) for i, name in enumerate(vocabulary))


class ScoredClassifier(FakeClassifier):
    """The score of each class by the first of its synonyms or its name, 0 for any other; best first."""

    def __init__(self, scores: Mapping[str, float], lexicon: Lexicon | None = None) -> None:
        super().__init__(lexicon=lexicon)
        self._by_name = scores

    def _scores(self, vocabulary: Sequence[ClassName]) -> tuple[ClassScore, ...]:
        read = [ClassScore(name.name, self._by_name.get((*name.synonyms, name.name)[0], 0.0)) for name in vocabulary]
        return tuple(sorted(read, key=lambda score: -score.score))


class FakeDetector:
    """Finds the same boxes in every image, by text; cannot read the texts in `unreadable`."""

    device = "cpu"

    def __init__(self, boxes: Mapping[str, Sequence[tuple[Box, float]]], unreadable: Sequence[str] = ()) -> None:
        self.calls: list[tuple[str, ...]] = []
        self._boxes, self._unreadable = boxes, unreadable

    def check_texts(self, texts: Sequence[str]) -> None:
        for text in texts:
            if text in self._unreadable:
                raise BadPrompt(f'The text "{text}" has too many tokens.', remedy="Use fewer words.")

    def detect(self, pixels: Pixels, texts: Sequence[str], *, min_score: float | None = None) -> list[Detection]:
        self.check_texts(texts)
        self.calls.append(tuple(texts))
        found = [Detection(box, score, text) for text in texts for box, score in self._boxes.get(text, ())]
        return sorted(found, key=lambda one: -one.score)


class FakeFetcher:
    """Serves files from a dictionary; raises what the dictionary holds if that is an error."""

    def __init__(self, files: dict[str, bytes | Exception]) -> None:
        self.files = files
        self.fetched: list[tuple[str, int | None, str]] = []
        self.forgotten: list[bytes] = []

    def fetch(
        self,
        image_uri: str,
        task_id: int | None,
        project_id: str,
        *,
        prefetch: bool = False,
        wait_seconds: float | None = None,
        check: Callable[[bytes], object] | None = None,
    ) -> bytes:
        self.fetched.append((image_uri, task_id, project_id))
        found = self.files[image_uri]
        if isinstance(found, Exception):
            raise found
        if check is not None:
            check(found)
        return found

    def forget(self, content: bytes) -> None:
        self.forgotten.append(content)


def keypoint(
    x: float, y: float, label: str = "cat", *, size: tuple[int, int] = (40, 30), positive: bool = True
) -> dict:
    """A smart keypoint as Label Studio sends it; x and y in percent."""
    return {
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {"x": x, "y": y, "width": 0.2, "labels": [label], "keypointlabels": [label]},
        "is_positive": positive,
        "id": "kp",
        "from_name": "k",
        "to_name": "img",
        "type": "keypointlabels",
        "origin": "manual",
    }


def rectangle(x: float, y: float, width: float, height: float, label: str = "cat") -> dict:
    """A smart rectangle on an image of 40x30 pixels; all in percent."""
    return {
        "original_width": 40,
        "original_height": 30,
        "image_rotation": 0,
        "value": {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]},
        "id": "re",
        "from_name": "r",
        "to_name": "img",
        "type": "rectanglelabels",
        "origin": "manual",
    }


def predict_body(uri: str, *prompts: dict, config: str = CONFIG, task_id: int = 7) -> dict:
    """A /predict body for one task; without prompts the one that opening a task sends."""
    return {
        "tasks": [{"id": task_id, "data": {"photo": uri}, "annotations": [], "drafts": [], "predictions": []}],
        "project": "3.1795206950",
        "label_config": config,
        "params": {"login": None, "password": None, "context": {"result": list(prompts)} if prompts else None},
    }


class Hall:
    """A predictor on fakes, and the fakes."""

    def __init__(
        self,
        *,
        classifier: FakeClassifier | None = None,
        auto_label: bool = False,
        files=None,
        segmenter: FakeSegmenter | None = None,
        fetcher=None,
        cache: EmbeddingCache | None = None,
        last_answers: LastAnswers | None = None,
        min_score: float = 0.0,
        min_box_score: float = 0.0,
        detector: FakeDetector | None = None,
    ) -> None:
        self.segmenter = segmenter or FakeSegmenter()
        self.fetcher = fetcher or FakeFetcher(files or {"a.png": png(40, 30)})
        self.cache = cache or EmbeddingCache(LocalStore(10**7, 10**6))
        self.classifier = classifier
        self.predictor = TaskPredictor(
            ImageEncoder(self.segmenter, self.cache, fingerprint="fake"),
            ImageLabeler(self.segmenter, classifier, detector, top_k=2),
            self.fetcher,
            DecodedImages(10**7, 10**6, 10**6),
            PriorityExecutor(2),
            model_version="fake-1",
            default_proposal=OPTIONS,
            auto_label=auto_label,
            min_score=min_score,
            min_box_score=min_box_score,
            detector_version="seer-1" if detector else "",
            last_answers=last_answers,
        )

    def document(self, *prompts: dict, xml: str = CONFIG, uri: str = "a.png", **options) -> dict | None:
        return self.task_document({"id": 1, "data": {"photo": uri}}, xml, list(prompts), **options)

    def task_document(
        self,
        document: dict,
        xml: str,
        prompts: list[dict],
        *,
        request: Request = ClassifyImage(),
        settings: ProjectSettings = DEFAULTS,
    ) -> dict | None:
        """The prediction for a task: the answer to the prompts, or to a request without any."""
        config = parse_labeling_config(xml)
        if prompts:
            task, asked = parse_prompted_task(document, config, prompts, settings.text_prompt, project_id="3")
            return self.predictor.predict(task, config, asked, settings) if asked else None
        return self.predictor.predict(parse_task(document, config, project_id="3"), config, request, settings)
