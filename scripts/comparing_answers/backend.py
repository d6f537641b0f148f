"""The backend of one checkout, served as it is in production, in a fresh process."""

from __future__ import annotations

import http.client
import re
import time
from pathlib import Path
from types import TracebackType

from scripts.comparing_answers.exchanges import CouldNotRun
from scripts.comparing_answers.picture_server import LOOPBACK, TOKEN
from scripts.comparing_answers.programs import Program, clean_environment

READY_SECONDS = 180.0
WARM_SECONDS = 20.0
MAX_BODY_BYTES = 8 << 20
IMAGE_MAX_BYTES = 2 << 20
IMAGE_MAX_PIXELS = 4_000_000
IMAGE_TIMEOUT_SECONDS = 1.5
_BROKEN = "Exception in worker process"
_COMPUTED = re.compile(r'^backend_embeddings_total\{source="computed"\} (\S+)$', re.MULTILINE)
_WAITING = re.compile(r"^backend_waiting_work(?:\{.*\})? (\S+)$", re.MULTILINE)  # one a priority, or one in all


class Backend:
    """A context: within, the backend of `checkout` is ready at `port`.

    Args:
        pictures_url: Of the picture server, which is Label Studio to the backend.
    """

    def __init__(self, checkout: Path, python: str, port: int, pictures_url: str, log: Path) -> None:
        self.port = port
        argv = [python, "-m", "gunicorn", "-b", f"{LOOPBACK}:{port}", "-c", "gunicorn.conf.py", "backend.wsgi:app"]
        environment = clean_environment(
            LABEL_STUDIO_URL=pictures_url,
            LABEL_STUDIO_API_KEY=TOKEN,
            IMAGE_ALLOWED_HOSTS=pictures_url.removeprefix("http://").replace(LOOPBACK, "localhost"),
            IMAGE_MAX_BYTES=str(IMAGE_MAX_BYTES),
            IMAGE_MAX_PIXELS=str(IMAGE_MAX_PIXELS),
            IMAGE_TIMEOUT_SECONDS=str(IMAGE_TIMEOUT_SECONDS),
            MAX_BODY_BYTES=str(MAX_BODY_BYTES),
            PREFETCH_TASKS="0",
        )
        self._program = Program(f"The backend of {checkout}", argv, checkout, environment, log)

    def __enter__(self) -> Backend:
        self._program.__enter__()
        try:
            self._program.wait_until(self._is_ready, READY_SECONDS)
        except BaseException:
            self._program.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._program.__exit__(None, None, None)

    def becomes_idle(self, pictures: int) -> bool:
        """Wait until so many pictures have been encoded and nothing waits for the models; False if that takes too long.

        What is encoded behind an opened page is so out of the way of the next request.
        """
        end = time.monotonic() + WARM_SECONDS
        while time.monotonic() < end:
            text = self._get("/metrics")[1]
            computed, waiting = _COMPUTED.search(text), _WAITING.findall(text)
            if computed and waiting and float(computed[1]) >= pictures and sum(map(float, waiting)) == 0:
                return True
            time.sleep(0.05)
        return False

    def _is_ready(self) -> bool:
        if _BROKEN in self._program.tail():  # gunicorn would restart the worker indefinitely
            raise CouldNotRun(f"The backend cannot start. Its log ends with:\n{self._program.tail()}")
        return self._get("/ready")[0] == http.client.OK

    def _get(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except OSError:
            return 0, ""
        finally:
            connection.close()
