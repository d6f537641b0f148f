# The backend with its demo models. One image for CPU and GPU: torch's default wheels include CUDA, which is most of the
# image's size. Published weights are not included; scripts.download_models stores them in the volume /weights.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    WEIGHTS_DIR=/weights \
    LOGNAME=backend

WORKDIR /app

COPY requirements.txt requirements-label-studio-ml.txt constraints.txt ./
RUN pip install -r requirements.txt -c constraints.txt
RUN pip install --no-deps -r requirements-label-studio-ml.txt

COPY LICENSE label_config.xml gunicorn.conf.py ./
COPY scripts scripts
COPY backend backend

RUN useradd --uid 10001 --create-home backend && mkdir /weights && chown backend /weights
USER 10001
VOLUME /weights
EXPOSE 9090

# Liveness, not readiness: /health answers while the models still load. Use /ready where traffic should wait for them.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9090/health', timeout=2)"]

# gunicorn.conf.py: one process per device, many threads. No --preload: each worker must open its own CUDA context.
CMD ["gunicorn", "-b", "0.0.0.0:9090", "--worker-tmp-dir", "/dev/shm", "backend.wsgi:app"]
