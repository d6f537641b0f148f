"""The classes of transformers that the models use exist in the pinned version, on every Python that runs this test."""

from __future__ import annotations

from importlib import metadata

import pytest
import torch
import transformers
from packaging.requirements import Requirement
from segment_anything import sam_model_registry

from backend.models.entries import PublishedFolder
from backend.models.registry import DETECTORS, SEGMENTERS
from scripts.measuring.random_weights import HIERAS, published_config
from tests.paths import ROOT

CLASSES = (
    "AutoConfig",
    "AutoModelForZeroShotObjectDetection",
    "AutoProcessor",
    "EdgeTamConfig",
    "EdgeTamModel",
    "EdgeTamVideoConfig",
    "GroundingDinoConfig",
    "GroundingDinoForObjectDetection",
    "MMGroundingDinoConfig",
    "MMGroundingDinoForObjectDetection",
    "Sam2Config",
    "Sam2ImageProcessor",
    "Sam2Model",
    "Sam2Processor",
    "Sam2VideoConfig",
    "TimmWrapperConfig",
)


def million_parameters(model: torch.nn.Module) -> float:
    return round(sum(parameter.numel() for parameter in model.parameters()) / 1e6, 1)


def test_the_installed_transformers_is_the_pinned_one() -> None:
    (pin,) = [Requirement(line) for line in (ROOT / "requirements-models.txt").read_text().splitlines() if "==" in line]
    assert pin.specifier.contains(metadata.version(pin.name))


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_of_transformers_can_be_imported(name: str) -> None:
    assert isinstance(getattr(transformers, name), type)


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_the_listed_memory_of_sam_1_is_that_of_its_parameters(name: str) -> None:
    with torch.device("meta"):
        assert million_parameters(sam_model_registry[name]()) == SEGMENTERS[name].million_parameters


@pytest.mark.parametrize("name", [*HIERAS, "edgetam"])
def test_the_listed_memory_of_sam_2_and_edgetam_is_that_of_their_parameters(name: str) -> None:
    model_class = transformers.EdgeTamModel if name == "edgetam" else transformers.Sam2Model
    with torch.device("meta"):
        model = model_class(published_config(name))
    assert million_parameters(model) == SEGMENTERS[name].million_parameters


def test_the_listed_memory_of_a_detector_is_that_of_its_parameters() -> None:
    tiny = transformers.GroundingDinoConfig(), transformers.MMGroundingDinoConfig()
    swin_base = transformers.SwinConfig(
        embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), out_features=["stage2", "stage3", "stage4"]
    )
    base = transformers.MMGroundingDinoConfig(backbone_config=swin_base)
    with torch.device("meta"):
        counted = {
            "grounding_dino_tiny": million_parameters(transformers.GroundingDinoForObjectDetection(tiny[0])),
            "llmdet_tiny": million_parameters(transformers.MMGroundingDinoForObjectDetection(tiny[1])),
            "llmdet_base": million_parameters(transformers.MMGroundingDinoForObjectDetection(base)),
        }
    assert {name: entry.million_parameters for name, entry in DETECTORS.items()} == pytest.approx(counted, abs=0.2)


def test_a_download_holds_at_least_the_parameters_that_are_loaded_from_it() -> None:
    """All of them are published in float32; folders of SAM 2.1 have its video parts too, 7.6 million parameters."""
    for entry in (*SEGMENTERS.values(), *DETECTORS.values()):
        if entry.published is not None:
            beyond = 31 if isinstance(entry.published, PublishedFolder) else 3
            assert -1 <= entry.published.megabytes - 4 * entry.million_parameters <= beyond, entry.name
