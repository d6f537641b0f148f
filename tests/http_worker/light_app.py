"""The application on fake models, for a real gunicorn, with routes that take time or answer much.

`/wait` answers when the file that it names exists; `/large` answers `LARGE_BYTES`. A worker that stops keeps idle
connections for LIGHT_APP_LINGER_SECONDS, in place of gunicorn's two seconds.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from flask import Flask, Response, request
from gunicorn.workers import gthread

from backend.settings import Settings
from tests.server.fakes import ServerOnFakes

LARGE_BYTES = 8 << 20


def build() -> Flask:
    app = ServerOnFakes(max_body=Settings.from_environment().max_body_bytes).app

    @app.get("/wait")
    def wait() -> Response:
        Path(request.args["begun"]).touch()
        end = time.monotonic() + 120
        while not Path(request.args["until"]).exists() and time.monotonic() < end:
            time.sleep(0.01)
        return Response("waited")

    @app.get("/large")
    def large() -> Response:
        return Response(b"x" * LARGE_BYTES)

    @app.get("/address")
    def address() -> Response:
        return Response(f"{request.environ['REMOTE_ADDR']} {request.headers.get('X-Forwarded-For', '')}")

    return app


if "LIGHT_APP_LINGER_SECONDS" in os.environ:
    gthread.STOP_KEEPALIVE_LINGER = float(os.environ["LIGHT_APP_LINGER_SECONDS"])
if os.environ.get("LIGHT_APP_FAILS"):
    raise RuntimeError("The light application fails, as it was told to.")
if "LIGHT_APP_EXITS" in os.environ:
    sys.exit(os.environ["LIGHT_APP_EXITS"])
app = build()
