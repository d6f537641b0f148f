"""What reading met on its way: what was left out, what is undecided, and what failed, each with task and region."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from backend.errors import shorten
from backend.export import LabeledImage


@dataclass(frozen=True)
class Undecided:
    """Regions of one control that are exported or left out only after somebody has decided.

    Attributes:
        example: The first of them, with its task.
        can_be_kept: Whether a format can hold them.
    """

    control: str
    count: int
    example: str
    can_be_kept: bool = True

    def __str__(self) -> str:
        drop = f"leave them out with {option('--drop', self.control)}"
        name = f"control {shorten(self.control)!r}"
        if not self.can_be_kept:
            return f"{name}: {self.count} regions without an area, which no format holds; {drop}"
        what = f"{self.count} regions that may be prompts left behind or somebody's work"
        keep = f"export them with {option('--keep', self.control)}"
        return f"{name}: {what}; {keep}, or {drop} (for example {self.example})"


def option(name: str, control: str) -> str:
    """Return an option with a control's name, as it is typed into a shell."""
    return f"{name} {control}" if control.replace("-", "_").isidentifier() else f'{name} "{shorten(control)}"'


@dataclass
class ReadCounts:
    """What `read_images` met on its way, complete when it has ended.

    Attributes:
        annotated: Number of tasks with an annotation, exported or not.
        unannotated: Number of tasks without an annotation that are left out for that.
        predicted: Number of tasks without an annotation whose document has predictions. Label Studio is not asked for
            them, so only files have them.
        not_chosen: Number of tasks whose annotations are all left out by the filters, or by the choice of annotations.
        several: Number of tasks with more than one annotation, of which one was read.
        left_out: Number of drawn regions that were left out, by type: prompts, and what `drop` names.
        only_left_out: Annotations with an image that has nothing but such regions, each by its name. Such an image is a
            negative, perhaps because a mask was never accepted.
        messages: Number of message lines of the backend.
        undecided: By control; their tasks are among the failures.
        empty: Regions with an empty mask, for instance because everything was erased again, each with its name.
        disagreements: Regions that too few annotators agree on to export them.
        skipped: Regions that were left out because they cannot be exported, each with its name and the reason.
        failures: Tasks that cannot be exported, each with its name and the reason.
    """

    annotated: int = 0
    unannotated: int = 0
    predicted: int = 0
    not_chosen: int = 0
    several: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    only_left_out: list[str] = field(default_factory=list)
    messages: int = 0
    undecided: dict[str, Undecided] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add_undecided(self, control: str, example: str, *, can_be_kept: bool) -> None:
        """Count an undecided region of a control."""
        known = self.undecided.get(control, Undecided(control, 0, example))
        can_be_kept = known.can_be_kept and can_be_kept
        self.undecided[control] = Undecided(control, known.count + 1, known.example, can_be_kept)


@dataclass
class Collected(ReadCounts):
    """Images of a project that fits into memory, with the counts."""

    images: list[LabeledImage] = field(default_factory=list)
