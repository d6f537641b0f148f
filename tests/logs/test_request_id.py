"""Ids of requests: a proxy's is kept if it is a plain short word."""

from __future__ import annotations

import re

import pytest

from backend.logs import choose_request_id


@pytest.mark.parametrize("given", ["a", "4f0c7f0e2b", "A-b_c.1", "x" * 64])
def test_a_plain_short_id_is_kept(given: str) -> None:
    assert choose_request_id(given) == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\nb", "a]", "é", "<b>", "a\x1b", "a\n"])
def test_any_other_is_replaced_by_a_new_one(given: str) -> None:
    first, second = choose_request_id(given), choose_request_id(given)
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert first != second
