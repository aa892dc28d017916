"""Figures over time: one table, in which every measurement is kept at four resolutions at once.

A row is a metric in a span of time: how much (`total`) over what (`weight`), the least and the greatest. Of a gauge, such
as the load, the weight is the number of measurements; of a count, such as queries, the seconds that were watched. So
the value of any span is `total / weight`, whatever rows it is put together from, and a time in which nobody watched is a gap
instead of a zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from django.db import transaction
from django.db.models import Q

from monitoring.models import Sample

FINEST_S = 10
KEPT: Mapping[int, timedelta] = {
    FINEST_S: timedelta(hours=6),
    60: timedelta(days=7),
    3600: timedelta(days=400),
    86_400: timedelta(days=3660),
}
"""Seconds of a row -> how long rows of that resolution are kept."""

MOST_POINTS = 3000
"""Points of one answer."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of one metric since the last time. total, weight: see above."""

    total: float
    weight: float = 1.0
    least: float | None = None
    greatest: float | None = None


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One span of a series. at: when it begins. value: `total / weight`."""

    at: datetime
    value: float
    total: float
    least: float
    greatest: float


def gauge(value: float) -> Measured:
    """One look at something that goes up and down."""
    return Measured(total=value)


def count(number: float, seconds: float) -> Measured:
    """How often something happened in so many seconds."""
    return Measured(total=number, weight=seconds)


def record(measured: Mapping[str, Measured], at: datetime) -> None:
    """Add measurements to the rows of their time, all resolutions at once: two queries and one write, in a transaction.

    One process at a time writes a metric (the collectors have one leader); that is what makes reading and writing safe.
    """
    starts = {step: begin(at, step) for step in KEPT}
    wanted = Q()
    for step, start in starts.items():
        wanted |= Q(step=step, at=start)
    with transaction.atomic():
        present = {
            (row.metric, row.step): row
            for row in Sample.objects.select_for_update().filter(wanted, metric__in=list(measured))
        }
        rows = []
        for metric, new in measured.items():
            value = new.total / new.weight if new.weight else 0.0
            least = value if new.least is None else new.least
            greatest = value if new.greatest is None else new.greatest
            for step, start in starts.items():
                row = present.get((metric, step)) or Sample(
                    metric=metric, step=step, at=start, total=0, weight=0, least=least, greatest=greatest
                )
                row.total += new.total
                row.weight += new.weight
                row.least, row.greatest = min(row.least, least), max(row.greatest, greatest)
                row.pk = None
                rows.append(row)
        Sample.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["metric", "step", "at"],
            update_fields=["total", "weight", "least", "greatest"],
        )


def read(metric: str, start: datetime, end: datetime, step_s: int) -> list[Point]:
    """The points of `metric` from `start` (rounded down to a step) until before `end`, oldest first; spans without a
    measurement are left out. Raises `ValueError` for a step or a span that cannot be served.
    """
    if step_s < FINEST_S or step_s % FINEST_S:
        raise ValueError(f"a step is a multiple of {FINEST_S} s")
    if end <= start:
        raise ValueError("the end must lie after the start")
    if (end - start).total_seconds() / step_s > MOST_POINTS:
        raise ValueError(f"that would be more than {MOST_POINTS} points: take a longer step or a shorter time")
    rows = Sample.objects.filter(
        metric=metric, step=_resolution(start, step_s), at__gte=begin(start, step_s), at__lt=end
    ).order_by("at")
    return list(_joined(rows.iterator(), step_s))


def latest(metrics: Iterable[str], *, within_s: float = 300.0) -> dict[str, float]:
    """The newest value of each metric, of those that have one not older than `within_s`."""
    since = datetime.now(UTC) - timedelta(seconds=within_s)
    rows = Sample.objects.filter(metric__in=list(metrics), step=FINEST_S, at__gte=since).order_by("at")
    return {row.metric: row.total / row.weight for row in rows if row.weight}


def prune(now: datetime | None = None) -> int:
    """Delete the rows whose time is over; returns how many."""
    now = now or datetime.now(UTC)
    return sum(Sample.objects.filter(step=step, at__lt=now - kept).delete()[0] for step, kept in KEPT.items())


def begin(at: datetime, step_s: int) -> datetime:
    """When the span of `step_s` seconds begins that `at` lies in (UTC)."""
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % step_s, UTC)


def _resolution(start: datetime, step_s: int) -> int:
    """The rows to put together: the coarsest that fit into the step, unless a coarser one alone reaches back so far."""
    fitting = [step for step in KEPT if step_s % step == 0]
    age = datetime.now(UTC) - start
    reaching = [step for step in KEPT if KEPT[step] >= age]
    best = max(fitting)
    return best if best in reaching or not reaching else max(best, min(reaching))


def _joined(rows: Iterable[Sample], step_s: int) -> Iterable[Point]:
    together: list[Sample] = []
    for row in rows:
        if together and begin(row.at, step_s) != begin(together[0].at, step_s):
            yield _point(together, step_s)
            together = []
        together.append(row)
    if together:
        yield _point(together, step_s)


def _point(rows: list[Sample], step_s: int) -> Point:
    total, weight = sum(row.total for row in rows), sum(row.weight for row in rows)
    return Point(
        at=begin(rows[0].at, step_s),
        value=total / weight if weight else 0.0,
        total=total,
        least=min(row.least for row in rows),
        greatest=max(row.greatest for row in rows),
    )
