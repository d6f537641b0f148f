"""README.md of a data set: what it holds and how it was made. No dates: the same data set has the same page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from backend.errors import shorten
from backend.export.data_set_statistics import ClassCount, DataSetStatistics
from backend.export.files import write_bytes
from backend.export.records import DataSet

README = "README.md"
MAX_SIZES = 10
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def write_readme(
    folder: Path,
    data_set: DataSet,
    statistics: DataSetStatistics,
    formats: Mapping[str, str],
    command: str,
    notes: Sequence[str] = (),
) -> None:
    """Write README.md into the folder; behind the text of one that a format has written there, such as a dataset card.

    Args:
        formats: Description of each format that was written, by its name.
        command: How it was made, without secrets.
        notes: What a person should know, a line each, such as what a format could not hold.

    Raises:
        ExportError: As `write_bytes`.
    """
    path = folder / README
    before = path.read_text(encoding="utf-8").rstrip() + "\n\n" if path.exists() else ""
    text = build_readme(data_set, statistics, formats, command, notes)
    write_bytes(path, (before + text).encode())


def build_readme(
    data_set: DataSet,
    statistics: DataSetStatistics,
    formats: Mapping[str, str],
    command: str,
    notes: Sequence[str] = (),
) -> str:
    """Build the page in Markdown. See `write_readme` for the arguments."""
    images, objects = _count(statistics.images, "image"), _count(statistics.objects, "object")
    summary = f"{images} ({statistics.negatives} without objects) with {objects}"
    if statistics.key_points:
        summary += f" and {_count(statistics.key_points, 'key point')}"
    sections = [
        [f"# {escape_markdown(data_set.name) or 'Data set'}", "", f"{summary}. {_describe_pictures(data_set)}"],
        ["## Classes", "", *_class_table(data_set, statistics)],
        ["## Splits", "", *_split_table(data_set, statistics)] if data_set.splits else [],
        ["## Image sizes", "", *_size_table(statistics)],
        ["## Formats", "", *_table(["format", "content"], [[f"`{name}`", text] for name, text in formats.items()])],
        ["## Models", "", *_describe_models(data_set)] if data_set.model_versions else [],
        ["## Notes", "", *(f"- {escape_markdown(note)}" for note in notes)] if notes else [],
        ["## How it was made", "", "```", command.replace("```", ""), "```"],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def escape_markdown(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line and without control characters."""
    return _MARKUP.sub(r"\\\1", shorten(text))


def _describe_pictures(data_set: DataSet) -> str:
    if data_set.with_pictures:
        return "The pictures are stored upright, as the masks are."
    return "The pictures are not part of it; masks belong to the upright picture, after its EXIF orientation."


def _describe_models(data_set: DataSet) -> list[str]:
    rows = [[escape_markdown(version), str(count)] for version, count in sorted(data_set.model_versions.items())]
    return [
        "Annotations may have been made from the project's predictions. Their model versions name models and weights.",
        "",
        *_table(["model version", "predictions"], rows),
    ]


def _class_table(data_set: DataSet, statistics: DataSetStatistics) -> list[str]:
    names = dict.fromkeys([*data_set.categories, *sorted(statistics.classes)])
    rows = []
    for name in names:
        one = statistics.classes.get(name, ClassCount())
        shares = [str(one.by_split[split]) for split in data_set.splits]
        rows.append([escape_markdown(name), str(one.objects), str(one.images), f"{one.mean_area:.0f}", *shares])
    return _table(["class", "objects", "images", "mean area in pixels", *data_set.splits], rows)


def _split_table(data_set: DataSet, statistics: DataSetStatistics) -> list[str]:
    rows = []
    for split in data_set.splits:
        objects = sum(one.by_split[split] for one in statistics.classes.values())
        share = statistics.by_split[split] / statistics.images if statistics.images else 0.0
        rows.append([split, str(statistics.by_split[split]), f"{share:.1%}", str(objects)])
    return _table(["split", "images", "share", "objects"], rows)


def _size_table(statistics: DataSetStatistics) -> list[str]:
    ordered = sorted(statistics.sizes.items(), key=lambda item: (-item[1], item[0].width, item[0].height))
    rows = [[str(size), str(count)] for size, count in ordered[:MAX_SIZES]]
    if len(ordered) > MAX_SIZES:
        rest = sum(count for _, count in ordered[MAX_SIZES:])
        rows.append([f"{len(ordered) - MAX_SIZES} other sizes", str(rest)])
    return _table(["size", "images"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
