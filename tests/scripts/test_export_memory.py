"""The memory of an export does not grow with the project, whether it comes from a file or from Label Studio's API."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.label_studio.results import encode_brush
from scripts.measuring.export_memory import MAX_GROWTH_MB, measure_growth
from scripts.measuring.generated_project import GeneratedProject
from scripts.measuring.mask_sets import FOLDER, MASK_SETS, load_masks


@pytest.mark.slow
@pytest.mark.parametrize("source", ["file", "api"])
def test_twenty_thousand_regions_are_exported_in_flat_memory(source: str, tmp_path: Path) -> None:
    """330 MB of JSON; four times as many regions must not take 40 MB more."""
    small = measure_growth(source, 5000, tmp_path)
    large = measure_growth(source, 20_000, tmp_path)
    assert (small.regions, large.regions) == (5000, 20_000)
    assert large.source_mb > MAX_GROWTH_MB
    assert large.grown_mb < small.grown_mb + 40 < MAX_GROWTH_MB / 2


def test_generated_tasks_have_ids_of_their_own(tmp_path: Path) -> None:
    project = GeneratedProject(3)
    project.write(tmp_path / "tasks.json")
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert [task["id"] for task in tasks] == [1, 2, 3]
    assert len({result["id"] for task in tasks for result in task["annotations"][0]["result"]}) == 12
    page = json.loads(project.page(1, 10))
    assert (page["total"], page["tasks"]) == (2, tasks[1:])


@pytest.mark.parametrize(("name", "integers"), MASK_SETS.items())
def test_a_mask_set_has_the_integers_that_its_name_says(name: str, integers: int) -> None:
    masks = load_masks(name)
    assert {mask.shape for mask in masks} == {(1080, 1920)}
    assert np.mean([len(encode_brush(mask)) for mask in masks]) == pytest.approx(integers, rel=0.06)


def test_the_mask_sets_are_small_files() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.png")) < 300_000
