"""Figures over time: kept at four resolutions at once, which all say the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring import series
from monitoring.models import Sample
from monitoring.series import count, gauge

pytestmark = pytest.mark.django_db

NOW = series.begin(datetime.now(UTC), 3600) - timedelta(hours=1)


def test_every_resolution_says_the_same() -> None:
    for second in range(0, 300, 7):
        series.record({"dns_queries": count(second, 7)}, NOW + timedelta(seconds=second))
    end = NOW + timedelta(seconds=600)
    sums = {step: sum(p.total for p in series.read("dns_queries", NOW, end, step)) for step in (10, 60, 120, 3600)}
    assert set(sums.values()) == {sum(range(0, 300, 7))}


def test_a_rate_is_true_whatever_the_spans_that_were_watched() -> None:
    series.record({"dns_queries": count(100, 10)}, NOW)
    series.record({"dns_queries": count(10, 1)}, NOW + timedelta(seconds=30))
    (minute,) = series.read("dns_queries", NOW, NOW + timedelta(seconds=60), 60)
    assert minute.value == 10
    assert minute.total == 110


def test_a_gauge_is_the_mean_with_its_extremes() -> None:
    for second, value in enumerate((1, 5, 3)):
        series.record({"load_1": gauge(value)}, NOW + timedelta(seconds=second))
    (point,) = series.read("load_1", NOW, NOW + timedelta(seconds=10), 10)
    assert (point.value, point.least, point.greatest) == (3, 1, 5)


def test_a_time_in_which_nobody_watched_is_a_gap_and_not_a_zero() -> None:
    series.record({"load_1": gauge(1)}, NOW)
    series.record({"load_1": gauge(1)}, NOW + timedelta(seconds=60))
    points = series.read("load_1", NOW, NOW + timedelta(seconds=100), 10)
    assert [(point.at - NOW).seconds for point in points] == [0, 60]


def test_fine_rows_go_and_coarse_ones_stay() -> None:
    old = datetime.now(UTC) - timedelta(days=8)
    series.record({"load_1": gauge(2)}, old)
    series.record({"load_1": gauge(2)}, datetime.now(UTC))
    assert series.prune() == 2
    assert sorted(Sample.objects.filter(at__lt=old + timedelta(days=1)).values_list("step", flat=True)) == [
        3600,
        86_400,
    ]
    # What is asked in fine steps is answered in the finest that there are.
    points = series.read("load_1", old - timedelta(hours=1), old + timedelta(hours=2), 60)
    assert [point.value for point in points] == [2]


@pytest.mark.parametrize(
    ("start", "end", "step"),
    [(NOW, NOW, 10), (NOW, NOW + timedelta(hours=1), 7), (NOW, NOW + timedelta(days=30), 10)],
)
def test_what_cannot_be_answered_is_refused(start: datetime, end: datetime, step: int) -> None:
    with pytest.raises(ValueError):
        series.read("load_1", start, end, step)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 7000), st.integers(0, 10**6), st.floats(0.1, 100)), min_size=1, max_size=30))
def test_whatever_is_recorded_no_resolution_loses_or_doubles_any(entries: list[tuple[int, int, float]]) -> None:
    Sample.objects.all().delete()
    for second, number, weight in entries:
        series.record({"dns_queries": count(number, weight)}, NOW + timedelta(seconds=second))
    for step in series.KEPT:
        assert sum(Sample.objects.filter(step=step).values_list("total", flat=True)) == sum(n for _, n, _ in entries)
