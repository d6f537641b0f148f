"""What `scripts.compare_answers` notices, and what it lets pass. No server is started."""

from __future__ import annotations

import ast
import base64
import copy
import io
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scripts import compare_answers
from scripts.comparing_answers.comparison import Comparison
from scripts.comparing_answers.conversation import Conversation, Enough
from scripts.comparing_answers.exchanges import NO_ANSWER, Answer, Exchange
from scripts.comparing_answers.masks import decode_rle
from scripts.comparing_answers.plan import tell_stories
from scripts.comparing_answers.report import summarize

FULL = [0, 0, 0, 4, 57, 27, 252, 127, 224]  # one pixel, in the mask
EMPTY = [0, 0, 0, 4, 57, 27, 252, 96, 0]  # the same picture without it
FOLDER = Path(compare_answers.__file__).parent


def region(region_id: str = "00112233445566aa", score: float = 0.9, rle: list[int] | None = None) -> dict[str, Any]:
    value = {"format": "rle", "rle": rle or FULL, "brushlabels": ["red"]}
    return {"id": region_id, "type": "brushlabels", "from_name": "mask", "score": score, "value": value}


def answer(*results: dict[str, Any], status: int = 200, reason: str = "OK", version: str = "v1") -> Answer:
    document = {"results": [{"result": list(results), "model_version": version, "score": 0.5}]}
    return Answer(status, copy.deepcopy(document), reason, "application/json")


def refusal(error: str, status: int = 422, request_id: str = "0123456789ab") -> Answer:
    body = {"error": error, "remedy": "Mend it.", "request_id": request_id}
    return Answer(status, body, f"{error} Mend it.", "application/json")


def compare(before: list[Answer], after: list[Answer], sent: Any = None, **options: bool) -> Comparison:
    comparison = Comparison(**options)
    sides = [[Exchange(n, "click", "POST /predict", sent, one) for n, one in enumerate(s, 1)] for s in (before, after)]
    comparison.compare("request", *sides)
    return comparison


def paths(comparison: Comparison) -> list[str]:
    return [difference.path for difference in comparison.differences]


def bitmask(*pixels: int, level: int = 6) -> dict[str, Any]:
    file = io.BytesIO()
    Image.fromarray(np.array([pixels], np.uint8)).save(file, "PNG", compress_level=level)
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    return {"id": "00112233445566aa", "type": "bitmasklabels", "value": {"imageDataURL": url}}


def test_equal_answers_are_the_same_and_their_masks_are_counted() -> None:
    comparison = compare([answer(region())], [answer(region())])
    assert paths(comparison) == []
    assert comparison.shapes == {("request", "brush"): 1}
    assert comparison.empty == 0


def test_a_score_may_differ_by_a_millionth_and_no_more() -> None:
    assert paths(compare([answer(region(score=0.5))], [answer(region(score=0.5000009))])) == []
    comparison = compare([answer(region(score=0.5))], [answer(region(score=0.500002))])
    assert paths(comparison) == ["$.body.results[0].result[0].score"]
    assert comparison.largest_score == pytest.approx(2e-6)


def test_a_changed_pixel_of_a_brush_is_a_difference() -> None:
    comparison = compare([answer(region())], [answer(region(rle=EMPTY))])
    assert paths(comparison) == ["$.body.results[0].result[0].value.rle"]
    assert "1 of 1 pixels differ" in str(comparison.differences[0])


def test_other_bytes_for_the_same_brush_are_a_difference_and_it_says_so() -> None:
    comparison = compare([answer(region())], [answer(region(rle=[*FULL, 0]))])
    assert "other bytes for the same mask" in str(comparison.differences[0])


def test_a_bitmask_is_compared_by_its_pixels() -> None:
    assert paths(compare([answer(bitmask(0, 255))], [answer(bitmask(0, 255, level=0))])) == []
    assert "1 of 2 pixels" in str(compare([answer(bitmask(0, 255))], [answer(bitmask(255, 255))]).differences[0])


def test_a_point_of_a_polygon_may_not_move() -> None:
    one, other = ({"type": "polygon", "value": {"points": [[1.0, y], [2.0, 2.0], [3.0, 3.0]]}} for y in (1.0, 1.1))
    assert paths(compare([answer(one)], [answer(other)])) == ["$.body.results[0].result[0].value.points[0][1]"]


def test_a_missing_key_a_missing_result_and_another_type_are_differences() -> None:
    without = {key: value for key, value in region().items() if key != "from_name"}
    assert paths(compare([answer(region())], [answer(without)])) == ["$.body.results[0].result[0].from_name"]
    assert paths(compare([answer(region(), region())], [answer(region())])) == ["$.body.results[0].result"]
    assert paths(compare([answer(region(score=1.0))], [answer(region(score=1))])) != []


def test_another_order_is_a_difference() -> None:
    one, other = region("0" * 16, score=0.1), region("1" * 16, score=0.2)
    assert paths(compare([answer(one, other)], [answer(other, one)])) != []


