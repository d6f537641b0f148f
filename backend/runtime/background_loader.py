"""Loading in the background: the socket is open and `/health` answers while torch and the weights come in."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from backend.errors import BackendError, NotReady

log = logging.getLogger(__name__)
T = TypeVar("T")

_SWITCH_SECONDS = 0.001
_LIBRARIES = ("libtorch_cpu.so", "libtorch_cuda.so", "libtorch.so", "libtorch_python.so")


def import_torch() -> None:
    """Import torch so that other threads go on.

    Python holds its interpreter lock while it links torch's libraries, for most of a second at a time, and `/health`
    would miss Label Studio's limit. A foreign function called through ctypes releases the lock, so the system's own
    dlopen brings the libraries in first; the import then finds them linked.
    """
    if "torch" in sys.modules:
        return
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        _link_libraries()
        import torch
        import torchvision  # noqa: F401  (open_clip and segment_anything import it in any case)
    finally:
        sys.setswitchinterval(interval)
    log.debug("torch %s is loaded.", torch.__version__)


def _link_libraries() -> None:
    """Best effort: what is not linked here is linked by the import itself."""
    spec = importlib.util.find_spec("torch")
    if sys.platform != "linux" or spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent / "lib"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    for name in _LIBRARIES:
        path = folder / name
        if path.exists():
            dlopen(str(path).encode(), ctypes.RTLD_GLOBAL | 1)  # 1 is RTLD_LAZY


class BackgroundLoader(Generic[T]):
    """Builds a value on a thread of its own.

    Args:
        build: Runs once; may take minutes.
    """

    def __init__(self, build: Callable[[], T]) -> None:
        self._build = build
        self._done = threading.Event()
        self._value: T | None = None
        self._error: BackendError | None = None
        self.seconds = 0.0

    def start(self) -> BackgroundLoader[T]:
        threading.Thread(target=self._run, name="loader", daemon=True).start()
        return self

    @property
    def ready(self) -> bool:
        return self._value is not None

    @property
    def error(self) -> BackendError | None:
        """Why there will be no value, once that is known."""
        return self._error

    def get(self, timeout_seconds: float = 0.0) -> T:
        """The value, waiting at most so long for it.

        Raises:
            NotReady: Not yet.
            BackendError: What `build` raised.
        """
        self._done.wait(timeout_seconds)
        if self._error is not None:
            error = self._error  # raised anew each time: one object would gather the traceback of every request
            raise type(error)(error.message, remedy=error.remedy) from error
        if self._value is None:
            raise NotReady("The models are still loading.", remedy="Try again in a few seconds; GET /ready tells.")
        return self._value

    def _run(self) -> None:
        started = time.monotonic()
        gc.disable()  # each full collection among torch's objects stops every thread, for up to a second
        try:
            self._value = self._build()
        except BackendError as error:
            log.critical("The models cannot be loaded. %s", error)
            self._error = error
        except Exception as error:  # the process lives on to say what is wrong
            log.critical("The models cannot be loaded.", exc_info=True)
            self._error = BackendError(
                f"The models cannot be loaded: {type(error).__name__}: {error}", remedy="Read the backend's log."
            )
        finally:
            self.seconds = time.monotonic() - started
            gc.freeze()  # what was loaded stays, so no later collection has to look at it
            gc.enable()
            self._done.set()
