"""The folder of a run, `RUNS_DIR/<server digest>-<project>/<version>/`: its ledger and `failures.csv`."""

from __future__ import annotations

import csv
import hashlib
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from backend.bulk.ledger import Ledger, RunIdentity, describe_error, read_about

LEDGER = "ledger.sqlite3"
FAILURES = "failures.csv"
MAX_NAME_CHARACTERS = 120


@dataclass(frozen=True)
class PreviousRun:
    """An earlier run of the same project: its version and what its ledger says about it."""

    version: str
    about: Mapping[str, Any]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    Attributes:
        runs_dir: RUNS_DIR.
        shard: "1/2" for the first of two parts of a project; "" for the whole project.
    """

    runs_dir: Path
    identity: RunIdentity
    shard: str = ""

    @property
    def project_path(self) -> Path:
        digest = hashlib.sha256(self.identity.server.encode()).hexdigest()[:12]
        return self.runs_dir / f"{digest}-{_file_name(self.identity.project)}"

    @property
    def version_path(self) -> Path:
        return self.project_path / _file_name(self.identity.version)

    @property
    def path(self) -> Path:
        return self.version_path / f"shard-{self.shard.replace('/', '-of-')}" if self.shard else self.version_path

    def open_ledger(self, about: Mapping[str, Any] | None = None) -> Ledger:
        """Open the run's ledger, or create it.

        Raises:
            LedgerError: As `Ledger`.
        """
        return Ledger(self.path / LEDGER, self.identity, about)

    def previous_run(self) -> PreviousRun | None:
        """Return the project's last run if it had another version, else None. Unreadable ledgers are ignored."""
        runs = [run for path in sorted(self.project_path.glob(f"*/{LEDGER}")) if (run := read_run(path)) is not None]
        last = max(runs, key=lambda run: float(run.about.get("resumed_at") or 0), default=None)
        return last if last is not None and last.version != self.identity.version else None

    def versions(self) -> list[str]:
        """Return the versions of all runs of this project that this machine knows."""
        paths = [*self.project_path.glob(f"*/{LEDGER}"), *self.project_path.glob(f"*/shard-*/{LEDGER}")]
        return sorted({run.version for path in paths if (run := read_run(path)) is not None})

    def write_failures(self, ledger: Ledger) -> Path | None:
        """Write `failures.csv` with the task, its state, the attempts and the reason; None if nothing failed.

        Raises:
            LedgerError: The file cannot be written.
        """
        path, failures = self.path / FAILURES, ledger.failures()
        try:
            if not failures:
                path.unlink(missing_ok=True)
                return None
            unfinished = path.with_suffix(".csv.part")
            with unfinished.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["task", "state", "attempts", "reason"])
                writer.writerows((each.task, each.state.value, each.attempts, each.reason) for each in failures)
            os.replace(unfinished, path)  # noqa: PTH105 - atomic
        except OSError as error:
            raise describe_error(path, error) from error
        return path


def read_run(path: Path) -> PreviousRun | None:
    """Read whose ledger this is without changing it; None if it cannot be read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            about = read_about(connection)
        return PreviousRun(str(about["version"]), about)
    except (sqlite3.Error, KeyError, ValueError):
        return None


def describe_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe each value that differs, such as "points_per_side: 16 → 24"."""
    lines = []
    for key in dict.fromkeys([*before, *now]):
        old, new = before.get(key), now.get(key)
        if isinstance(old, list) and isinstance(new, list):
            changes = [f"-{one}" for one in old if one not in new] + [f"+{one}" for one in new if one not in old]
            if old != new:
                lines.append(f"{key}: {', '.join(changes) or 'another order'}")
        elif _show(old) != _show(new):
            lines.append(f"{key}: {_show(old)} → {_show(new)}")
    return lines


def identify_run(url: str, project: int | str, version: str) -> RunIdentity:
    """Return the identity of a run against Label Studio; it does not depend on how the URL is written."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443}.get(parts.scheme, 80)
    return RunIdentity(f"{(parts.hostname or '').lower()}:{port}{parts.path.rstrip('/')}", str(project), version)


def _show(value: Any) -> str:
    return "none" if value in (None, "", []) else str(value)


def _file_name(name: str) -> str:
    """Return a name that is safe for a file; a long one is cut and told apart by its digest."""
    safe = quote(name, safe="+=,@ ").replace(".", "%2E") if name.strip(".") == "" else quote(name, safe="+=,@")
    if len(safe) > MAX_NAME_CHARACTERS:
        safe = f"{safe[: MAX_NAME_CHARACTERS - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
    return safe
