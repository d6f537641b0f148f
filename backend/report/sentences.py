"""The figures in sentences, for readers who skip tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from backend.report.figures import Figures
from backend.report.groups import NOTHING, Confusion, Group
from backend.report.outcomes import Link, Outcome
from backend.report.reading import Reviews
from backend.report.scores import FIRST_SHARE, Calibration, ReviewCurve

MIN_PROPOSALS = 10  # of a class or version that something is said about
FEW_PROPOSALS = 50
GOOD_ACCEPTANCE = 0.8
MAX_CALIBRATION_ERROR = 0.1
USEFUL_GAIN = 0.3
MAX_CLASS_SHARE = 0.9  # of the work; a larger share says nothing that the counts do not
DISAGREEMENT = 0.8
NO_BREAK = "\u00a0"  # a space at which no line ends


class Kind(str, Enum):
    """Whether a sentence praises, asks for work, or explains."""

    GOOD = "good"
    FIX = "fix"
    NOTE = "note"


@dataclass(frozen=True)
class Sentence:
    """One sentence of the first screen."""

    kind: Kind
    text: str


def percent(share: float | None) -> str:
    """Format a share; "–" for none. Nothing but all is 100 %, and nothing but none is 0 %."""
    if share is None:
        return "–"
    rounded = round(100 * share)
    if rounded == 100 and share < 1:
        return f"over 99{NO_BREAK}%"
    return f"under 1{NO_BREAK}%" if rounded == 0 and share > 0 else f"{rounded}{NO_BREAK}%"


def count_of(number: int, singular: str, plural: str = "") -> str:
    """Format a number with its noun."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def write_headline(total: Group) -> str:
    """Write the sentence above all others."""
    if not total.proposals:
        return f"The model proposed nothing; people added {count_of(total.finals, 'object')} by hand."
    proposed = count_of(total.proposals, "mask")
    return f"Of {proposed} that the model proposed, {percent(total.acceptance)} were accepted untouched."


def write_sentences(figures: Figures, reviews: Reviews) -> list[Sentence]:
    """Write what is good, what to fix first, and what limits the figures."""
    return [
        *_about_outcomes(figures.total),
        *_about_classes(figures),
        *_about_versions(figures.versions),
        *_about_scores(figures.calibration, figures.curve, figures),
        *_about_queue(figures.queue),
        *_about_time(figures),
        *_about_people(figures),
        *_about_limits(figures, reviews),
    ]


def _about_outcomes(total: Group) -> Iterator[Sentence]:
    outcomes = total.outcomes
    if total.proposals:
        yield Sentence(
            Kind.NOTE,
            f"Of the others {outcomes[Outcome.EDITED]:,} were edited, {outcomes[Outcome.RECLASSIFIED]:,} got another "
            f"class and {outcomes[Outcome.DELETED]:,} were deleted; "
            f"{count_of(outcomes[Outcome.ADDED], 'object')} that the model had missed "
            f"{'was' if outcomes[Outcome.ADDED] == 1 else 'were'} added by hand.",
        )


def _about_classes(figures: Figures) -> Iterator[Sentence]:
    candidates = [group for group in figures.classes if group.proposals >= MIN_PROPOSALS]
    good = [group for group in candidates if (group.acceptance or 0) >= GOOD_ACCEPTANCE and (group.recall or 0) >= 0.8]
    if good:
        best = sorted(good, key=lambda group: (-(group.acceptance or 0), -group.proposals, group.name))[:3]
        listed = ", ".join(
            f"{show_class(one.name)} ({percent(one.acceptance)} of {one.proposals:,} accepted untouched)"
            for one in best
        )
        yield Sentence(Kind.GOOD, f"Works well: {listed}.")
    if not figures.total.work:
        yield Sentence(Kind.GOOD, "Nobody had to change anything.")
        return
    worst = figures.classes[0]
    text = f"Start with class {show_class(worst.name)}: {_describe_work(worst, figures.confusion)}."
    if len(figures.classes) > 1 and worst.work / figures.total.work <= MAX_CLASS_SHARE:
        text += f" It accounts for {percent(worst.work / figures.total.work)} of all work."
    yield Sentence(Kind.FIX, text)


def _describe_work(group: Group, confusion: Confusion) -> str:
    changed = group.work - group.outcomes[Outcome.ADDED]
    parts = []
    if changed:
        parts.append(
            f"{changed:,} of its {count_of(group.proposals, 'mask')} needed work, {_main_cause(group, confusion)}"
        )
    if group.outcomes[Outcome.ADDED]:
        parts.append(f"{count_of(group.outcomes[Outcome.ADDED], 'object')} of it had to be added by hand")
    return ", and ".join(parts)


def _main_cause(group: Group, confusion: Confusion) -> str:
    kinds = (Outcome.EDITED, Outcome.RECLASSIFIED, Outcome.DELETED)
    main = max(kinds, key=lambda outcome: group.outcomes[outcome])
    count = group.outcomes[main]
    mostly = "mostly" if 2 * count > sum(group.outcomes[kind] for kind in kinds) else "most often"
    if main is Outcome.EDITED:
        return f"{mostly} their outlines ({count:,} edited, mean IoU of its kept masks {group.mean_iou or 0:.2f})"
    if main is Outcome.DELETED:
        return f"{mostly} because there was no object ({count:,} deleted)"
    others = {
        after: number
        for (before, after), number in confusion.counts.items()
        if before == (group.name or "(no label)") and after not in (before, NOTHING)
    }
    if not others:
        return f"{mostly} their choices ({count:,} changed)"
    confused = max(sorted(others), key=lambda name: others[name])
    return f"{mostly} their class ({count:,} changed, most often to {show_class(confused)})"


