"""The only place that knows every class: settings in, a predictor out. Imports torch only when it builds."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

from backend.cache import CacheCounts, EmbeddingCache, LocalStore, RedisDocuments, RedisStore
from backend.engine import ImageLabeler
from backend.errors import BackendError, BadSettings
from backend.fetching import ImageFetcher
from backend.images import DecodedImages
from backend.label_studio.api import LabelStudioClient, NextTasks
from backend.models import checkpoints, registry
from backend.predict import TaskPredictor
from backend.prefetch import Warmer
from backend.projects import ProjectSetups
from backend.runtime import PriorityExecutor
from backend.server import ModelFacts
from backend.settings import Settings
from backend.values import ProposalOptions

if TYPE_CHECKING:
    from backend.models.clip.classifier import ClipClassifier
    from backend.models.protocols import Segmenter

log = logging.getLogger(__name__)

NO_CLIP = "none"
_MODEL_THREADS = 2  # one may decode a click while the other encodes; more would only share the same device
_THREADS_FOR_CLICKS = 1


def build_predictor(settings: Settings) -> TaskPredictor:
    """Load the models and put everything together. Takes seconds; see `build`."""
    return build(settings)[0]


def build(settings: Settings, counts: CacheCounts | None = None) -> tuple[TaskPredictor, ModelFacts]:
    """The predictor, and what the status page says of it.

    Args:
        counts: Shared with whoever else asks the same Redis.

    Raises:
        BadSettings: A model, a device or a dtype that does not exist.
        CheckpointError: SAM's weights are missing, damaged or another model's. A CLIP that cannot load is only said:
            masks are worth having without classes.
    """
    prepare_torch(settings.torch_threads)
    sam_digest, segmenter = _load_segmenter(settings)
    clip_digest, classifier, clip_problem = _try_classifier(settings)
    counts = counts or CacheCounts()
    cache = build_cache(settings, counts)
    labeler = ImageLabeler(
        segmenter,
        classifier,
        cache,
        fingerprint=f"{settings.sam_model}-{sam_digest[:16]}-{segmenter.identity}",
        top_k=settings.top_k,
    )
    executor = PriorityExecutor(_MODEL_THREADS, settings.max_waiting_requests, _THREADS_FOR_CLICKS)
    predictor = TaskPredictor(
        labeler,
        _build_fetcher(settings),
        DecodedImages(settings.image_cache_max_bytes, settings.image_max_pixels, settings.prefetch_max_bytes),
        executor,
        model_version=model_version(settings, sam_digest, clip_digest),
        default_proposal=_default_proposal(settings.sam_model),
        auto_label=settings.auto_label,
    )
    facts = ModelFacts(
        sam=f"{settings.sam_model} (SHA-256 {sam_digest[:12]})",
        clip=f"{settings.clip_model} (SHA-256 {clip_digest[:12]})" if classifier else f"none: {clip_problem}",
        device=f"{segmenter.device}, encoder in {str(segmenter.encoder_dtype).removeprefix('torch.')}",
        model_version=predictor.model_version,
        demo=uses_demo_models(settings),
        clip_works=classifier is not None,
        counts=counts,
        cache=cache,
        executor=executor,
    )
    return predictor, facts


def uses_demo_models(settings: Settings) -> bool:
    """Whether one of the models is the small one that the project trains itself, which knows only the demo's world."""
    segmenter, classifier = registry.find_segmenter(settings.sam_model), registry.find_classifier(settings.clip_model)
    return (segmenter.is_demo and not settings.sam_checkpoint) or (classifier.is_demo and not settings.clip_pretrained)


def model_version(settings: Settings, sam_digest: str, clip_digest: str) -> str:
    """Names the weights: what a prediction was made by, and what a second run looks for."""
    clip = f"+{settings.clip_model}-{clip_digest[:8]}" if clip_digest else ""
    return f"{settings.sam_model}-{sam_digest[:8]}{clip}"


def prepare_torch(threads: int) -> None:
    """Import torch; other Python threads go on meanwhile (see `loading`)."""
    from backend.runtime import import_torch

    import_torch()
    if threads:
        import torch

        torch.set_num_threads(threads)


