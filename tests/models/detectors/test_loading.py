"""Folders of detectors that are incomplete, damaged, or of another model."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.errors import BadSettings, CheckpointError
from backend.models.registry import build_detector
from tests.models.detectors.tiny_detectors import GROUNDING_DINO, LLMDET, write_detector


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_detector(tmp_path_factory.mktemp("llmdet"), LLMDET)


@pytest.fixture
def folder(whole_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_folder, tmp_path / "llmdet"))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["config.json"], "config.json"),
        (["model.safetensors"], "model.safetensors"),
        (["preprocessor_config.json"], "preprocessor_config.json or processor_config.json"),
        (["tokenizer.json", "vocab.txt"], "tokenizer.json or vocab.txt"),
    ],
)
def test_a_half_downloaded_folder_is_refused_with_the_file_that_is_missing(
    folder: Path, names: list[str], said: str
) -> None:
    for name in names:
        (folder / name).rename(folder / f"{name}.part")
    command = "Download it with `python -m scripts.download_models llmdet_tiny`."
    with pytest.raises(CheckpointError) as error:
        build_detector(LLMDET, folder, device="cpu")
    assert error.value.message == f"The download of {folder} is not finished: {said} is missing."
    assert error.value.remedy == f"{command} It resumes where it stopped."
    for name in names:
        (folder / f"{name}.part").unlink()
    with pytest.raises(CheckpointError) as error:
        build_detector(LLMDET, folder, device="cpu")
    assert error.value.message == f"{folder} is not a model folder of llmdet_tiny: it has no {said}."
    assert error.value.remedy == command


def test_weights_that_end_in_the_middle_are_refused(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors \(\d+ bytes\) is damaged or incomplete: .*download_models llmdet"
    ):
        build_detector(LLMDET, folder, device="cpu")


def test_a_config_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text("<html>not found</html>")
    with pytest.raises(CheckpointError, match=r"config\.json \(22 bytes\) is damaged or incomplete: "):
        build_detector(LLMDET, folder, device="cpu")


def test_a_folder_of_another_family_is_refused_with_both_names(folder: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a model of type 'mm-grounding-dino', but grounding_dino_tiny is"):
        build_detector(GROUNDING_DINO, folder, device="cpu")
    (folder / "config.json").write_text(json.dumps({"model_type": "sam2_video"}))
    with pytest.raises(CheckpointError, match="of type 'sam2_video', but llmdet_tiny is one of type"):
        build_detector(LLMDET, folder, device="cpu")


def test_missing_unexpected_and_misshapen_weights_are_refused_by_name(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.pop("model.level_embed"))
    with pytest.raises(CheckpointError, match=r"its weights have no model\.level_embed\."):
        build_detector(LLMDET, folder, device="cpu")
    change_weights(folder, lambda weights: weights.update({"model.level_embed": torch.zeros(4, 32)}))
    build_detector(LLMDET, folder, device="cpu")
    change_weights(folder, lambda weights: weights.update({"head.weight": torch.zeros(3)}))
    with pytest.raises(CheckpointError, match=r"its weights have an unknown head\.weight\."):
        build_detector(LLMDET, folder, device="cpu")
    change_weights(folder, lambda weights: weights.pop("head.weight"))
    change_weights(folder, lambda weights: weights.update({"model.level_embed": torch.zeros(4, 16)}))
    with pytest.raises(CheckpointError, match=r"model\.level_embed"):
        build_detector(LLMDET, folder, device="cpu")


def test_constants_in_old_files_are_no_unknown_weights(folder: Path) -> None:
    name = "model.text_backbone.embeddings.position_ids"
    change_weights(folder, lambda weights: weights.update({name: torch.arange(512)[None]}))
    build_detector(LLMDET, folder, device="cpu")


def test_a_tokenizer_with_other_ids_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    words = (folder / "vocab.txt").read_text().replace("[unused7]\n", "").splitlines()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    with pytest.raises(CheckpointError, match=r"its tokenizer is not the one of BERT \(uncased\)"):
        build_detector(LLMDET, folder, device="cpu")


def test_without_transformers_or_with_another_version_the_remedy_is_the_pip_command(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library, said in (
        (None, "DETECTOR=llmdet_tiny needs transformers 5.20.2, which cannot be imported"),
        (SimpleNamespace(__version__="4.57.0"), "DETECTOR=llmdet_tiny needs transformers 5.20.2, but 4.57.0"),
    ):
        monkeypatch.setitem(sys.modules, "transformers", library)
        with pytest.raises(BadSettings) as error:
            build_detector(LLMDET, folder, device="cpu")
        assert error.value.message.startswith(said)
        assert "pip install -r requirements-models.txt -c constraints.txt" in error.value.remedy
