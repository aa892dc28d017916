"""The watch: listens to what the name server logs, lets the detectors count, and tells what they find.

Listening only counts and puts aside; telling, which needs the database, has a thread of its own and happens four times a
second, so that a blocked query is an alert on somebody's screen within one.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from realtime import alerts
from realtime.broadcasting import emit
from realtime.events import EventType
from security.detection.conf import DetectionSettings
from security.detection.events import Threat
from security.detection.findings import Finding
from security.detection.floods import Floods
from security.detection.generated import GeneratedNames
from security.detection.hits import HitTeller
from security.detection.storms import NxdomainStorms
from security.detection.tunnels import Tunnels
from security.detection.windows import Windows
from zones.nameserver.query_log import Batch, Listener, PolicyHit

PREFIX = "detection:"
"""Of the keys of the alerts of detectors, which end by themselves."""
MOST_HITS = 5_000
"""Hits that wait to be told; of more, the newest."""
MOST_FINDINGS = 200
"""Findings of one round that are told; a flood of findings is told by its first."""
CALM_EVERY_S = 10.0


class Watch(Listener):
    """All detectors of a site. `hear()` belongs to the thread that follows the logs, `tell()` to another."""

    def __init__(self, conf: DetectionSettings) -> None:
        self._conf = conf
        self.storms = NxdomainStorms(conf)
        self._windows = [Windows(each) for each in (Floods(conf), Tunnels(conf), GeneratedNames(conf), self.storms)]
        self._hits: deque[PolicyHit] = deque(maxlen=MOST_HITS)
        self._found: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        self._teller = HitTeller()
        self._counting = threading.Lock()
        self._calm_at = 0.0

    def hear(self, batch: Batch) -> None:
        """Count a batch."""
        self._hits.extend(batch.hits)
        if not batch.queries:
            return
        now = time.monotonic()
        with self._counting:
            for each in self._windows:
                for finding in each.hear(batch.queries, now):
                    self._found.put(finding)

    def count(self, counters: dict[str, int]) -> None:
        """Take the server's own counters."""
        for finding in self.storms.count(counters, time.monotonic()):
            self._found.put(finding)

    def tell(self) -> None:
        """Raise alerts for what was found since the last time, and end those whose matter has ceased."""
        now = time.monotonic()
        with self._counting:
            for each in self._windows:  # after the last query of all, no other ends its window
                for finding in each.idle(now):
                    self._found.put(finding)
        hits: list[PolicyHit] = []
        while self._hits:
            hits.append(self._hits.popleft())
        if hits:
            self._teller.tell(hits, now)
        for _ in range(MOST_FINDINGS):
            try:
                raise_for(self._found.get_nowait())
            except queue.Empty:
                break
        if now >= self._calm_at:
            self._calm_at = now + CALM_EVERY_S
            calm = timezone.now() - timedelta(seconds=self._conf.calm_s)
            alerts.resolve_unseen(PREFIX, before=calm, reason="It has ceased.")


def raise_for(finding: Finding) -> None:
    """Raise the alert of a finding; the first time it is told as an event of its own as well."""
    with transaction.atomic():
        alert = alerts.raise_alert(
            key=PREFIX + finding.key,
            event_type=EventType.SECURITY_ALERT,
            severity=finding.severity,
            title=finding.title,
            detail=finding.detail,
            evidence={**finding.evidence, "confidence": finding.confidence},
            client=finding.client,
        )
        if alert.count == 1 and not alert.muted:
            threat = Threat(
                title=alert.title,
                category=finding.category,
                domain=finding.domain,
                client=finding.client,
                first_seen=datetime.now(UTC).isoformat(),
                confidence=finding.confidence,
                alert=alert.pk,
                evidence=alert.evidence,
            )
            emit(EventType.SUSPICIOUS_ACTIVITY, threat, severity=finding.severity)


WATCH = Watch(settings.DETECTION)
