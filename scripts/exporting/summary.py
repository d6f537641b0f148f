"""What an export wrote and what it left out, for the person who ran it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from backend.bulk import ReadCounts, list_reasons
from backend.errors import shorten
from backend.export import ImageCounts, Written

MAX_CLASSES_SHOWN = 12


def summarize(counts: ReadCounts, images: ImageCounts, folder: Path, written: Sequence[Written]) -> str:
    """Summarize what was written and what was left out."""
    return "\n".join([_first_line(counts, images, str(folder)), *_list_written(written), *_list_counts(counts, images)])


def summarize_dry_run(
    counts: ReadCounts, images: ImageCounts, folder: Path, formats: Sequence[str], categories: Sequence[str]
) -> str:
    """Say what an export would write."""
    name = ", ".join(formats)
    lines = [f"Nothing was written. Without --dry-run, as {name}:", _first_line(counts, images, str(folder))]
    per_class = [f"{shorten(category)} {images.classes[category]}" for category in categories]
    lines.append(f"  masks by class: {', '.join(per_class) or 'there are no classes'}")
    return "\n".join([*lines, *_list_counts(counts, images)])


def _first_line(counts: ReadCounts, images: ImageCounts, folder: str) -> str:
    points = f", {images.key_points} key points" if images.key_points else ""
    return (
        f"{folder}: {images.images} images ({images.negatives} negatives), {images.masks} masks{points}; "
        f"{counts.unannotated} tasks not annotated, {len(counts.failures)} failed"
    )


def _list_written(written: Sequence[Written]) -> list[str]:
    lines = []
    for one in written:
        place = f" in {one.place}/" if one.place else ""
        lines.append(f"  {one.format}{place}{': ' + one.notes[0] if len(one.notes) == 1 else ':' if one.notes else ''}")
        lines += [f"    {note}" for note in one.notes] if len(one.notes) > 1 else []
    return lines


def _list_counts(counts: ReadCounts, images: ImageCounts) -> list[str]:
    lines = []
    if images.splits.keys() - {""}:
        lines.append(f"  splits: {_list_counter(images.splits)}")
    if images.crowds:
        lines.append(f"  {images.crowds} masks stand for groups (iscrowd)")
    if images.several_labels:
        lines.append(
            f"  {images.several_labels} regions have several labels and were exported with the first; "
            f"for example {images.example}"
        )
    if counts.several:
        rule = "exported the ground truth if marked, otherwise the newest"
        lines.append(f"  {counts.several} tasks had several annotations; {rule}")
    if images.empty:
        lines.append(f"  skipped {images.empty} empty regions")
    if counts.left_out:
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.left_out.items()))
        lines.append(f"  skipped because they are not masks: {listed} (prompts that were not accepted)")
    if counts.skipped:
        lines.append(f"  skipped because they cannot be exported: {len(counts.skipped)} regions")
        lines += list_reasons(counts.skipped, indent="    ")
    if counts.failures:
        lines.append(f"  {len(counts.failures)} tasks could not be exported; all others are; exit status 1")
        lines += list_reasons(counts.failures, indent="    ")
    return lines


def _list_counter(counter: Counter[str]) -> str:
    return ", ".join(f"{shorten(name)} {count}" for name, count in counter.items())
