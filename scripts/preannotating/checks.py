"""What is checked before a run, so that it fails at once and not after a night."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any, Protocol

from backend.engine import parse_text
from backend.errors import BadSettings, LabelStudioError, LabelStudioUnavailable, shorten
from backend.label_studio.api import LabelStudioClient, TaskListing
from backend.label_studio.config import ConfigLimits, LabelingConfig
from backend.projects import ProjectSettings, check_setup
from backend.values import ClassName, ProposalOptions
from scripts.preannotating.class_options import check_class_options, choose_options
from scripts.preannotating.masks import override
from scripts.preannotating.text_options import read_request

ANY_PROPOSAL = ProposalOptions(1, 0.0, 0.0, 0, 1.0)
"""Stands for the checkpoint's defaults, which say nothing about classes."""


class Labeler(Protocol):
    """The part of `backend.engine.ImageLabeler` that says what CLIP knows."""

    def limits_for(self, vocabularies: Sequence[Sequence[ClassName]]) -> str: ...


class Backends(Protocol):
    """The part of `LabelStudioClient` that reads the project's ML backends."""

    def extra_params(self, project_id: str) -> list[Any]: ...


def check_options(
    arguments: argparse.Namespace, config: LabelingConfig, client: LabelStudioClient, project_id: str
) -> None:
    """Raise an error for each option that needs no models to be found wrong.

    Raises:
        BadSettings: Options contradict each other or the labeling config.
        BadPrompt: A text is empty or cannot be read.
        LabelStudioError: The project has no such tab.
    """
    given = choose_options(override(ANY_PROPOSAL, arguments), arguments)
    check_class_options(given, config, searches=read_request(arguments) is not None)
    for text in arguments.text:
        parse_text(text)
    if arguments.view is not None:
        TaskListing(client).check_tab(project_id, arguments.view)


def check_can_name(can_classify: bool, config: LabelingConfig) -> None:
    """Raise BadSettings if there are several labels and no CLIP to choose among them."""
    names = max(([label.name for label in image.answer_classes] for image in config.images), key=len)
    if can_classify or len(names) <= 1:
        return
    raise BadSettings(
        f"No CLIP model is loaded to choose among the {len(names)} labels ({shorten(', '.join(names))}): every mask "
        f'would be saved as "{shorten(names[0])}".',
        remedy="Set CLIP_MODEL to a model that loads (demo-clip, or see the README), or keep a single label.",
    )


def check_knows_labels(labeler: Labeler, config: LabelingConfig) -> None:
    """Raise BadSettings if CLIP has to choose among labels that it does not know, as the demo's may."""
    limits = labeler.limits_for([image.answer_classes for image in config.images if len(image.answer_classes) > 1])
    if limits:
        remedy = "Set SAM_MODEL and CLIP_MODEL to models for photographs (see the README), or keep a single label."
        raise BadSettings(f"{limits} They cannot choose among the labels of this project.", remedy=remedy)


def read_project_settings(
    client: Backends, project_id: str, label_config: str, limits: ConfigLimits = ConfigLimits()
) -> ProjectSettings:
    """Read the settings in the labeling config and, if this token may read them, in the backend's extra params.

    Raises:
        BadConfig, BadProjectSettings: A setting is invalid; better reported now than stored in every prediction.
        LabelStudioUnavailable: There is no answer now; without the extra params the predictions would be others.
    """
    try:
        extra_params = client.extra_params(project_id)
    except LabelStudioUnavailable:
        raise
    except LabelStudioError as error:
        print(f"Ignoring the extra params of the project's ML backend. {error}", flush=True)
        extra_params = []
    if any(other != extra_params[0] for other in extra_params):
        print(
            f"Ignoring the extra params: they differ between the project's {len(extra_params)} ML backends.", flush=True
        )
        extra_params = []
    settings = check_setup(label_config, extra_params[0] if extra_params else None, limits)[1]
    if settings.changed():
        print(f"Project settings: {json.dumps(settings.changed())}", flush=True)
    return settings
