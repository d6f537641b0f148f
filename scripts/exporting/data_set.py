"""What all images of an export have in common, from the labeling config and the options."""

from __future__ import annotations

import argparse

from backend.export import DataSet
from backend.label_studio.config import LabelingConfig
from scripts.exporting.classes import Classes
from scripts.exporting.splits import split_names


def build_data_set(title: str, config: LabelingConfig, classes: Classes, arguments: argparse.Namespace) -> DataSet:
    """Build the description of the data set.

    Args:
        title: Of the project.
    """
    return DataSet(title, classes.categories, splits=split_names(arguments), with_pictures=bool(arguments.with_images))
