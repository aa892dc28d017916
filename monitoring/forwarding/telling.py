"""How forwarders are told of: events about their states, and the alert that goes with a bad one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.events import ForwarderData, ForwarderStatusChange, ForwarderTargetData
from monitoring.forwarding.probes import Answer
from monitoring.models import Forwarder, ForwarderTarget, Health
from realtime import alerts
from realtime.broadcasting import emit
from realtime.events import EventSeverity, EventType

_SEVERITY: Mapping[str, EventSeverity] = {
    Health.UP: EventSeverity.INFO,
    Health.UNKNOWN: EventSeverity.INFO,
    Health.DEGRADED: EventSeverity.WARNING,
    Health.DOWN: EventSeverity.ERROR,
}


def tell(
    forwarder: Forwarder,
    target: ForwarderTargetData | None,
    old: str,
    new: str,
    why: str,
    targets: list[ForwarderTargetData],
) -> None:
    """Announce that a forwarder, or one of its targets, came into another state; in the transaction that says so."""
    event = ForwarderStatusChange(
        forwarder=forwarder_data(forwarder), target=target, old=old, new=new, reason=why, targets=targets
    )
    emit(EventType.FORWARDER_STATUS_CHANGE, event, severity=_SEVERITY.get(new, EventSeverity.INFO))


def alarm(forwarder: Forwarder, data: Sequence[ForwarderTargetData] = ()) -> None:
    """Raise or end the alert of a forwarder, as its state demands."""
    if forwarder.state in (Health.DOWN, Health.DEGRADED):
        is_down = forwarder.state == Health.DOWN
        alerts.raise_alert(
            key=alert_key(forwarder),
            event_type=EventType.HEALTH_ALERT,
            severity=EventSeverity.CRITICAL if is_down else EventSeverity.WARNING,
            title=f"Forwarder {forwarder.domain} is {forwarder.state}",
            detail=forwarder.reason,
            evidence={
                "targets": [
                    {
                        "address": f"{each.address}#{each.port}",
                        "state": each.state,
                        "latency_ms": each.latency_ms,
                        "loss_percent": each.loss_percent,
                        "rcode": each.rcode,
                        "error": each.error,
                    }
                    for each in data
                ]
            },
        )
    elif forwarder.state == Health.UP:
        alerts.resolve(alert_key(forwarder), reason="All targets answer again.")


def alert_key(forwarder: Forwarder) -> str:
    """The one alert of a forwarder."""
    return f"forwarder:{forwarder.key}"


def reason(targets: Sequence[ForwarderTarget]) -> str:
    """Why a forwarder is in its state, by its targets."""
    bad = [f"{target}: {target.reason}" for target in targets if target.state in (Health.DOWN, Health.DEGRADED)]
    return "; ".join(bad) or ("all targets answer" if targets else "it has no targets")


def forwarder_data(forwarder: Forwarder) -> ForwarderData:
    """A forwarder in events."""
    return ForwarderData(id=forwarder.pk, domain=forwarder.domain, state=forwarder.state)


def target_data(target: ForwarderTarget, answer: Answer | None = None) -> ForwarderTargetData:
    """A target in events, with what came of a probe."""
    return ForwarderTargetData(
        id=target.pk,
        address=target.address,
        port=target.port,
        transport=target.transport,
        state=target.state,
        ok=answer.ok if answer else None,
        latency_ms=target.latency_ms,
        loss_percent=target.loss_percent,
        rcode=answer.rcode if answer else None,
        error=answer.error if answer else "",
        in_use=target.in_use,
    )
