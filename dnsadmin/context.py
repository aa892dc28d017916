"""What every template may use."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.db.models import Subquery
from django.http import HttpRequest

from dnsadmin import maintenance
from realtime import alerts, audience, rollout


def site(request: HttpRequest) -> dict[str, Any]:
    """`position`: where the page stands in the event log. `demo`: whether to say that this is one. `site_name`.
    `system`: which one the roll-out has the user on, `unified` or `legacy`; `maintenance`: the one that is under way; both
    are read together when a template uses them."""

    @cache
    def flag() -> Any:
        return rollout.flag(maintenance=Subquery(maintenance.under_way().values("reason")))

    def system() -> str:
        return "unified" if rollout.assignment(flag()).unified(request.user.pk or 0) else "legacy"

    def state() -> dict[str, str] | None:
        reason = getattr(flag(), "maintenance", None)  # not there when the flag was only just made
        return None if reason is None else {"reason": reason}

    return {
        "system": system,
        "maintenance": state,
        "position": getattr(request, "position", ""),
        "demo": settings.SITE.demo,
        "site_name": "dnsadmin",
    }


MOST_AT_THE_BELL = 500
"""Open alerts that a page knows one by one; beyond that, the list of alerts says more than a number."""


def bell(request: HttpRequest) -> dict[str, Any]:
    """`open_alerts`: those that nobody looks after, as the user may see them, for the bell of the frame, read when
    a template uses them; `my_groups`: the names of the user's groups."""

    @cache
    def open_alerts() -> list[dict[str, Any]]:
        if not (user := getattr(request, "user", None)) or not user.is_authenticated:
            return []
        rows = alerts.visible_to(audience.of(user, "zone")).filter(state="open", muted=False)
        newest = rows.order_by("-raised_at").values("id", "severity", "title")
        return [dict(alert) for alert in newest[:MOST_AT_THE_BELL]]

    return {"open_alerts": open_alerts, "my_groups": getattr(getattr(request, "user", None), "group_names", [])}
