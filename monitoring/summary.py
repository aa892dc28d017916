"""How everything is, in one answer: for the dashboard, for scripts, for those who come in a hurry."""

from __future__ import annotations

from typing import Any

from monitoring import series
from monitoring.metrics import METRICS
from monitoring.models import Component, Forwarder, Health, NameServerState

WORST_FIRST = (Health.DOWN, Health.DEGRADED, Health.UNKNOWN, Health.UP)


def worst(states: list[str]) -> str:
    """The state of a whole with parts in these states; not known without any."""
    return min(states, key=[str(state) for state in WORST_FIRST].index, default=Health.UNKNOWN.value)


def summary(user: Any) -> dict[str, Any]:
    """What `user`, who may see the health of things, may see of it. Values are the newest that were measured."""
    components = list(Component.objects.all())
    figures = series.latest(METRICS)
    return {
        "state": worst([component.state for component in components]),
        "components": [component_shown(component) for component in components],
        "name_server": name_server_shown(),
        "figures": {name: round(value, 3) for name, value in figures.items()},
        "forwarders": (
            [forwarder_shown(forwarder) for forwarder in Forwarder.objects.filter(enabled=True)]
            if user.has_perm("monitoring.view_forwarder")
            else []
        ),
    }


def component_shown(component: Component) -> dict[str, Any]:
    """A component as JSON."""
    return {
        "name": component.name,
        "state": component.state,
        "since": component.since.isoformat(),
        "reason": component.reason,
    }


def name_server_shown() -> dict[str, Any] | None:
    """The name server as it was last seen; `None` before the first look."""
    state = NameServerState.objects.first()
    if state is None:
        return None
    return {
        "up": state.up,
        "since": state.since.isoformat(),
        "reason": state.reason,
        "version": state.version,
        "booted_at": state.booted_at.isoformat() if state.booted_at else None,
        "configured_at": state.configured_at.isoformat() if state.configured_at else None,
        **state.facts,
    }


def forwarder_shown(forwarder: Forwarder) -> dict[str, Any]:
    """A forwarder in short."""
    return {
        "id": forwarder.pk,
        "domain": forwarder.domain,
        "state": forwarder.state,
        "since": forwarder.since.isoformat(),
        "reason": forwarder.reason,
    }
