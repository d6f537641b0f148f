"""The arithmetic and the inputs of the benchmark; its figures are not tested."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import numpy as np
import pytest

from backend.label_studio.api import PredictionClient
from backend.label_studio.requests import Click, parse_predict_body, parse_predict_request
from backend.settings import Settings
from backend.values import Size
from scripts.benchmark import build_parser
from scripts.measuring.importing import VERSION, import_and_time
from scripts.measuring.place import CLASSES_AND_MASKS, MASKS_ONLY, build_body, make_pictures, serve
from scripts.measuring.redis_tier import WHAT, measure_redis_click
from scripts.measuring.report import Circumstances, write_report
from scripts.measuring.timing import SkippedRow, build_row, compare, time_ms
from tests.bulk.fake_label_studio import PROJECT, FakeLabelStudio
from tests.servers import LocalServer


def test_a_row_holds_medians_and_how_many_times_faster_we_are() -> None:
    row = build_row("g", "w", [1.0, 2.0, 9.0], peer="p", peer_ms=[5.0, 6.0, 7.0])
    assert (row.p50_ms, row.peer_p50_ms, row.times_faster, row.repeats) == (2.0, 6.0, 3.0, 3)
    assert row.p95_ms == pytest.approx(2 + 0.9 * 7)  # between the second and the third of three


def test_a_row_without_a_peer_claims_no_ratio() -> None:
    assert build_row("g", "w", [1.0]).times_faster is None


def test_both_sides_take_turns_and_are_warmed_up_once() -> None:
    calls: list[str] = []
    compare("g", "w", lambda: calls.append("mine"), "p", lambda: calls.append("peer"), repeats=2)
    assert calls == ["mine", "peer"] * 3


@pytest.mark.parametrize("label_config", [MASKS_ONLY, CLASSES_AND_MASKS])
def test_the_click_that_is_measured_lies_on_an_object_and_is_one_that_the_backend_takes(label_config: str) -> None:
    (picture,) = make_pictures(1, Size(320, 240))
    request = parse_predict_request(parse_predict_body(build_body(picture, label_config)))
    assert isinstance(request.request, Click)
    (prompt,) = request.request.prompts
    assert prompt.drawn_size == Size(320, 240)
    assert prompt.prompt.is_single_click
    x, y = prompt.prompt.point_coords[0]
    assert np.hypot(x - picture.click[0], y - picture.click[1]) < 1
    assert any(scene_object.mask[int(y), int(x)] for scene_object in picture.scene.objects)


def test_pictures_are_served_under_the_address_that_the_task_names() -> None:
    (picture,) = make_pictures(1, Size(320, 240))
    with serve({picture.uri: picture.png}) as url, urlopen(url + picture.uri) as answer:
        assert answer.read() == picture.png


def test_the_report_says_the_same_to_people_and_to_programs(tmp_path: Path) -> None:
    row = build_row("Brush RLE", "encode", [2.0], peer="the SDK", peer_ms=[24.0], aim=8)
    page = write_report([row], Circumstances("python -m scripts.benchmark", 1, "1920x1080"), tmp_path)
    assert "| encode | 2 | 2 | the SDK | 24 | 12.00× | target ≥ 8× |" in page.read_text(encoding="utf-8")
    document = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert document["rows"][0]["times_faster"] == 12.0
    assert document["about"]["command"] == "python -m scripts.benchmark"


def test_the_page_states_each_target_and_whether_it_was_met(tmp_path: Path) -> None:
    rows = [
        build_row("A click", "warm", [8.0], peer="SamPredictor", peer_ms=[10.0], aim=1 / 0.8),
        build_row("A click", "slow", [9.0], peer="SamPredictor", peer_ms=[10.0], aim=1 / 0.8),
        build_row("HTTP", "near", [12.0], peer="inside", peer_ms=[8.0], max_extra_ms=5),
        build_row("HTTP", "far", [14.0], peer="inside", peer_ms=[8.0], max_extra_ms=5),
        build_row("Other", "not aimed at", [1.0], peer="p", peer_ms=[1.0]),
    ]
    page = write_report(rows, Circumstances("c", 1, "1x1"), tmp_path).read_text(encoding="utf-8")
    goals = page.split("## Speed targets")[1].split("\n## ")[0]
    assert "| A click: warm | SamPredictor | ≤ 0.8 of its time | 0.8 | met |" in goals
    assert "| A click: slow | SamPredictor | ≤ 0.8 of its time | 0.9 | **missed** |" in goals
    assert "| HTTP: near | inside | ≤ 5 ms more | +4.0 ms | met |" in goals
    assert "| HTTP: far | inside | ≤ 5 ms more | +6.0 ms | **missed** |" in goals
    assert "not aimed at" not in goals


def test_the_report_says_what_was_not_measured_and_why(tmp_path: Path) -> None:
    rows = [build_row("A click", "warm", [8.0]), SkippedRow("A click", "from Redis", "redis-server is not installed")]
    page = write_report(rows, Circumstances("c", 1, "1x1"), tmp_path).read_text(encoding="utf-8")
    assert "| from Redis |  |  |  |  |  | not measured: redis-server is not installed |" in page
    document = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert [row["what"] for row in document["rows"]] == ["warm"]
    assert document["skipped"] == [
        {"group": "A click", "what": "from Redis", "reason": "redis-server is not installed"}
    ]


def test_without_a_redis_server_its_row_is_skipped(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    (picture,) = make_pictures(1, Size(320, 240))
    row = measure_redis_click(SimpleNamespace(name="demo"), picture, tmp_path, repeats=1)
    assert row == SkippedRow("A click, SAM demo", WHAT, "redis-server is not installed")


def test_only_the_named_sections_are_run_and_an_unknown_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert build_parser().parse_args(["--only", "click, codec"]).only == ["click", "codec"]
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--only", "click,everything"])
    assert "unknown section 'everything'; choose from click, model" in capsys.readouterr().err


def test_cpu_time_does_not_count_waiting() -> None:
    assert time_ms(lambda: time.sleep(0.05), "cpu") < 40 <= time_ms(lambda: time.sleep(0.05), "wall")


def test_the_import_that_is_measured_gives_each_task_one_prediction(
    tmp_path: Path, start_server: Callable[[], LocalServer]
) -> None:
    site, server = FakeLabelStudio.with_tasks(3), start_server()
    site.labels = ("object",)
    site.serve(server)
    settings = Settings(runs_dir=str(tmp_path))
    assert import_and_time(PredictionClient(server.url, "a-token"), int(PROJECT), settings) > 0
    assert site.counts(VERSION) == {1}
