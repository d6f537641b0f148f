from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backend.errors import BadSettings, CheckpointError
from backend.models import checkpoints
from backend.models.hub_download import HubModel
from backend.models.registry import SEGMENTERS, PublishedFile, find_classifier, find_segmenter
from backend.models.sam.architectures import build_sam
from scripts import download_models

VIT_H, CLIP = find_segmenter("vit_h"), find_classifier("ViT-B-32")


def test_without_a_network_the_message_says_where_to_put_the_file(tmp_path: Path, capsys, monkeypatch) -> None:
    nowhere = PublishedFile("http://127.0.0.1:9/sam_vit_b_01ec64.pth", 375, "00")  # the discard port: nobody listens
    monkeypatch.setitem(SEGMENTERS, "vit_b", replace(SEGMENTERS["vit_b"], published=nowhere))
    assert download_models.main(["vit_b", "--weights-dir", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "http://127.0.0.1:9/sam_vit_b_01ec64.pth could not be reached: " in message
    assert f"download the file elsewhere and copy it to {tmp_path / 'sam_vit_b_01ec64.pth'}" in message


def test_a_name_nobody_publishes_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as caught:
        download_models.resolve("vit_x", tmp_path)
    assert caught.value.message == "Unknown model 'vit_x'."
    assert "vit_b, vit_l, vit_h" in caught.value.remedy
    with pytest.raises(BadSettings) as caught:
        download_models.resolve("ViT-B-32/nothing", tmp_path)
    assert "laion2b_s34b_b79k" in caught.value.remedy


def test_an_open_clip_name_becomes_an_address_on_the_hub(tmp_path: Path) -> None:
    wanted = download_models.resolve("ViT-B-32/laion2b_s34b_b79k", tmp_path)
    assert isinstance(wanted.source, HubModel)
    assert (wanted.source.repository, wanted.source.revision) == ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "main")
    assert wanted.source.files == {"open_clip_model.safetensors": wanted.target.name}
    wanted.target.write_bytes(b"weights")
    assert checkpoints.find_classifier_checkpoint(CLIP, "laion2b_s34b_b79k", tmp_path) == wanted.target


def test_a_file_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sam.pth"
    path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"but file\.pth has abc"):
        checkpoints.verify_pin(path, PublishedFile("https://example.org/file.pth", 1, "abc"))


def test_a_missing_checkpoint_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoints.find_segmenter_checkpoint(VIT_H, "", tmp_path)
    assert "python -m scripts.download_models vit_h" in caught.value.remedy
    with pytest.raises(CheckpointError, match=r"There is no SAM checkpoint at nowhere\.pth"):
        checkpoints.find_segmenter_checkpoint(VIT_H, "nowhere.pth", tmp_path)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.find_classifier_checkpoint(CLIP, "laion2b_s34b_b79k", tmp_path)
    assert "python -m scripts.download_models ViT-B-32/laion2b_s34b_b79k" in caught.value.remedy


@pytest.mark.parametrize("name", ["sam.pth", "sam.safetensors"])
def test_a_damaged_checkpoint_is_named_with_its_size(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x80\x04 damaged")
    with pytest.raises(CheckpointError, match=rf"{name} \(10 bytes\) is damaged"):
        checkpoints.load_state_dict(path)


@pytest.mark.parametrize("content", [[1, 2], {1: 2}, {"state_dict": None}])
def test_a_file_that_holds_no_weights_by_name_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "list.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"must contain a state dict \(tensors by name\), but is a "):
        checkpoints.load_state_dict(path)


class Evil:
    def __reduce__(self):
        return (print, ("code ran",))


def test_a_checkpoint_with_code_in_it_is_refused_and_not_run(tmp_path: Path, capsys) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"weight": Evil()}, path)
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints.load_state_dict(path)
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoints.load_state_dict(plain)
    assert "code ran" not in capsys.readouterr().out


def test_a_checkpoint_of_another_architecture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match=r"other\.pth does not match the model 'demo': Missing key"):
        checkpoints.load_into(build_sam("demo"), path, "demo")


def test_real_sam_checkpoints_load_by_their_published_layout(tmp_path: Path) -> None:
    """Meta's files are plain state dicts saved by torch.save; random weights of the real ViT-B take the same way."""
    torch.manual_seed(0)
    source, path = build_sam("vit_b"), tmp_path / "sam_vit_b_01ec64.pth"
    torch.save(source.state_dict(), path)
    target = build_sam("vit_b")
    found = checkpoints.find_segmenter_checkpoint(find_segmenter("vit_b"), "", tmp_path)
    checkpoints.load_into(target, found, "vit_b")
    for name, tensor in source.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name])
