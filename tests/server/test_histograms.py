"""Histograms, compared with those of prometheus_client."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest

from backend.server.histograms import DurationHistograms

BUCKETS = (0.001, 0.5, 1.0, 30.0)
DURATIONS = st.one_of(st.sampled_from([0.0, *BUCKETS]), st.floats(0, 100))


def render(collector: DurationHistograms) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


@given(st.lists(st.tuples(st.sampled_from("ab"), DURATIONS), max_size=30))
def test_the_text_is_that_of_prometheus_clients_histogram(observed: list[tuple[str, float]]) -> None:
    disable_created_metrics()
    registry, ours = CollectorRegistry(), DurationHistograms("a_seconds", "Help.", "kind", "ab", BUCKETS)
    theirs = Histogram("a_seconds", "Help.", ("kind",), buckets=BUCKETS, registry=registry)
    for value in "ab":
        theirs.labels(value)
    for value, seconds in observed:
        ours.observe({value: seconds})
        theirs.labels(value).observe(seconds)
    assert render(ours) == generate_latest(registry).decode()


def test_several_values_are_observed_together() -> None:
    histograms = DurationHistograms("a_seconds", "Help.", "kind", "abc", BUCKETS)
    histograms.observe({"a": 0.25, "b": 2.0})
    text = render(histograms)
    assert 'a_seconds_bucket{kind="a",le="0.5"} 1.0' in text
    assert 'a_seconds_bucket{kind="b",le="1.0"} 0.0' in text
    assert 'a_seconds_sum{kind="b"} 2.0' in text
    assert 'a_seconds_count{kind="c"} 0.0' in text


def test_a_value_that_is_not_of_the_set_is_refused() -> None:
    with pytest.raises(KeyError, match="d"):
        DurationHistograms("a_seconds", "Help.", "kind", "abc", BUCKETS).observe({"d": 1.0})


def test_no_observation_of_several_threads_is_lost() -> None:
    histograms = DurationHistograms("a_seconds", "Help.", "kind", "a", BUCKETS)
    threads = [
        threading.Thread(target=lambda: [histograms.observe({"a": 0.25}) for _ in range(2000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 'a_seconds_count{kind="a"} 8000.0' in render(histograms)
    assert 'a_seconds_sum{kind="a"} 2000.0' in render(histograms)


@pytest.mark.parametrize(
    ("durations", "quantile", "seconds"),
    [
        ([], 0.5, None),
        ([0.2], 0.5, 0.001 + 0.499 * 0.5),  # half of the one duration of the bucket (0.001, 0.5]
        ([0.2, 0.3, 0.4, 0.9], 0.5, 0.001 + 0.499 * 2 / 3),
        ([0.2, 0.3, 0.4, 0.9], 0.95, 0.5 + 0.5 * 0.8),  # rank 3.8: 0.8 of the fourth
        ([0.9, 50.0], 0.95, 30.0),  # beyond the last bound nothing is known
    ],
)
def test_a_quantile_is_interpolated_within_its_bucket(
    durations: list[float], quantile: float, seconds: float | None
) -> None:
    histograms = DurationHistograms("a_seconds", "Help.", "kind", "ab", BUCKETS)
    for duration in durations:
        histograms.observe({"a": duration})
    assert histograms.quantile(quantile, "a") == (None if seconds is None else pytest.approx(seconds))


@given(st.lists(st.floats(0, 29), min_size=1, max_size=50), st.sampled_from([0.25, 0.5, 0.95, 1.0]))
def test_a_quantile_lies_in_the_bucket_of_the_exact_one(durations: list[float], quantile: float) -> None:
    histograms = DurationHistograms("a_seconds", "Help.", "kind", "ab", BUCKETS)
    for index, duration in enumerate(durations):
        histograms.observe({"ab"[index % 2]: duration})
    exact = float(np.quantile(durations, quantile, method="inverted_cdf"))
    bucket = int(np.searchsorted(BUCKETS, exact))
    estimate = histograms.quantile(quantile, "ab")
    assert estimate is not None
    assert (0.0, *BUCKETS)[bucket] <= estimate <= BUCKETS[bucket] + 1e-9
    assert histograms.count("ab") == len(durations)
