"""What was counted, for any stretch of time: from the rows by the minute, hour or day, whichever fit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from monitoring.models import QueryRollup, QuerySource
from monitoring.queries.counting import TOP, Tally
from monitoring.queries.ingest import start_of
from monitoring.queries.source import Source
from monitoring.supervisor import overview

Period = QueryRollup.Period

LENGTH_S = {Period.MINUTE: 60, Period.HOUR: 3600, Period.DAY: 86_400}
BY_THE_MINUTE = timedelta(hours=6)
BY_THE_HOUR = timedelta(days=14)
"""Up to such a time the answer is put together from minutes, or hours; beyond it from days."""


def period_for(start: datetime, end: datetime) -> QueryRollup.Period:
    """The rows to answer a stretch of time from."""
    span = end - start
    return Period.MINUTE if span <= BY_THE_MINUTE else Period.HOUR if span <= BY_THE_HOUR else Period.DAY


def rows(start: datetime, end: datetime, period: QueryRollup.Period | None = None) -> list[QueryRollup]:
    """The rows that begin in [start, end), `start` rounded down to the beginning of one; oldest first."""
    period = period or period_for(start, end)
    found = QueryRollup.objects.filter(period=period, start__gte=start_of(period, start), start__lt=end)
    return list(found.order_by("start"))


def together(counted: list[QueryRollup], most: int = 20) -> dict[str, Any]:
    """The sum of rows: exact counts as `QueryRollup` has them, and `top`, with `errors`: by how much each count of a list, or
    that of a value which is not on it, may be too low."""
    sum_of = Tally()
    for row in counted:
        sum_of.merge(Tally.of(row))
    answer = sum_of.figures()
    answer["top"], answer["errors"] = {}, {}
    for name in TOP:
        hitters = getattr(sum_of, name)
        answer["top"][name] = [{"value": value, "count": count} for value, count in hitters.top(most)]
        answer["errors"][name] = hitters.error
    return answer


def points(counted: list[QueryRollup]) -> list[dict[str, Any]]:
    """Each row as a point of a chart: when it begins, the total, and what became of the queries."""
    return [
        {
            "start": row.start.isoformat(),
            "total": row.total,
            "own_checks": row.own_checks,
            "missing": row.missing,
            "outcomes": row.outcomes,
        }
        for row in counted
    ]


def statistics(start: datetime, end: datetime, most: int = 20) -> dict[str, Any]:
    """All of it for a stretch of time: `period`, `step_s`, `series`, the sums, and how the counting goes (`source`)."""
    period = period_for(start, end)
    counted = rows(start, end, period)
    return {
        "from": start_of(period, start).isoformat(),
        "to": end.isoformat(),
        "period": period,
        "step_s": LENGTH_S[period],
        **together(counted, most),
        "series": points(counted),
        "source": source(),
    }


def source() -> dict[str, Any]:
    """How the reading of the log goes, as far as any process can know it: `stopped` when nobody does it."""
    row = QuerySource.objects.first()
    facts = {**Source().public(), **(row.facts if row else {})}
    facts = {name: facts[name] for name in Source().public()}
    seen = overview()
    collector = next((each for each in seen.collectors if each.name == "query log"), None)
    if not seen.led:
        last = f"; the last sign of life was at {seen.renewed_at:%H:%M:%S} UTC" if seen.renewed_at else ""
        facts |= {"state": "stopped", "reason": f"nobody runs the collectors{last}"}
        facts["since"] = seen.renewed_at.isoformat() if seen.renewed_at else ""
    elif collector is not None and collector.state == "failing":
        facts |= {"state": "stopped", "reason": collector.error, "since": collector.since.isoformat()}
    facts["said_at"] = row.said_at.isoformat() if row else None
    return facts