def show_class(name: str) -> str:
    """Quote a class; a region without one has "no label"."""
    return f"“{name}”" if name else "(no label)"


def _about_versions(versions: Sequence[Group]) -> Iterator[Sentence]:
    known = [group for group in versions if group.proposals >= MIN_PROPOSALS]
    if len(known) < 2:
        return
    ordered = sorted(known, key=lambda group: (-(group.acceptance or 0), group.name))
    best, last = ordered[0], ordered[-1]
    yield Sentence(
        Kind.NOTE,
        f"{len(versions)} model versions were reviewed: {best.name or '(none)'} had {percent(best.acceptance)} "
        f"accepted untouched, {last.name or '(none)'} {percent(last.acceptance)}. They were reviewed "
        "on different tasks unless you saw to it, so compare with care.",
    )


def _about_scores(calibration: Calibration | None, curve: ReviewCurve | None, figures: Figures) -> Iterator[Sentence]:
    if calibration is None:
        yield Sentence(Kind.NOTE, "The proposals have no scores, so nothing can be said about calibration and order.")
        return
    if figures.scored >= MIN_PROPOSALS:
        if calibration.error <= MAX_CALIBRATION_ERROR:
            text = f"Scores can be read as probabilities: they are off by {calibration.error:.2f} on average."
            yield Sentence(Kind.GOOD, text)
        else:
            side = "too sure" if calibration.bias > 0 else "too careful"
            text = (
                f"Scores are {side}: they differ from the share of right masks by {calibration.error:.2f} on average."
            )
            yield Sentence(Kind.FIX, text)
    if curve is not None and curve.count >= MIN_PROPOSALS:
        first = f"the first {percent(FIRST_SHARE)} of the masks in the order of the score"
        found = f"{first} hold {percent(curve.found_after(FIRST_SHARE))}"
        if curve.gain >= USEFUL_GAIN:
            text = f"Review the lowest scores first: {found} of the {count_of(curve.errors, 'error')}."
            yield Sentence(Kind.GOOD, text)
        else:
            text = f"Sorting by score hardly helps: {found} of the {count_of(curve.errors, 'error')}."
            yield Sentence(Kind.FIX, text)


def _about_queue(queue: ReviewCurve | None) -> Iterator[Sentence]:
    """Say what sorting does where it can be done: Label Studio sorts tasks, not masks."""
    if queue is not None and queue.count >= MIN_PROPOSALS:
        found, best = percent(queue.found_after(FIRST_SHARE)), percent(queue.best_after(FIRST_SHARE))
        text = (
            f"With the tasks sorted by prediction score in the Data Manager, the first {percent(FIRST_SHARE)} of them "
            f"hold {found} of the errors; no order of tasks reaches more than {best}."
        )
        yield Sentence(Kind.GOOD if queue.gain >= USEFUL_GAIN else Kind.NOTE, text)


def _about_time(figures: Figures) -> Iterator[Sentence]:
    saving = figures.saving
    if saving is None:
        return
    verb = "saved" if saving.hours >= 0 else "cost"
    yield Sentence(
        Kind.GOOD if saving.hours > 0 else Kind.FIX,
        f"Proposals {verb} about {abs(saving.hours):.1f} hours so far: an annotation takes "
        f"{saving.reviewed_seconds:.0f} s with them and {saving.without_seconds:.0f} s without.",
    )


def _about_people(figures: Figures) -> Iterator[Sentence]:
    known = [pair for pair in figures.pairs if pair.regions]
    if known and known[0].agreement < DISAGREEMENT:
        one, other = known[0].annotators
        text = (
            f"{one} and {other} agree on only {percent(known[0].agreement)} of their regions: settle the rules first."
        )
        yield Sentence(Kind.FIX, text)


def _about_limits(figures: Figures, reviews: Reviews) -> Iterator[Sentence]:
    if figures.total.proposals < FEW_PROPOSALS:
        text = f"Only {count_of(figures.total.proposals, 'reviewed mask')}: the shares can still change a lot."
        yield Sentence(Kind.NOTE, text)
    if reviews.problems:
        text = f"{count_of(len(reviews.problems), 'region or task', 'regions or tasks')} could not be compared and"
        yield Sentence(Kind.FIX, f"{text} {'is' if len(reviews.problems) == 1 else 'are'} listed at the end.")
    if reviews.undecided:
        names = ", ".join(sorted(reviews.undecided)[:5])
        text = f"{count_of(sum(reviews.undecided.values()), 'drawn box or point', 'drawn boxes and points')} of {names}"
        yield Sentence(Kind.FIX, f"{text} may be prompts and are not counted. Boxes that are work: --keep CONTROL.")
    if reviews.unknown_labels:
        names = ", ".join(show_class(name) for name in sorted(reviews.unknown_labels)[:5])
        count = count_of(sum(reviews.unknown_labels.values()), "region")
        have = "has a label" if sum(reviews.unknown_labels.values()) == 1 else "have labels"
        yield Sentence(Kind.NOTE, f"{count} {have} that the labeling config no longer has: {names}.")
    guessed = sum(row.link is Link.EARLIER for row in reviews.annotations)
    if guessed:
        made = "annotation was" if guessed == 1 else "annotations were"
        text = f"{guessed} {made} not made from a prediction and compared with the newest earlier one of the task."
        yield Sentence(Kind.NOTE, text)