def _load_segmenter(settings: Settings) -> tuple[str, Segmenter]:
    """SHA-256 of the weights, and the segmenter."""
    entry = registry.find_segmenter(settings.sam_model)
    path = checkpoints.find_segmenter_checkpoint(entry, settings.sam_checkpoint, settings.weights_path)
    if entry.published is not None and path.name == entry.published.file_name:
        checkpoints.verify_pin(path, entry.published)
    segmenter = registry.build_segmenter(entry, path, device=settings.device, dtype=settings.sam_dtype)
    return checkpoints.sha256_of(path), segmenter


def _try_classifier(settings: Settings) -> tuple[str, ClipClassifier | None, str]:
    """Digest, classifier, and why there is none."""
    if settings.clip_model == NO_CLIP:
        return "", None, "CLIP_MODEL is none"
    try:
        digest, classifier = _load_classifier(settings)
    except BackendError as error:
        log.error("CLIP cannot be loaded, so masks come without classes. %s", error)
        return "", None, str(error)
    except Exception as error:  # masks are worth having without classes, whatever is wrong with CLIP
        log.exception("CLIP cannot be loaded, so masks come without classes.")
        return "", None, f"{type(error).__name__}: {error}"
    return digest, classifier, ""


def _load_classifier(settings: Settings) -> tuple[str, ClipClassifier]:
    from backend.models.clip.classifier import load_clip

    entry = registry.find_classifier(settings.clip_model)
    path = checkpoints.find_classifier_checkpoint(entry, settings.clip_pretrained, settings.weights_path)
    classifier = load_clip(entry, path, device=settings.device)
    return checkpoints.sha256_of(path), classifier


def build_setups(settings: Settings, counts: CacheCounts) -> ProjectSetups:
    """Where the projects' settings are kept. Nothing is connected, so that it is there before the models are."""
    if not settings.redis_url:
        return ProjectSetups()
    try:
        return ProjectSetups(RedisDocuments(settings.redis_url, settings.redis_timeout_seconds, counts))
    except ValueError:  # `build` says so, and /health, for without it there is no predictor either
        return ProjectSetups()


def build_cache(settings: Settings, counts: CacheCounts) -> EmbeddingCache:
    """The cache of embeddings. Raises `BadSettings` for a REDIS_URL that is none; a Redis that is away is only said."""
    shared = None
    if settings.redis_url:
        try:
            shared = RedisStore(settings.redis_url, settings.cache_ttl_seconds, settings.redis_timeout_seconds, counts)
        except ValueError as error:
            raise BadSettings(
                f"REDIS_URL is {settings.redis_url!r}: {error}", remedy="Write redis://host:6379/0, or leave it empty."
            ) from error
        shared.ping()
    return EmbeddingCache(LocalStore(settings.cache_max_bytes, settings.prefetch_max_bytes), shared, counts)


def build_warmer(settings: Settings, predictor: TaskPredictor) -> Warmer:
    """Prepares opened tasks, and those that come next where Label Studio can be asked for them."""
    if not settings.prefetch_tasks:
        return Warmer(predictor)
    try:
        client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key, timeout_seconds=10.0)
    except BackendError as error:
        log.info("The tasks that come next are not prepared, because Label Studio cannot be asked for them. %s", error)
        return Warmer(predictor)
    return Warmer(predictor, NextTasks(client), settings.prefetch_tasks)


def _build_fetcher(settings: Settings) -> ImageFetcher:
    return ImageFetcher(
        label_studio_url=settings.label_studio_url,
        api_key=settings.label_studio_api_key,
        allowed_hosts=settings.image_allowed_hosts,
        max_bytes=settings.image_max_bytes,
        timeout_seconds=settings.image_timeout_seconds,
        cache_bytes=settings.image_cache_max_bytes,
        ahead_bytes=settings.prefetch_max_bytes,
    )


def _default_proposal(sam_model: str) -> ProposalOptions:
    return ProposalOptions(**asdict(registry.find_segmenter(sam_model).automatic_masks))
