"""Loading in the background: the server answers `/health` while torch and the weights load."""

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
    """Import torch without blocking other threads.

    The import holds the GIL while it links torch's libraries, for most of a second at a time, so that `/health` would
    exceed Label Studio's timeout of 1 s. ctypes releases the GIL, so the libraries are opened through dlopen first and
    the import finds them linked.
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
    """Open torch's shared libraries; any that fails is linked by the import itself."""
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
    """A value that is built once on a background thread.

    Args:
        build: May take minutes.
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
        """The error that `build` raised, if any."""
        return self._error

    def get(self, timeout_seconds: float = 0.0) -> T:
        """Return the value, waiting up to `timeout_seconds`.

        Raises:
            NotReady: It is not built yet.
            BackendError: What `build` raised.
        """
        self._done.wait(timeout_seconds)
        if self._error is not None:
            error = self._error  # a new exception each time: one object would collect the traceback of every request
            raise type(error)(error.message, remedy=error.remedy) from error
        if self._value is None:
            raise NotReady(
                "The models are still loading.",
                remedy="Try again in a few seconds; GET /ready says when they are loaded.",
            )
        return self._value

    def _run(self) -> None:
        started = time.monotonic()
        gc.disable()  # a full collection over torch's objects stops all threads for up to a second
        try:
            self._value = self._build()
        except BackendError as error:
            log.critical("The models cannot be loaded. %s", error)
            self._error = error
        except Exception as error:  # the process keeps running to report it
            log.critical("The models cannot be loaded.", exc_info=True)
            self._error = BackendError(
                f"The models cannot be loaded: {type(error).__name__}: {error}", remedy="Read the backend's log."
            )
        finally:
            self.seconds = time.monotonic() - started
            gc.freeze()  # loaded objects live forever, so later collections need not scan them
            gc.enable()
            self._done.set()
