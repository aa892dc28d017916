"""How everything is, in one answer: for the dashboard, for scripts, for those who come in a hurry."""

from __future__ import annotations

from typing import Any

from monitoring import series
from monitoring.health import CHECKS, disk, worst
from monitoring.metrics import METRICS
from monitoring.models import Component, Forwarder, Health, NameServerState
from monitoring.supervisor import overview


def summary(user: Any) -> dict[str, Any]:
    """What `user`, who may see the health of things, may see of it. Values are the newest that were measured."""
    components = health_shown()
    figures = series.latest(METRICS)
    return {
        "state": worst([component["state"] for component in components]),
        "components": components,
        "name_server": name_server_shown(),
        "figures": {name: round(value, 3) for name, value in figures.items()},
        "forwarders": (
            [forwarder_shown(forwarder) for forwarder in Forwarder.objects.filter(enabled=True)]
            if user.has_perm("monitoring.view_forwarder")
            else []
        ),
    }


def health_shown() -> list[dict[str, Any]]:
    """Every component as JSON, in the order of importance. While nobody collects that is what is told of the collectors,
    and the others are as they were when somebody last looked. A disk that is full is found here as well, because then
    nobody can write down that it is."""
    seen = overview()
    rows = {component.name: component for component in Component.objects.all()}
    shown = [
        {
            "name": check.name,
            "title": check.title,
            "state": rows[check.name].state,
            "since": rows[check.name].since.isoformat(),
            "reason": rows[check.name].reason,
            "looked_at": rows[check.name].looked_at.isoformat(),
        }
        for check in CHECKS
        if check.name in rows
    ]
    for component in shown:
        if component["name"] == "monitors" and not seen.led:
            component["state"] = Health.DOWN.value
            component["since"] = seen.renewed_at.isoformat() if seen.renewed_at else component["since"]
            component["reason"] = "nobody runs the collectors: what is shown is not looked at any more"
        if component["name"] == "disk" and component["state"] != Health.DOWN:
            found = disk(component["state"])
            if found.state == Health.DOWN:
                component["state"], component["reason"] = Health.DOWN.value, found.reason
    return shown


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
