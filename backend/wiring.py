"""Builds the object graph from the settings. No other module knows every class; torch is imported only to build."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from backend.cache import EmbeddingCache, GuardedRedis, LocalStore, RedisDocuments, RedisStore, Seal
from backend.engine import ImageEncoder, ImageLabeler
from backend.errors import BackendError, BadSettings
from backend.fetching import ImageFetcher
from backend.images import DecodedImages
from backend.label_studio.api import LabelStudioClient, NextTasks
from backend.label_studio.config import ConfigLimits
from backend.label_studio.requests import RequestLimits
from backend.models import checkpoints, registry
from backend.models.model_lock import verify_download
from backend.models.optional_models import load_classifier, load_detector
from backend.predict import ANSWER_TTL_SECONDS, LastAnswers, ModelFacts, TaskPredictor
from backend.prefetch import Warmer
from backend.projects import ProjectSetups
from backend.runtime import PriorityExecutor
from backend.settings import Settings
from backend.values import ProposalOptions

if TYPE_CHECKING:
    from backend.models.clip.classifier import ClipClassifier
    from backend.models.protocols import Detector, Segmenter

log = logging.getLogger(__name__)

_MODEL_THREADS = 2  # one decodes clicks while the other encodes; more threads would only compete for the same device
_THREADS_FOR_CLICKS = 1


@dataclass(frozen=True)
class LoadedServices:
    """The objects that the server needs to answer requests; one set per process."""

    predictor: TaskPredictor
    facts: ModelFacts
    cache: EmbeddingCache
    executor: PriorityExecutor
    warmer: Warmer


@dataclass(frozen=True)
class _Models:
    segmenter: Segmenter
    classifier: ClipClassifier | None
    detector: Detector | None
    facts: ModelFacts


def build_services(settings: Settings, redis: GuardedRedis | None = None) -> LoadedServices:
    """Load the models and build everything that the server needs. Arguments and errors as in `build_predictor`."""
    models = _load_models(settings)
    redis = redis or build_redis(settings)
    cache, executor = build_cache(settings, redis), PriorityExecutor(_MODEL_THREADS, _THREADS_FOR_CLICKS)
    predictor = _assemble(settings, models, redis, cache, executor)
    return LoadedServices(predictor, models.facts, cache, executor, build_warmer(settings, predictor))


def build_predictor(settings: Settings, redis: GuardedRedis | None = None) -> TaskPredictor:
    """Load the models and build a predictor, for use outside the server. Takes seconds.

    Args:
        redis: The client of this process, if there is one already; see `build_redis`.

    Raises:
        BadSettings: Unknown model, device or dtype, or an invalid URL.
        CheckpointError: SAM's weights are missing, damaged or of another model. Failure to load CLIP or the detector is
            only logged; see `optional_models`.
    """
    models, redis = _load_models(settings), redis or build_redis(settings)
    executor = PriorityExecutor(_MODEL_THREADS, _THREADS_FOR_CLICKS)
    return _assemble(settings, models, redis, build_cache(settings, redis), executor)


def _assemble(
    settings: Settings, models: _Models, redis: GuardedRedis | None, cache: EmbeddingCache, executor: PriorityExecutor
) -> TaskPredictor:
    facts, entry = models.facts, registry.find_segmenter(settings.sam_model)
    fingerprint = f"{facts.sam_name}-{facts.sam_sha256[:16]}-{models.segmenter.identity}"
    return TaskPredictor(
        ImageEncoder(models.segmenter, cache, fingerprint=fingerprint),
        ImageLabeler(models.segmenter, models.classifier, models.detector, top_k=settings.top_k),
        _build_fetcher(settings),
        DecodedImages(
            settings.image_cache_max_bytes,
            settings.image_max_pixels,
            settings.prefetch_max_bytes,
            max_scans=settings.image_max_scans,
        ),
        executor,
        model_version=facts.model_version,
        default_proposal=ProposalOptions(**asdict(entry.automatic_masks)),
        min_score=entry.min_click_score,
        min_box_score=entry.min_box_score,
        auto_label=settings.auto_label,
        detector_version=_name_weights(facts.detector_name, facts.detector_sha256),
        last_answers=_build_last_answers(settings, redis),
    )


def _load_models(settings: Settings) -> _Models:
    _prepare_torch(settings.torch_threads)
    sam_sha256, segmenter = _load_segmenter(settings)
    weights, device = settings.weights_path, settings.device
    clip = load_classifier(settings.clip_model, settings.clip_pretrained, weights, device)
    detector = load_detector(settings.detector, settings.detector_checkpoint, weights, device)
    facts = ModelFacts(
        sam_name=settings.sam_model,
        sam_sha256=sam_sha256,
        clip_name=settings.clip_model,
        clip_sha256=clip.sha256,
        clip_problem=clip.problem,
        device=segmenter.device,
        encoder_dtype=segmenter.encoder_dtype,
        model_version=_model_version(settings, sam_sha256, clip.sha256),
        is_demo=_uses_demo_models(settings),
        sam_family=registry.find_segmenter(settings.sam_model).family,
        detector_name=settings.detector,
        detector_sha256=detector.sha256,
        detector_problem=detector.problem,
    )
    return _Models(segmenter, clip.model, detector.model, facts)


def _uses_demo_models(settings: Settings) -> bool:
    segmenter, classifier = registry.find_segmenter(settings.sam_model), registry.find_classifier(settings.clip_model)
    return (segmenter.is_demo and not settings.sam_checkpoint) or (classifier.is_demo and not settings.clip_pretrained)


def _model_version(settings: Settings, sam_sha256: str, clip_sha256: str) -> str:
    """Return the version stored with each prediction and compared by later runs; it names the weights."""
    names = _name_weights(settings.sam_model, sam_sha256), _name_weights(settings.clip_model, clip_sha256)
    return "+".join(name for name in names if name)


def _name_weights(model: str, sha256: str) -> str:
    """Return a model's name and the beginning of its weights' digest; "" for one that is not loaded."""
    return f"{model}-{sha256[:8]}" if sha256 else ""


def _prepare_torch(threads: int) -> None:
    """Import torch without blocking other Python threads (see `runtime.import_torch`)."""
    from backend.runtime import import_torch

    import_torch()
    if threads:
        import torch

        torch.set_num_threads(threads)


def _load_segmenter(settings: Settings) -> tuple[str, Segmenter]:
    """Return the SHA-256 of the weights, and the segmenter."""
    entry = registry.find_segmenter(settings.sam_model)
    path = checkpoints.find_segmenter_checkpoint(entry, settings.sam_checkpoint, settings.weights_path)
    verify_download(path, entry.published, settings.weights_path)
    segmenter = registry.build_segmenter(entry, path, device=settings.device, dtype=settings.sam_dtype)
    return checkpoints.fingerprint_of(path), segmenter


def build_redis(settings: Settings) -> GuardedRedis | None:
    """Build the one Redis client of a process, for embeddings and project settings; None without a REDIS_URL.

    Opens no connection, so it is available before the models are loaded. Raises `BadSettings` for an invalid URL.
    """
    if not settings.redis_url:
        return None
    try:
        return GuardedRedis(settings.redis_url, settings.redis_timeout_seconds)
    except ValueError as error:
        raise BadSettings(
            f"REDIS_URL is {settings.redacted_redis_url!r}: {error}",
            remedy="Set REDIS_URL to a URL such as redis://host:6379/0, or leave it empty.",
        ) from error


def build_setups(settings: Settings, redis: GuardedRedis | None) -> ProjectSetups:
    """Build the store of project settings, shared through Redis if there is one."""
    shared = None if redis is None else RedisDocuments(redis, Seal(settings.cache_signing_key))
    return ProjectSetups(shared, limits=build_limits(settings).config)


def build_limits(settings: Settings) -> RequestLimits:
    """Build the limits on prompts and labeling configs."""
    return RequestLimits(settings.max_prompts, ConfigLimits(settings.max_controls, settings.max_classes))


def build_cache(settings: Settings, redis: GuardedRedis | None) -> EmbeddingCache:
    """Build the embedding cache; an unreachable Redis is only logged."""
    local = LocalStore(settings.cache_max_bytes, settings.prefetch_max_bytes)
    if redis is None:
        return EmbeddingCache(local)
    redis.ping()
    return EmbeddingCache(local, RedisStore(redis, settings.cache_ttl_seconds, Seal(settings.cache_signing_key)))


def build_warmer(settings: Settings, predictor: TaskPredictor) -> Warmer:
    """Build the warmer: of opened tasks and, if Label Studio's API can be used, of the tasks that follow them."""
    if not settings.prefetch_tasks:
        return Warmer(predictor)
    try:
        client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key, timeout_seconds=10.0)
    except BackendError as error:
        log.info("Prefetch of the next tasks is off, because it needs Label Studio's API. %s", error)
        return Warmer(predictor)
    return Warmer(predictor, NextTasks(client), settings.prefetch_tasks)


def _build_last_answers(settings: Settings, redis: GuardedRedis | None) -> LastAnswers:
    seal, ttl = Seal(settings.cache_signing_key), ANSWER_TTL_SECONDS
    return LastAnswers(None if redis is None else RedisDocuments(redis, seal, group="last-answer", ttl_seconds=ttl))


def _build_fetcher(settings: Settings) -> ImageFetcher:
    return ImageFetcher(
        label_studio_url=settings.label_studio_url,
        api_key=settings.label_studio_api_key,
        allowed_hosts=settings.image_allowed_hosts,
        max_bytes=settings.image_max_bytes,
        timeout_seconds=settings.image_timeout_seconds,
        cache_bytes=settings.image_cache_max_bytes,
        prefetch_bytes=settings.prefetch_max_bytes,
        allowed_networks=settings.image_allowed_networks,
    )