def test_another_status_is_a_difference_also_between_refusals() -> None:
    assert paths(compare([answer(region())], [answer(region(), status=201)])) == ["$.status"]
    assert paths(compare([refusal("No.", 422)], [refusal("No.", 400)])) == ["$.status"]


def test_two_sides_that_do_not_answer_are_not_the_same() -> None:
    broken = Answer(NO_ANSWER, "No answer: ConnectionResetError")
    assert paths(compare([broken], [broken])) == ["$.status"]


def test_ids_that_a_backend_makes_may_differ_if_they_differ_all_the_way() -> None:
    before = [answer(region("a" * 16), region("b" * 16)), answer(region("a" * 16))]
    after = [answer(region("c" * 16), region("d" * 16)), answer(region("c" * 16))]
    assert paths(compare(before, after)) == []


def test_a_swapped_id_is_a_difference() -> None:
    before = [answer(region("a" * 16), region("b" * 16)), answer(region("a" * 16))]
    after = [answer(region("c" * 16), region("d" * 16)), answer(region("d" * 16))]
    assert paths(compare(before, after)) == ["$.body.results[0].result[0].id"]


def test_two_ids_that_become_one_and_one_that_becomes_two_are_differences() -> None:
    two, one = answer(region("a" * 16), region("b" * 16)), answer(region("c" * 16), region("c" * 16))
    assert paths(compare([two], [one])) == paths(compare([one], [two])) == ["$.body.results[0].result[1].id"]


def test_an_id_of_another_form_is_a_difference() -> None:
    assert paths(compare([answer(region("a" * 16))], [answer(region("a" * 10))])) != []


def test_an_id_that_the_request_brought_must_come_back_as_it_was() -> None:
    sent = {"tasks": [{"drafts": [{"result": [{"id": "e" * 16}]}]}]}
    assert paths(compare([answer(region("e" * 16))], [answer(region("e" * 16))], sent)) == []
    assert paths(compare([answer(region("e" * 16))], [answer(region("f" * 16))], sent)) != []


def test_reworded_messages_are_listed_and_only_with_the_option_differences() -> None:
    before, after = [refusal("No point.")], [refusal("There is no point.", request_id="ba9876543210")]
    comparison = compare(before, after)
    assert paths(comparison) == []
    assert [difference.path for difference in comparison.reworded] == ["$.reason", "$.body.error"]
    assert len(compare(before, after, strict_messages=True).differences) == 2
    assert "reworded messages: 2" in summarize(comparison, [], [])


def test_another_model_version_is_a_note_said_once() -> None:
    comparison = compare([answer(region())] * 2, [answer(region(), version="v2")] * 2)
    assert paths(comparison) == []
    assert comparison.notes == ["model_version changed from v1 to v2"]


def test_an_answer_that_only_one_side_gave_is_a_difference() -> None:
    assert paths(compare([answer(region()), answer()], [answer(region())])) == ["$"]


def test_the_last_line_of_the_summary_is_the_verdict() -> None:
    assert summarize(compare([answer(region())], [answer(region())]), [], []).endswith("\nsame")
    worse = summarize(compare([answer(region())], [answer(region(score=0.1))]), [], [])
    assert worse.endswith("\n1 differences")
    assert "request 1 (click) $.body.results[0].result[0].score\n    before: 0.9\n     after: 0.1" in worse


def test_run_lengths_are_decoded() -> None:
    assert decode_rle(FULL).tolist() == [255]
    assert decode_rle(EMPTY).tolist() == [0]


class Silent:
    """A backend that was never started."""

    port = 0

    def becomes_idle(self, pictures: int) -> bool:
        return True


class Deaf(Conversation):
    """Says the same to everything."""

    body: Any = None

    def _send(self, *_: object, **__: object) -> Answer:
        return Answer(200, self.body)

    def _wait(self, opened: Collection[str]) -> bool:
        return True


@pytest.mark.parametrize("body", ["oops", {"results": [[]]}, {"results": [{"result": [{}]}]}])
def test_the_stories_go_on_whatever_is_answered_and_end_with_the_last_request(body: Any) -> None:
    talk = Deaf(Silent(), 200, "http://127.0.0.1:1")
    talk.body = body
    with suppress(Enough):
        tell_stories(talk)
    assert len(talk.exchanges) == 200
    refused = {exchange.kind for exchange in talk.exchanges if exchange.kind.startswith("refused")}
    assert len(refused) > 40
    assert "refused: page opened, picture missing" in refused  # the last of them


def test_a_folder_that_is_no_checkout_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare_answers.main([str(tmp_path), str(tmp_path)]) == 2
    assert "is not a checkout of this project" in capsys.readouterr().err


def test_nothing_of_the_project_is_imported() -> None:
    files = [FOLDER / "compare_answers.py", *(FOLDER / "comparing_answers").glob("*.py")]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    own = {name for name in names if name.split(".")[0] in ("backend", "scripts", "tests")}
    assert own and all(name.split(".")[:2] == ["scripts", "comparing_answers"] for name in own)
