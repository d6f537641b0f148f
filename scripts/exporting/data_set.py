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
    """Build the description of the data set."""
    return DataSet(
        source.title,
        classes.categories,
        key_points=order_key_points(labels),
        colours=read_colours(source.config),
        splits=split_names(arguments),
        with_pictures=bool(arguments.with_images),
    )


def order_key_points(labels: LabelNames) -> tuple[str, ...]:
    """Return the labels of key points in the order of a pose, if the labeling config gives each of them its own place.

    Otherwise they stay in the order of the labeling config.
    """
    places = [labels.pose_indexes.get(name) for name in labels.key_points]
    if sorted(place for place in places if place is not None) != list(range(len(places))):
        return labels.key_points
    return tuple(sorted(labels.key_points, key=labels.pose_indexes.__getitem__))


def read_colours(config: LabelingConfig) -> dict[str, str]:
    """Return the colours of the labels as "#rrggbb"; those that are not written as CSS colours are left out."""
    parsed = {name: parse_colour(text) for name, text in label_colours(config).items()}
    return {name: "#{:02x}{:02x}{:02x}".format(*colour) for name, colour in parsed.items() if colour}
