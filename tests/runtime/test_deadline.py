from __future__ import annotations

import pytest

from backend.errors import ClientGone
from backend.runtime import ENDLESS, Patience
from backend.runtime.deadline import LOOK_SECONDS


def test_patience_without_an_end_is_looked_after_all_the_same() -> None:
    assert ENDLESS.remaining is None
    assert not ENDLESS.is_over
    assert ENDLESS.until_next_look == LOOK_SECONDS
    ENDLESS.check()


def test_patience_ends() -> None:
    assert 9 < Patience.of(10).remaining <= 10
    assert Patience.of(10).until_next_look == LOOK_SECONDS
    assert Patience.of(0.01).until_next_look <= 0.01
    over = Patience.of(-1)
    assert (over.remaining, over.is_over, over.until_next_look) == (0.0, True, 0.0)


def test_who_has_left_is_said() -> None:
    with pytest.raises(ClientGone, match="closed the connection"):
        Patience.of(10, lambda: True).check()
