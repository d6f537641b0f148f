"""Waiting for Label Studio: longer and longer pauses that differ, an end, and a stop in between."""

from __future__ import annotations

import signal
import threading
from itertools import count

import pytest

from backend.bulk import Outages, StopFlag, Stopped
from backend.errors import LabelStudioError, LabelStudioUnavailable

AWAY = LabelStudioUnavailable("Label Studio is away.", remedy="Start it.")


class Clock:
    """Time that passes only in pauses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.pauses = 0.0, list[float]()
        monkeypatch.setattr("backend.bulk.outages.time.monotonic", lambda: self.now)

    def outages(self, give_up_after_seconds: float) -> Outages:
        outages = Outages(lambda: None, StopFlag(), give_up_after_seconds=give_up_after_seconds, say=print)
        outages.rest = self._rest  # type: ignore[method-assign]
        return outages

    def _rest(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def away_for(requests: int) -> object:
    numbers = count()

    def request() -> str:
        if next(numbers) < requests:
            raise AWAY
        return "answer"

    return request


def test_pauses_double_up_to_a_minute_with_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert clock.outages(1800).answer_of(away_for(10)) == "answer"  # type: ignore[arg-type]
    for pause, expected in zip(clock.pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
        assert 0.75 * expected <= pause <= 1.25 * expected
    other = Clock(monkeypatch)
    other.outages(1800).answer_of(away_for(10))  # type: ignore[arg-type]
    assert other.pauses != clock.pauses  # two runs do not come back at the same moment


def test_the_end_comes_at_the_given_time_and_then_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    outages = clock.outages(1800)
    with pytest.raises(
        LabelStudioUnavailable, match=r"unavailable for 1800 s, so the run ended\. Label Studio is away"
    ):
        outages.answer_of(away_for(10_000))  # type: ignore[arg-type]
    assert clock.now == pytest.approx(1800)
    with pytest.raises(LabelStudioUnavailable):
        outages.answer_of(away_for(1))  # type: ignore[arg-type]
    assert clock.now == pytest.approx(1800)


@pytest.mark.parametrize("resumes", [True, False])
def test_only_a_command_that_goes_on_is_told_that_it_does(resumes: bool) -> None:
    outages = Outages(lambda: None, StopFlag(), give_up_after_seconds=0, resumes=resumes)
    with pytest.raises(LabelStudioUnavailable) as given_up:
        outages.answer_of(away_for(1))  # type: ignore[arg-type]
    assert given_up.value.remedy == (
        f"Run the same command again when it is back{'; it goes on where it stopped' if resumes else ''}."
    )


def test_a_refusal_is_not_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def refuse() -> None:
        raise LabelStudioError("No such project.", remedy="Check the id.")

    with pytest.raises(LabelStudioError, match="No such project"):
        clock.outages(1800).answer_of(refuse)
    assert clock.pauses == []


@pytest.mark.parametrize(("refusals", "is_believed"), [(4, False), (5, True)])
def test_a_refusal_shortly_after_an_outage_is_believed_only_if_it_is_repeated(
    monkeypatch: pytest.MonkeyPatch, refusals: int, is_believed: bool
) -> None:
    """A proxy may answer 404 until Label Studio is back."""
    clock = Clock(monkeypatch)
    answers = iter([AWAY, *[LabelStudioError("Not found.", remedy="Check the id.")] * refusals, "answer"])

    def request() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    if is_believed:
        with pytest.raises(LabelStudioError, match="Not found"):
            clock.outages(1800).answer_of(request)
    else:
        assert clock.outages(1800).answer_of(request) == "answer"
    assert clock.pauses[1:] == [2, 4, 8, 16]


def test_a_stop_ends_a_pause_at_once() -> None:
    stop = StopFlag()
    outages = Outages(lambda: None, stop, first_pause_seconds=60.0)
    threading.Timer(0.1, stop.set).start()
    with pytest.raises(Stopped):
        outages.answer_of(away_for(1))  # type: ignore[arg-type]


def test_the_flag_can_be_set_by_a_signal_while_its_thread_waits_for_it() -> None:
    flag = StopFlag()
    before = signal.signal(signal.SIGALRM, lambda number, frame: flag.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert flag.wait(60.0)
    finally:
        signal.signal(signal.SIGALRM, before)
