"""The guard of the roll-out: keeps figures of each process, and takes the roll-out back when they get bad.

Every process writes its figures down; one of them at a time, by a lease on the roll-out's row, compares those of all
within a window with the limits, and with the old system where that has the same. A stage that has held leads to the next.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.template.defaultfilters import pluralize
from django.utils import timezone

from realtime import alerts, rollout
from realtime.conf import RolloutSettings, rollout_conf
from realtime.database import in_database
from realtime.events import EventSeverity, EventType
from realtime.metrics import metrics
from realtime.models import MetricSample, Rollout

if TYPE_CHECKING:
    from realtime.node import Node

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 3.0
QUIET_SAMPLE_S = 60.0
"""Seconds between two samples while no roll-out is under way."""
LIVE = timedelta(seconds=3 * QUIET_SAMPLE_S)
"""A process that wrote nothing down for so long is gone."""
ALERT = "rollout-rolled-back"

Figures = Mapping[str, Any]


class Guard:
    """One process's part of it."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._next_sample = 0.0

    async def look(self) -> None:
        """Write down the figures when it is time, and judge if nobody else does. Called every few seconds."""
        progress = await in_database(rollout.progress)
        watched = progress.state in (Rollout.State.RUNNING, Rollout.State.PAUSED)
        if watched or time.monotonic() >= self._next_sample:
            self._next_sample = time.monotonic() + QUIET_SAMPLE_S
            await in_database(self._write_down, metrics.snapshot(self._node))
        if watched:
            await in_database(self._judge, progress)

    def _write_down(self, figures: dict[str, Any]) -> None:
        MetricSample.objects.create(node=self._node.name, taken_at=timezone.now(), figures=figures)

    def _judge(self, progress: Rollout) -> None:
        now = timezone.now()
        if self._claim(now):
            judge(progress, now)

    def _claim(self, now: datetime) -> bool:
        free = Q(guarded_until=None) | Q(guarded_until__lt=now)
        until = now + timedelta(seconds=LOOK_EVERY_S * 0.8)
        return bool(Rollout.objects.filter(free, pk=Rollout.SINGLETON).update(guarded_until=until))


def judge(progress: Rollout, now: datetime) -> None:
    """Roll back if the figures are bad; go on if the stage has held."""
    window = rollout_conf().window_s
    since = max(now - timedelta(seconds=window), progress.stage_since)
    samples = MetricSample.objects.filter(taken_at__gte=since).order_by("taken_at").values_list("node", "figures")
    by_node: dict[str, list[Figures]] = {}
    for node, figures in samples:
        by_node.setdefault(node, []).append(figures)
    baseline = progress.baseline.get("memory", {})
    if any(node not in baseline for node in by_node):
        baseline = {node: figures[0]["memory_bytes"] for node, figures in by_node.items()} | baseline
        Rollout.objects.filter(pk=Rollout.SINGLETON).update(baseline={"memory": baseline})
    if problems := objections(by_node, baseline, rollout_conf()):
        _take_back("; ".join(problems))
    elif progress.state == Rollout.State.RUNNING and rollout.soaked(progress, now):
        _go_on()


def objections(
    by_node: Mapping[str, Sequence[Figures]], memory_before: Mapping[str, int], limits: RolloutSettings
) -> list[str]:
    """What is wrong in the samples of a window (by node, oldest first), in words; empty when all is well."""
    moved: Counter[str] = Counter()
    open_now: Counter[str] = Counter()
    slow = 0
    for samples in by_node.values():
        moved.update(samples[-1]["tally"])
        moved.subtract(samples[0]["tally"])
        open_now.update(samples[-1]["connections_by_system"])
        slow += samples[-1]["lagging"]

    def share(what: str, system: str) -> float:
        return moved[f"{what}.{system}"] / max(1, open_now[system] + moved[f"opened.{system}"])

    problems = []
    latencies = [samples[-1]["p99_s"] for samples in by_node.values() if samples[-1]["p99_s"] is not None]
    if open_now["unified"] + moved["opened.unified"] >= limits.least_connections:
        for what, words, limit in (
            ("erring", "of the connections met an error", limits.most_errors),
            ("returned", "ended abnormally", limits.most_returns),
        ):
            found, before = share(what, "unified"), share(what, "legacy")
            if found > max(limit, 2 * before):
                problems.append(f"{found:.0%} {words} (limit {limit:.0%}, old system {before:.0%})")
        if slow > limits.most_lagging * open_now["unified"]:
            problems.append(f"{slow} connection{pluralize(slow, ' is,s are')} too slow for what is sent to them")
        if latencies and max(latencies) > limits.slowest_p99_s:
            problems.append(
                f"from commit to the browser takes {max(latencies):.1f} s (limit {limits.slowest_p99_s:g} s)"
            )
    for node, samples in by_node.items():
        memory, at_first = samples[-1]["memory_bytes"], memory_before.get(node)
        if at_first and memory > at_first * limits.most_memory_growth:
            problems.append(f"{node} grew from {at_first / 1e6:.0f} to {memory / 1e6:.0f} MB")
    return problems


def _take_back(reason: str) -> None:
    logger.error("roll-out: taken back: %s", reason)
    with transaction.atomic():
        rollout.rollback(reason=f"by the guard: {reason}")
        alerts.raise_alert(
            key=ALERT,
            event_type=EventType.PERFORMANCE_ALERT,
            severity=EventSeverity.ERROR,
            title="The roll-out of the unified WebSocket was taken back",
            detail=f"{reason}. Everybody is on the old system until somebody runs `realtime_rollout resume`.",
        )


def _go_on() -> None:
    if rollout.next_stage(rollout.percent(rollout.flag())) is None:
        rollout.settle()
    else:
        rollout.advance(reason="the stage held")
