"""What all images of an export have in common, from the labeling config and the options."""

from __future__ import annotations

import argparse

from backend.bulk import LabelNames
from backend.export import DataSet, parse_colour
from backend.label_studio.config import LabelingConfig, label_colours
from scripts.exporting.classes import Classes
from scripts.exporting.selection import Source
from scripts.exporting.splits import split_names


def build_data_set(source: Source, classes: Classes, labels: LabelNames, arguments: argparse.Namespace) -> DataSet:
    """Build the description of the data set; raises `LabelStudioError` as `source.model_versions` does."""
    return DataSet(
        source.title,
        classes.categories,
        key_points=order_key_points(labels),
        colours=read_colours(source.config),
        splits=split_names(arguments),
        with_pictures=bool(arguments.with_images),
        model_versions=source.model_versions(),
    )


def order_key_points(labels: LabelNames) -> tuple[str, ...]:
    """Return the labels of key points in the order of a pose: those with a place (`model_index`) there, others between.

    If the labeling config gives a place twice or beyond their number, they stay in the order of the labeling config.
    """
    names = labels.key_points
    places = {name: labels.pose_indexes[name] for name in names if name in labels.pose_indexes}
    if len(set(places.values())) < len(places) or any(place >= len(names) for place in places.values()):
        return names
    by_place, others = {place: name for name, place in places.items()}, iter([n for n in names if n not in places])
    return tuple(by_place.get(place) or next(others) for place in range(len(names)))


def read_colours(config: LabelingConfig) -> dict[str, str]:
    """Return the colours of the labels as "#rrggbb"; those that are not written as CSS colours are left out."""
    parsed = {name: parse_colour(text) for name, text in label_colours(config).items()}
    return {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in parsed.items() if colour}
