"""Which role may see what of monitoring (EVENTS, "Who sees what")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig

from zones.roles import ANALYSTS, OPERATORS, VIEWERS, establish_for

ROLES: Mapping[str, tuple[str, ...]] = {
    OPERATORS: ("view_queries",),
    ANALYSTS: ("view_queries", "view_client_addresses"),
    VIEWERS: ("view_queries",),
}


def establish(sender: AppConfig, **options: Any) -> None:
    """Receiver of `post_migrate` for this app."""
    establish_for(sender, ROLES, using=options.get("using", "default"))
