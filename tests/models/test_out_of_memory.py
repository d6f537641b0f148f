"""DeviceModel: less at once, then the CPU."""

from __future__ import annotations

import json
import logging
import re
import weakref
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.errors import OutOfMemory
from backend.models.out_of_memory import DeviceModel
from backend.models.registry import build_detector, build_segmenter, find_detector, find_segmenter
from scripts.measuring.random_weights import published_config
from tests.models.detectors.tiny_detectors import LLMDET, write_detector


@pytest.fixture
def model(monkeypatch) -> DeviceModel[torch.nn.Linear]:
    """A model that believes it is on cuda."""
    monkeypatch.setattr("backend.models.out_of_memory.free_memory", lambda _: None)
    model = DeviceModel(torch.nn.Linear(2, 1), torch.device("cpu"), "SAM")
    model.device = torch.device("cuda")
    return model


class Memory:
    """Work that fits only where it is told to."""

    def __init__(self, model: DeviceModel[torch.nn.Linear], *, on_device: int, on_cpu: int = 1000) -> None:
        self.device_model, self.limits = model.model, (on_device, on_cpu)
        self.tried: list[tuple[str, int]] = []

    def work(self, model: torch.nn.Linear, amount: int) -> str:
        where = "device" if model is self.device_model else "cpu"
        self.tried.append((where, amount))
        if amount > self.limits[where == "cpu"]:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return where

    def ways(self, *amounts: int):
        return [(f"{amount} points", lambda model, amount=amount: self.work(model, amount)) for amount in amounts]


def test_work_that_fits_is_done_once_and_nothing_is_logged(model, caplog) -> None:
    memory = Memory(model, on_device=64)
    assert model.run(*memory.ways(64, 8)) == "device"
    assert memory.tried == [("device", 64)]
    assert caplog.text == ""


def test_less_is_tried_on_the_device_and_the_last_way_on_the_cpu(model, caplog) -> None:
    memory = Memory(model, on_device=4)
    with caplog.at_level(logging.WARNING):
        assert model.run(*memory.ways(64, 8)) == "cpu"
    assert memory.tried == [("device", 64), ("device", 8), ("cpu", 8)]
    assert [record.getMessage() for record in caplog.records] == [
        "SAM ran out of memory on cuda with 64 points (CUDA out of memory.); retrying with a smaller batch.",
        "SAM ran out of memory on cuda with 8 points (CUDA out of memory.); falling back to the CPU.",
    ]


def test_the_copy_on_the_cpu_is_made_once_and_computes_the_same(model) -> None:
    copies = []

    def work(candidate: torch.nn.Linear) -> torch.Tensor:
        if candidate is model.model:
            raise MemoryError
        copies.append(candidate)
        return candidate(torch.ones(1, 2))

    expected = model.model(torch.ones(1, 2))
    assert torch.equal(model.run(("a prompt", work)), expected)
    assert torch.equal(model.run(("a prompt", work)), expected)
    assert copies[0] is copies[1]


@pytest.mark.parametrize(
    ("device", "places"), [("cpu", "on the CPU with 8 points"), ("cuda", "on cuda and on the CPU with 8 points")]
)
def test_a_lack_of_memory_on_the_cpu_is_explained_and_a_smaller_model_named(model, device: str, places: str) -> None:
    model.device, model._name = torch.device(device), "vit_h"
    memory = Memory(model, on_device=0, on_cpu=0)
    with pytest.raises(OutOfMemory) as caught:
        model.run(*memory.ways(64, 8))
    assert caught.value.message == f"vit_h ran out of memory {places}."
    assert caught.value.remedy == "Set SAM_MODEL=vit_l, the next smaller model, or give this process more memory."
    on_cpu = [("cpu", 8)] if device == "cuda" else []
    assert memory.tried == [("device", 64), ("device", 8), *on_cpu]


def test_the_explanation_keeps_no_tensor_of_the_failed_work_alive(model) -> None:
    tensors = []

    def work(_: torch.nn.Linear) -> None:
        large = torch.zeros(3)
        tensors.append(weakref.ref(large))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(OutOfMemory) as caught:
        model.run(("a prompt", work))
    assert len(tensors) == 2 and not any(tensor() is not None for tensor in tensors)
    assert caught.value.__context__ is None


def test_weights_that_do_not_fit_onto_the_device_are_explained(monkeypatch) -> None:
    def move(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    weights = torch.nn.Linear(2, 1)
    monkeypatch.setattr(weights, "to", move)
    with pytest.raises(
        OutOfMemory, match=r"^sam2\.1_hiera_large ran out of memory on cuda with its weights\. Set SAM_M"
    ):
        DeviceModel(weights, torch.device("cuda"), "sam2.1_hiera_large")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes.")]
)
@pytest.mark.parametrize("name", ["vit_h", "sam2.1_hiera_large", "edgetam", "llmdet_base"])
def test_weights_that_cannot_be_read_for_lack_of_memory_are_not_called_damaged(
    name: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("torch.load", fail)
    for model in ("Sam2Model", "EdgeTamModel", "AutoModelForZeroShotObjectDetection"):
        monkeypatch.setattr(f"transformers.{model}.from_pretrained", fail)
    with pytest.raises(OutOfMemory, match=rf"^{re.escape(name)} ran out of memory .* with its weights\. Set "):
        build_without_weights(name, tmp_path)


def build_without_weights(name: str, folder: Path) -> None:
    """Build a model whose weights are read by what the test replaced."""
    if name == "vit_h":
        (folder / "vit_h.pth").touch()
        build_segmenter(find_segmenter(name), folder / "vit_h.pth", device="cpu", dtype="auto")
    elif name == "llmdet_base":
        build_detector(find_detector(name), write_detector(folder, LLMDET), device="cpu")
    else:
        (folder / "config.json").write_text(json.dumps(published_config(name).to_dict(), default=str))
        save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
        build_segmenter(find_segmenter(name), folder, device="cpu", dtype="auto")


def test_other_errors_are_raised_at_once(model) -> None:
    tried = []

    def fail(_: torch.nn.Linear) -> None:
        tried.append(1)
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        model.run(("64 points", fail), ("8 points", fail))
    assert len(tried) == 1


def test_a_batch_is_halved_until_it_fits_and_stays_in_order(model) -> None:
    memory = Memory(model, on_device=2)

    def work(candidate: torch.nn.Linear, batch: torch.Tensor) -> torch.Tensor:
        memory.work(candidate, len(batch))
        return batch * 10

    assert model.run_batch(torch.arange(5), work).tolist() == [0, 10, 20, 30, 40]
    assert memory.tried == [("device", 5), ("device", 3), ("device", 2), ("device", 1), ("device", 2)]


def test_what_does_not_fit_alone_goes_to_the_cpu(model) -> None:
    memory = Memory(model, on_device=0)

    def work(candidate: torch.nn.Linear, batch: torch.Tensor) -> torch.Tensor:
        memory.work(candidate, len(batch))
        return batch

    assert model.run_batch(torch.arange(2), work).tolist() == [0, 1]
    assert memory.tried == [("device", 2), ("device", 1), ("cpu", 1), ("device", 1), ("cpu", 1)]
