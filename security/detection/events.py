"""The events of detection, with what is known about the threat."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from realtime.events import EventCategory, EventPriority, EventType
from realtime.registry import VIEW_CLIENT_ADDRESSES, VIEW_THREAT_EVIDENCE, EventSpec, registry


class Threat(msgspec.Struct, frozen=True, kw_only=True):
    """A query that met a threat, or traffic that looks like one.

    category: as the feed or the rule says, or the kind of traffic: `flood`, `tunnel`, `generated_names`, `nxdomain_storm`.
    feed, policy, rule: where the knowledge comes from; rule is an id. first_seen: when the feed first had the name, or when
    the traffic was first noticed. confidence: 0 to 100. reference: where to read more. action: what the name server did;
    trial: it would have. alert: id of the alert that was raised. more: others that are not told one by one.
    """

    title: str
    category: str
    name: str | None = None
    domain: str | None = None
    client: str | None = None
    feed: str | None = None
    policy: str | None = None
    rule: int | None = None
    first_seen: str | None = None
    confidence: int | None = None
    reference: str | None = None
    action: str | None = None
    trial: bool = False
    alert: int | None = None
    more: int = 0
    evidence: dict[str, Any] | None = None


_threat = partial(
    EventSpec,
    category=EventCategory.SECURITY,
    payload=Threat,
    permission="security.view_rule",
    priority=EventPriority.HIGH,
    sensitive={
        "evidence": VIEW_THREAT_EVIDENCE,
        "client": VIEW_CLIENT_ADDRESSES,
        "evidence.client": VIEW_CLIENT_ADDRESSES,
        "evidence.clients": VIEW_CLIENT_ADDRESSES,
    },
)


registry.declare(
    _threat(EventType.THREAT_DETECTED, "Somebody asked for a name that a feed or a rule calls a threat."),
    _threat(
        EventType.SUSPICIOUS_ACTIVITY,
        "Queries look like an attack, a tunnel, or a machine that somebody else controls.",
    ),
)
