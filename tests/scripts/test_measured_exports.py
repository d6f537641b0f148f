"""The routes that the benchmark compares write the same masks, and only one of them paints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.geometry import PixelRuns
from scripts.measuring.exporting import export_here, export_painted, write_source


def test_both_routes_write_the_same_file_and_only_one_paints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks, painted, paint = [np.zeros((30, 40), bool) for _ in range(3)], [], PixelRuns.to_mask
    for at, mask in enumerate(masks):
        mask[5:20, 10 : 20 + at] = True
    write_source(masks, tmp_path / "tasks.json", tasks=2)
    monkeypatch.setattr(PixelRuns, "to_mask", lambda runs: painted.append(runs.area) or paint(runs))
    export_here(tmp_path / "tasks.json", tmp_path / "here")
    assert painted == []
    export_painted(tmp_path / "tasks.json", tmp_path / "painted")
    assert painted == [150, 165, 180] * 2
    here, other = ((tmp_path / folder / "instances.json").read_bytes() for folder in ("here", "painted"))
    assert here == other
    assert [one["area"] for one in json.loads(here)["annotations"]] == [150, 165, 180] * 2
