# The backend with its demo models. One image for CPU and GPU: torch's default wheels include CUDA, which is most of the
# image's size. It has what every model needs, requirements-models.txt (135 MB) included, but no published weights;
# scripts.download_models stores them in the volume /weights.
#
# Build arguments:
#     PYTHON_IMAGE            the base image; pin it by digest, as in python:3.11-slim@sha256:…
#     WITH_LABEL_STUDIO_ML    "true" installs label-studio-ml for hosts of backend/model.py; the server does not need it
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
ARG WITH_LABEL_STUDIO_ML=false

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    WEIGHTS_DIR=/weights \
    RUNS_DIR=/runs \
    LOGNAME=backend

WORKDIR /app

# Every file that pip downloads must have the digest that is written in the lock files.
COPY requirements.lock requirements-label-studio-ml.lock ./
RUN pip install --require-hashes --no-deps -r requirements.lock
RUN if [ "${WITH_LABEL_STUDIO_ML}" = true ]; then \
        pip install --require-hashes --no-deps -r requirements-label-studio-ml.lock; \
    fi

COPY LICENSE label_config.xml gunicorn.conf.py ./
COPY scripts scripts
COPY backend backend

RUN useradd --uid 10001 --create-home backend && mkdir /weights /runs && chown backend /weights /runs
USER 10001
VOLUME /weights /runs
EXPOSE 9090

# Liveness, not readiness: /health answers while the models still load. Use /ready where traffic should wait for them.
# After three failures in a row the check ends the server, because Docker itself does not restart an unhealthy container.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "scripts.healthcheck"]

# gunicorn.conf.py: one process per device, many threads. No --preload: each worker must open its own CUDA context.
CMD ["gunicorn", "-b", "0.0.0.0:9090", "--pid", "/tmp/gunicorn.pid", "--worker-tmp-dir", "/dev/shm", "backend.wsgi:app"]
