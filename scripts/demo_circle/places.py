"""Folders and ports of the demo, and the environment of its Label Studio."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.demo_circle.processes import DemoError

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_FOLDER = ROOT / ".data" / "demo"
LOOPBACK = "127.0.0.1"
USERNAME = "demo@example.com"
PASSWORD = "label-studio-demo"
IMPORT_FLAG = "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short"
"""Label Studio's switch for imports of predictions whose time does not grow with the project."""
_MARK = "demo-state.json"
SETTINGS_MODULE = "demo_label_studio_settings"
SETTINGS = '''"""Label Studio's settings with a SQLite that makes writers wait in line.

By default they fail with "database is locked"; Label Studio then repeats the whole request, and an annotation that was
stored already is stored twice.
"""

import django
from label_studio.core.settings.base import *  # first: the next line reads these settings already
from label_studio.core.settings.label_studio import *

if django.VERSION >= (5, 1):  # earlier versions do not know these options
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 120,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
'''


@dataclass(frozen=True)
class BackendLogin:
    """Basic authentication of one run's backend. Label Studio stores it with the connection."""

    user: str
    password: str

    @classmethod
    def random(cls) -> BackendLogin:
        """Create one with a new password."""
        return cls("label-studio", secrets.token_hex(12))

    @property
    def pair(self) -> tuple[str, str]:
        """User and password, as `requests` takes them."""
        return self.user, self.password


@dataclass(frozen=True)
class Ports:
    """The port of each program."""

    label_studio: int = 8080
    backend: int = 9090
    redis: int = 6390

    @property
    def label_studio_url(self) -> str:
        return f"http://{LOOPBACK}:{self.label_studio}"

    @property
    def backend_url(self) -> str:
        return f"http://{LOOPBACK}:{self.backend}"

    @property
    def redis_url(self) -> str:
        return f"redis://{LOOPBACK}:{self.redis}/0"

    def require_free(self) -> None:
        """Raise DemoError for the first port that is in use, naming the option to change it."""
        for name, port in (("label-studio", self.label_studio), ("backend", self.backend), ("redis", self.redis)):
            if not is_free(port):
                raise DemoError(
                    f"Port {port} for {name} is in use by another program.",
                    remedy=f"Stop that program, or choose another port: --port-{name} {free_port()}",
                )


def is_free(port: int) -> bool:
    """Return whether this port of the loopback address is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port that is currently free."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def free_ports() -> Ports:
    """Return three different free ports."""
    probes = [socket.socket() for _ in range(3)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return Ports(*(int(probe.getsockname()[1]) for probe in probes))
    finally:
        for probe in probes:
            probe.close()


@dataclass(frozen=True)
class DemoFolder:
    """The directory of all of the demo's data."""

    path: Path

    @property
    def label_studio(self) -> Path:
        return self.path / "label-studio"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    @property
    def settings(self) -> Path:
        """Folder of the module `SETTINGS_MODULE`."""
        return self.path / "settings"

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def prepare(self) -> None:
        """Create the folders and write Label Studio's settings.

        Raises:
            DemoError: The path is a file or is not writable.
        """
        try:
            for folder in (self.label_studio, self.redis, self.path / "logs", self.settings):
                folder.mkdir(parents=True, exist_ok=True)
            (self.settings / f"{SETTINGS_MODULE}.py").write_text(SETTINGS, encoding="utf-8")
            self._write_secret_key()
        except OSError as error:
            raise DemoError(
                f"The demo's data directory {self.path} cannot be created: {error.strerror}.",
                remedy="Choose another one with --data-dir.",
            ) from error

    def _write_secret_key(self) -> None:
        """Write the key that Label Studio signs sessions and tokens with, if it has none yet.

        Label Studio (1.23.2) makes one itself, and one in fifty begins with a dollar sign: it then cannot read it back,
        makes another at the next start, and refuses every token.
        """
        file = self.label_studio / ".env"
        if not file.exists():
            file.touch(0o600)
            file.write_text(f"SECRET_KEY={secrets.token_hex(32)}\n", encoding="utf-8")

    def reset(self) -> None:
        """Delete everything the demo stored.

        Raises:
            DemoError: The folder is not empty and was not created by the demo.
        """
        if not self.path.exists():
            return
        if any(self.path.iterdir()) and not (self.path / "logs").is_dir():
            raise DemoError(
                f"{self.path} was not created by the demo, so it is not deleted.",
                remedy="Check --data-dir, or delete it yourself.",
            )
        shutil.rmtree(self.path)

    def read_state(self) -> dict[str, str]:
        """Read the state that an earlier run wrote, including the personal access token."""
        try:
            state = json.loads((self.path / _MARK).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(key): str(value) for key, value in state.items()} if isinstance(state, dict) else {}

    def write_state(self, state: Mapping[str, str]) -> None:
        """Write `state` for the next run, readable by its owner only, because it contains a token."""
        target = self.path / _MARK
        draft = target.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(dict(state)), encoding="utf-8")
        draft.replace(target)


def label_studio_environment(folder: DemoFolder, ports: Ports, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Build Label Studio's environment: no requests to the internet, backends on loopback addresses allowed.

    Settings of another Label Studio on this machine are removed, so that the demo never touches its database.
    """
    foreign = ("LABEL_STUDIO_", "HEARTEX_", "DJANGO_", "POSTGRE_", "SENTRY_")
    env = {key: value for key, value in (base or os.environ).items() if not key.startswith(foreign)}
    return env | {
        "LABEL_STUDIO_HOST": ports.label_studio_url,
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder.label_studio),
        "LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS": "false",
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        IMPORT_FLAG: "true",
        "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
        "PYTHONPATH": str(folder.settings),
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "OMP_NUM_THREADS": "1",
    }
