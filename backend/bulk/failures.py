"""Tasks of a bulk run that failed, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.errors import BackendError

REASONS_SHOWN = 20


@dataclass
class Failures:
    """Tasks that came to nothing, and why."""

    failed: int = 0
    reasons: list[str] = field(default_factory=list)

    def fail(self, task: object, error: Exception) -> None:
        """Count a task, and remember why."""
        self.failed += 1
        why = str(error) if isinstance(error, BackendError) else f"{type(error).__name__}: {error}"
        reason = f"task {task}: {why}"
        if reason not in self.reasons:
            self.reasons.append(reason)

    @property
    def reason_lines(self) -> list[str]:
        """The first of the reasons, a line each, and how many there are besides."""
        lines = [f"  {reason}" for reason in self.reasons[:REASONS_SHOWN]]
        if len(self.reasons) > REASONS_SHOWN:
            lines.append(f"  … and {len(self.reasons) - REASONS_SHOWN} more")
        return lines
