"""The benchmark of model families: what is compared, how it is reported; its figures are not tested."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.errors import BadSettings
from backend.models.registry import build_segmenter, find_segmenter
from backend.settings import Settings
from backend.values import Prompt, Size
from scripts.benchmark import build_parser
from scripts.demo_world.scenes import HELD_OUT_SEED, make_scene
from scripts.measuring import families
from scripts.measuring.families import DEFAULT_FAMILIES, FamilyFigures, measure_families
from scripts.measuring.families_report import write_families_report
from scripts.measuring.library_peers import build_peer
from scripts.measuring.random_weights import write_random_weights
from scripts.measuring.report import Circumstances
from scripts.measuring.subjects import build_subject
from scripts.measuring.timing import build_row
from tests.models.transformers_sam.tiny_models import SAM_MODELS, build_tiny
from tests.paths import ROOT

PIXELS = make_scene(HELD_OUT_SEED, Size(200, 150)).pixels


def figures(name: str, mine_ms: float) -> FamilyFigures:
    rows = (
        build_row(f"{name}, random weights", "warm click", [mine_ms], peer="the library", peer_ms=[100.0], aim=1.0),
    )
    return FamilyFigures(name, 9_808_452, 325.2, 2.097152, 0.32, 5e-5, rows)


def test_the_library_call_is_about_the_same_click(tmp_path: Path) -> None:
    entry = find_segmenter("demo")
    segmenter = build_segmenter(entry, write_random_weights(entry, tmp_path), device="cpu", dtype="auto")
    assert_same_logits(entry, segmenter)


@pytest.mark.parametrize("family", SAM_MODELS)
def test_the_call_of_transformers_is_about_the_same_click(family: str) -> None:
    from backend.models.transformers_sam.segmenter import TransformersSam

    entry = find_segmenter(SAM_MODELS[family])
    assert_same_logits(entry, TransformersSam(build_tiny(family), family=family, device="cpu"))


def assert_same_logits(entry: Any, segmenter: Any) -> None:
    peer = build_peer(entry, segmenter)
    peer.encode(PIXELS)
    expected = peer.click(120.0, 60.0)
    (best,) = segmenter.decode(segmenter.encode(PIXELS), Prompt(((120.0, 60.0),), (1,)), max_masks=1)
    assert np.abs(best.low_res_logits[0] - expected).max() < 0.02 * np.abs(expected).max()
    elsewhere = peer.click(20.0, 130.0)
    assert np.abs(elsewhere - expected).max() > 0.02 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobile_sam", "edgetam", "sam2.1_hiera_tiny"])
def test_random_weights_of_the_default_models_are_loaded_by_their_entries(name: str, tmp_path: Path) -> None:
    entry = find_segmenter(name)
    segmenter: Any = build_segmenter(entry, write_random_weights(entry, tmp_path), device="cpu", dtype="auto")
    assert segmenter.embedding_spec(Size(10, 10)).family == entry.family
    parameters = sum(parameter.numel() for parameter in segmenter._sam.model.parameters())
    expected = {"mobile_sam": 9_808_452, "edgetam": 9.1e6, "sam2.1_hiera_tiny": 31.4e6}[name]
    assert parameters == pytest.approx(expected, rel=0.005)


def test_a_family_without_an_architecture_for_random_weights_is_refused(tmp_path: Path) -> None:
    entry = replace(find_segmenter("vit_b"), name="other", family="other")
    with pytest.raises(BadSettings, match=r"There are no random weights of other\. Choose a model of another family"):
        write_random_weights(entry, tmp_path)


@pytest.mark.slow
def test_a_model_is_measured_in_a_process_of_its_own_and_its_weights_are_deleted(tmp_path: Path) -> None:
    (demo,) = measure_families(["demo"], tmp_path, encodes=1, clicks=2, threads=1, size=Size(320, 240))
    assert (demo.name, demo.cache_mb) == ("demo", 96 * 32 * 32 * 2 / 1e6)
    assert demo.peak_mb > demo.parameters * 4 / 1e6  # float32
    assert [(row.repeats, row.aim) for row in demo.rows] == [(1, None), (2, 1.0), (2, None)]
    assert all(row.p50_ms > 0 and row.peer_p50_ms for row in demo.rows)
    assert list(tmp_path.iterdir()) == []


def test_weights_are_deleted_even_if_the_measurement_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(work: Any) -> None:
        assert (tmp_path / "demo").is_dir()
        raise BadSettings("No.", remedy="None.")

    monkeypatch.setattr(families, "_run_in_process", fail)
    with pytest.raises(BadSettings, match="No"):
        measure_families(["demo"], tmp_path, encodes=1, clicks=1, threads=1)
    assert list(tmp_path.iterdir()) == []


def test_the_report_has_times_targets_memory_and_agreement(tmp_path: Path) -> None:
    about = Circumstances("python -m scripts.benchmark --families mobile_sam,edgetam", 1, "1920x1080", "cpu")
    page = write_families_report([figures("mobile_sam", 50.0), figures("edgetam", 125.0)], about, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert page.name == "benchmarks_models.md"
    assert "(`make bench FAMILIES=mobile_sam,edgetam`)" in text
    assert "has its real size and random weights" in text
    assert "| mobile_sam, random weights: warm click | the library | ≤ 1 of its time | 0.5 | met |" in text
    assert "| edgetam, random weights: warm click | the library | ≤ 1 of its time | 1.25 | **missed** |" in text
    assert "| mobile_sam | 9.8 million | 325 MB | 2.1 MB | 5e-05, of at most 0.32 |" in text
    assert "Cleaning masks" not in text
    document = json.loads((tmp_path / "benchmarks_models.json").read_text(encoding="utf-8"))
    assert [model["name"] for model in document["models"]] == ["mobile_sam", "edgetam"]
    assert document["models"][0]["peak_mb"] == 325.2
    assert len(document["rows"]) == 2


def test_a_model_that_segment_anything_lacks_is_sent_to_the_other_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.models.checkpoints.find_segmenter_checkpoint", lambda *_: tmp_path)
    monkeypatch.setattr("backend.models.registry.build_segmenter", lambda *_, **__: object())
    with pytest.raises(BadSettings, match=r"SAM_MODEL is edgetam, which .* Measure it with --families edgetam\."):
        build_subject(Settings(sam_model="edgetam"))


def test_families_are_given_by_their_registry_names(capsys: pytest.CaptureFixture[str]) -> None:
    parse = build_parser().parse_args
    assert parse([]).families is None
    assert parse(["--families"]).families == list(DEFAULT_FAMILIES) == ["mobile_sam", "sam2.1_hiera_tiny", "edgetam"]
    assert parse(["--families", "vit_b, edgetam"]).families == ["vit_b", "edgetam"]
    with pytest.raises(SystemExit):
        parse(["--families", "sam9"])
    assert "unknown model 'sam9'; choose from demo, mobile_sam" in capsys.readouterr().err


def test_make_bench_measures_the_given_families_only() -> None:
    def plan(*arguments: str) -> str:
        command = ["make", "--dry-run", "bench", "ARGS=", *arguments]  # a make above may have ARGS of its own
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        (line,) = [line for line in made.stdout.splitlines() if "scripts.benchmark" in line]
        return line.split("-m ")[1].strip()

    assert plan("FAMILIES=edgetam,vit_b", "ARGS=--quick") == "scripts.benchmark --families edgetam,vit_b --quick"
    assert plan() == "scripts.benchmark"
