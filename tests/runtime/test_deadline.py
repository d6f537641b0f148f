from __future__ import annotations

import pytest

from backend.errors import ClientDisconnected, Overloaded
from backend.runtime import NO_DEADLINE, Deadline
from backend.runtime.deadline import POLL_SECONDS


def test_no_deadline_still_polls_the_connection() -> None:
    assert NO_DEADLINE.remaining is None
    assert not NO_DEADLINE.has_passed
    assert NO_DEADLINE.poll_seconds == POLL_SECONDS
    NO_DEADLINE.raise_if_disconnected()


def test_a_deadline_passes() -> None:
    assert 9 < Deadline.after(10).remaining <= 10
    assert Deadline.after(10).poll_seconds == POLL_SECONDS
    assert Deadline.after(0.01).poll_seconds <= 0.01
    over = Deadline.after(-1)
    assert (over.remaining, over.has_passed, over.poll_seconds) == (0.0, True, 0.0)


def test_a_disconnected_client_raises() -> None:
    with pytest.raises(ClientDisconnected, match="The client disconnected"):
        Deadline.after(10, lambda: True).raise_if_disconnected()


def test_long_work_ends_after_the_deadline_or_without_a_client() -> None:
    NO_DEADLINE.raise_if_over()
    Deadline.after(10).raise_if_over()
    with pytest.raises(Overloaded, match="took too long and was stopped"):
        Deadline.after(-1).raise_if_over()
    with pytest.raises(ClientDisconnected):
        Deadline.after(10, lambda: True).raise_if_over()
