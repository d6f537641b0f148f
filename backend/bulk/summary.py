"""What a bulk run did, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from backend.bulk.failures import Failures


@dataclass
class Summary(Failures):
    """Counts of a run's tasks.

    Attributes:
        created: Tasks that got a prediction.
        empty: Created predictions without a mask.
        unchanged: Tasks without a mask that got no prediction, because it would hide their earlier ones.
        skipped: Tasks that already have a prediction of this version.
        gone: Tasks that were deleted from the project during the run.
        in_doubt: Tasks of which it is not known whether their prediction is stored; the next run asks.
        surplus: Predictions that were deleted because their task had another one of this version.
        was_stopped: Whether the run was asked to end before it was done.
    """

    created: int = 0
    empty: int = 0
    unchanged: int = 0
    skipped: int = 0
    gone: int = 0
    in_doubt: int = 0
    surplus: int = 0
    was_stopped: bool = False

    @property
    def has_tasks(self) -> bool:
        """Whether there was any task, done in this run or before."""
        return any((self.created, self.unchanged, self.skipped, self.failed, self.gone, self.in_doubt))

    def __str__(self) -> str:
        blank = f" ({self.empty} without a mask)" if self.empty else ""
        counts = f"created {self.created}{blank}, skipped {self.skipped}, failed {self.failed}"
        if self.unchanged:
            counts += f", unchanged {self.unchanged} (no mask; earlier predictions kept)"
        if self.gone:
            counts += f", gone {self.gone} (deleted meanwhile)"
        if self.in_doubt:
            counts += f", in doubt {self.in_doubt} (the next run asks Label Studio)"
        if self.surplus:
            counts += f", duplicates removed {self.surplus}"
        return "\n".join([counts, *self.reason_lines])
