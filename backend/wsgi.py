"""WSGI application for gunicorn: `gunicorn backend.wsgi:app`, configured by gunicorn.conf.py.

One process per device: more workers would each hold their own copy of the weights. No `--preload`: the models load on a
thread, and threads do not survive a fork.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from backend.cache import GuardedRedis
from backend.errors import BadSettings
from backend.logs import configure_logging
from backend.runtime import BackgroundLoader
from backend.safe_text import register_secrets
from backend.server import Metrics, create_app, describe_models
from backend.settings import Settings
from backend.wiring import LoadedServices, build_redis, build_services, build_setups

log = logging.getLogger(__name__)


def _load(settings: Settings, metrics: Metrics, redis: GuardedRedis | None) -> LoadedServices:
    services = build_services(settings, redis)
    metrics.attach(services)
    log.info("Ready: %s; embeddings are cached %s.", describe_models(services.facts), services.cache.description)
    if services.facts.is_demo:
        log.warning(
            "DEMO MODELS: trained only on the demo's coloured shapes. Set SAM_MODEL and CLIP_MODEL for photographs."
        )
    return services


settings = Settings.from_environment_or_exit()
register_secrets(settings.secrets)
configure_logging(settings.log_level, settings.log_format)
metrics = Metrics()
redis: GuardedRedis | None = None
with suppress(BadSettings):  # `build_services` raises it again, and /health reports it
    redis = build_redis(settings)
app = create_app(
    BackgroundLoader(lambda: _load(settings, metrics, redis)).start(),
    metrics,
    max_body_bytes=settings.max_body_bytes,
    max_predictions=settings.max_concurrent_predictions,
    setups=build_setups(redis),
)
