"""What gunicorn serves: `gunicorn backend.wsgi:app`, with gunicorn.conf.py beside it. The one global of the project.

One process per device: more workers would each hold their own copy of the weights. No `--preload`: the models load on a
thread, and threads do not survive a fork.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from backend.cache import GuardedRedis
from backend.errors import BadSettings
from backend.predict import TaskPredictor
from backend.prefetch import Warmer
from backend.runtime import BackgroundLoader
from backend.server import BackendStatus, ModelFacts, create_app
from backend.settings import Settings
from backend.wiring import build, build_redis, build_setups, build_warmer

log = logging.getLogger(__name__)

THREADS_FOR_STATE = 4  # that no prediction may take, so that /health answers however many wait


def _load(
    settings: Settings, status: BackendStatus, redis: GuardedRedis | None
) -> tuple[TaskPredictor, ModelFacts, Warmer]:
    predictor, facts = build(settings, redis)
    status.attach(facts)
    log.info(
        "Ready: SAM %s, CLIP %s, on %s; embeddings %s.", facts.sam, facts.clip, facts.device, facts.cache.description
    )
    if facts.demo:
        log.warning(
            "DEMO MODELS: they know only the demo's coloured shapes. Set SAM_MODEL and CLIP_MODEL for photographs."
        )
    return predictor, facts, build_warmer(settings, predictor)


settings = Settings.from_environment_or_exit()
logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
if settings.log_level.upper() != "DEBUG":
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line of 500 characters for every look at what comes next
status = BackendStatus()
redis: GuardedRedis | None = None
with suppress(BadSettings):  # `build` raises it again, and /health reports it
    redis = build_redis(settings)
app = create_app(
    BackgroundLoader(lambda: _load(settings, status, redis)).start(),
    status,
    max_body_bytes=settings.max_body_bytes,
    most_predicting=settings.server_threads - THREADS_FOR_STATE,
    setups=build_setups(redis),
)
