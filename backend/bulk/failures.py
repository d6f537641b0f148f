"""Failed tasks of a bulk run and the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.errors import BackendError

MAX_REASONS_SHOWN = 20


@dataclass
class Failures:
    """Number of failed tasks, and each distinct reason."""

    failed: int = 0
    reasons: list[str] = field(default_factory=list)

    def fail(self, task: object, error: Exception) -> None:
        """Count a failed task and record the reason."""
        self.failed += 1
        reason = f"task {task}: {self.describe(error)}"
        if reason not in self.reasons:
            self.reasons.append(reason)

    @staticmethod
    def describe(error: Exception) -> str:
        """Return the reason without the task."""
        return str(error) if isinstance(error, BackendError) else f"{type(error).__name__}: {error}"

    @property
    def reason_lines(self) -> list[str]:
        """The first reasons, one per line, and the number of further ones."""
        return list_reasons(self.reasons, indent="  ")


def list_reasons(reasons: Sequence[str], indent: str) -> list[str]:
    """Return the first 20 reasons, one per line, and the number of further ones."""
    lines = [f"{indent}{reason}" for reason in reasons[:MAX_REASONS_SHOWN]]
    if len(reasons) > MAX_REASONS_SHOWN:
        lines.append(f"{indent}… and {len(reasons) - MAX_REASONS_SHOWN} more")
    return lines
