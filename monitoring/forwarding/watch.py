"""The collector of forwarders: asks every target, judges, tells, and sees to it that the name server uses what works."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from monitoring import metrics, series
from monitoring.events import ForwarderHealthCheck, ForwarderTargetData
from monitoring.forwarding import applying
from monitoring.forwarding.judgement import Judgement, Probe, whole
from monitoring.forwarding.probes import Answer, Question, Server, ask_all, wrong
from monitoring.forwarding.telling import alarm, forwarder_data, reason, target_data, tell
from monitoring.lease import fenced
from monitoring.models import Forwarder, ForwarderTarget
from realtime.broadcasting import stream
from realtime.events import EventType


class ForwarderWatch:
    """Round after round of probes. Judgements live here; states are in the database, for whoever comes next."""

    def __init__(self) -> None:
        self._judgements: dict[int, Judgement] = {}

    def round(self) -> None:
        """Probe all enabled forwarders once. Takes as long as the slowest answer, some seconds at most."""
        forwarders = list(Forwarder.objects.filter(enabled=True).prefetch_related("targets"))
        pairs = [(forwarder, target) for forwarder in forwarders for target in forwarder.targets.all()]
        answers = dict(
            zip(
                [target.pk for _, target in pairs],
                asyncio.run(ask_all([(server(target), question(forwarder)) for forwarder, target in pairs])),
                strict=True,
            )
        )
        self._judgements = {pk: judged for pk, judged in self._judgements.items() if pk in answers}
        now = datetime.now(UTC)
        for forwarder in forwarders:
            self._judge(forwarder, list(forwarder.targets.all()), answers, now)
        applying.apply_and_note()

    def _judge(
        self, forwarder: Forwarder, targets: Sequence[ForwarderTarget], answers: Mapping[int, Answer], now: datetime
    ) -> None:
        mine = [answers[target.pk] for target in targets]
        changed: list[tuple[ForwarderTarget, str]] = []
        for target, answer, is_wrong in zip(targets, mine, wrong(mine, forwarder.expected), strict=True):
            judgement = self._judgements.setdefault(target.pk, Judgement(target.state))
            judgement.slow_ms = forwarder.slow_ms
            judgement.add(Probe(answer, is_wrong))
            if judgement.state != target.state:
                changed.append((target, target.state))
                target.state, target.since = judgement.state, now
            target.reason = judgement.reason
            target.latency_ms, target.loss_percent = judgement.latency_ms, judgement.loss_percent
            target.probed_at = now
        used = {target.pk for target in applying.chosen(forwarder, targets)}
        for target in targets:
            target.in_use = target.pk in used
        data = [target_data(target, answer) for target, answer in zip(targets, mine, strict=True)]
        with fenced():
            if not self._still_there(forwarder):
                return
            fields = ["state", "since", "reason", "latency_ms", "loss_percent", "probed_at", "in_use"]
            ForwarderTarget.objects.bulk_update(targets, fields)
            series.record(_figures(targets, mine), now)
            self._tell_changes(forwarder, targets, changed, data, now)
        stream(
            EventType.FORWARDER_HEALTH_CHECK,
            ForwarderHealthCheck(at=now.isoformat(), forwarder=forwarder_data(forwarder), targets=data),
        )

    def _tell_changes(
        self,
        forwarder: Forwarder,
        targets: Sequence[ForwarderTarget],
        changed: Sequence[tuple[ForwarderTarget, str]],
        data: list[ForwarderTargetData],
        now: datetime,
    ) -> None:
        before = forwarder.state
        forwarder.state = whole([target.state for target in targets])
        forwarder.reason = reason(targets)
        if forwarder.state != before:
            forwarder.since = now
        Forwarder.objects.filter(pk=forwarder.pk).update(
            state=forwarder.state, since=forwarder.since, reason=forwarder.reason
        )
        by_id = {each.id: each for each in data}
        for target, old in changed:
            tell(forwarder, by_id[target.pk], old, target.state, target.reason, data)
        if forwarder.state != before:
            tell(forwarder, None, before, forwarder.state, forwarder.reason, data)
        if changed or forwarder.state != before:
            alarm(forwarder, data)

    @staticmethod
    def _still_there(forwarder: Forwarder) -> bool:
        """Whether nobody has changed or removed it while it was probed; then this round was about something else."""
        return Forwarder.objects.filter(pk=forwarder.pk, version=forwarder.version, enabled=True).exists()


def question(forwarder: Forwarder) -> Question:
    """What the targets of a forwarder are asked."""
    return Question(forwarder.probe_name, forwarder.probe_type)


def server(target: ForwarderTarget) -> Server:
    """A target as probes know it."""
    return Server(address=target.address, port=target.port, transport=target.transport, tls_name=target.tls_name)


def _figures(targets: Sequence[ForwarderTarget], answers: Sequence[Answer]) -> dict[str, series.Measured]:
    figures = {}
    for target, answer in zip(targets, answers, strict=True):
        if answer.latency_ms is not None:
            figures[metrics.of_target(target.pk, "latency")] = series.gauge(answer.latency_ms)
        figures[metrics.of_target(target.pk, "loss")] = series.gauge(0.0 if answer.ok else 100.0)
    return figures
