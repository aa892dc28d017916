"""Which role may see what of monitoring (EVENTS, "Who sees what")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig

from zones.roles import ANALYSTS, OPERATORS, VIEWERS, establish_for

_SEES = ("view_queries", "view_health", "view_services", "view_forwarder")

ROLES: Mapping[str, tuple[str, ...]] = {
    OPERATORS: (
        *_SEES,
        "view_system",
        "control_nameserver",
        "change_measuringinterval",
        "add_forwarder",
        "change_forwarder",
        "delete_forwarder",
    ),
    ANALYSTS: _SEES,
    VIEWERS: _SEES,
}
"""Role -> code names of this app's permissions. Configuration values are for administrators."""


def establish(sender: AppConfig, **options: Any) -> None:
    """Receiver of `post_migrate` for this app."""
    establish_for(sender, ROLES, using=options.get("using", "default"))
