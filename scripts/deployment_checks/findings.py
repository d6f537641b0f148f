"""What a check found, and the order in which the checks run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Outcome of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """Outcome of one check.

    Attributes:
        text: What was found, with the value.
        remedy: What to do about it; "" if nothing.
    """

    state: State
    text: str
    remedy: str = ""


class CheckFailed(Exception):
    """Failure of a check.

    Args:
        text: What is wrong, with the value.
        remedy: What to do about it.
    """

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.finding = Finding(State.FAILED, text, remedy)


@dataclass(frozen=True)
class Check:
    """A named check.

    Attributes:
        run: Returns the finding, or raises `CheckFailed`.
        needs: Names of the checks that must not have failed; otherwise this one is skipped.
    """

    name: str
    run: Callable[[], Finding]
    needs: tuple[str, ...] = ()


def run_checks(checks: Sequence[Check]) -> Iterator[tuple[str, Finding]]:
    """Run the checks in their order; yield each one's name and finding."""
    failed: set[str] = set()
    for check in checks:
        finding = _run(check, failed)
        if finding.state in (State.FAILED, State.SKIPPED):
            failed.add(check.name)
        yield check.name, finding


def _run(check: Check, failed: set[str]) -> Finding:
    missing = [name for name in check.needs if name in failed]
    if missing:
        return Finding(State.SKIPPED, f"needs {', '.join(missing)}")
    try:
        return check.run()
    except CheckFailed as error:
        return error.finding
