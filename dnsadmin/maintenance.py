"""Maintenance: a banner on every page, and no changes until it is over.

Who is signing in or out, and what an administrator needs to look after the site, goes on. The name server is not touched:
it serves what it serves, and changes that were saved before are still pushed.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from dnsadmin.api import problems
from dnsadmin.events import MaintenanceEvent
from dnsadmin.models import Maintenance
from realtime.broadcasting import emit
from realtime.events import EventType

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
OPEN = ("/accounts/", "/api/token/", "/api/realtime/", "/admin/login/", "/admin/logout/", "/admin/realtime/")
"""Where writing goes on: these change nothing that a backup or an upgrade would miss."""
RETRY_AFTER_S = 60


def under_way() -> QuerySet[Maintenance]:
    """The maintenance that is under way, or nothing."""
    return Maintenance.objects.filter(pk=Maintenance.SINGLETON, since__isnull=False)


def state() -> Maintenance | None:
    """The maintenance that is under way, if any."""
    return under_way().first()


@transaction.atomic
def begin(reason: str) -> None:
    """Refuse changes from now on; again only changes the reason."""
    before = state()
    since = before.since if before else timezone.now()
    Maintenance.objects.update_or_create(pk=Maintenance.SINGLETON, defaults={"since": since, "reason": reason})
    emit(EventType.MAINTENANCE_STARTED, MaintenanceEvent(reason=reason))


@transaction.atomic
def end() -> bool:
    """Take changes again. Returns whether there was a maintenance to end."""
    reason = before.reason if (before := state()) else ""
    if not Maintenance.objects.filter(pk=Maintenance.SINGLETON, since__isnull=False).update(since=None):
        return False
    emit(EventType.MAINTENANCE_COMPLETED, MaintenanceEvent(reason=reason))
    return True


class MaintenanceMiddleware:
    """Answers changes with 503 while maintenance lasts."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE or request.path.startswith(OPEN) or (now := state()) is None:
            return self.get_response(request)
        detail = f"Not saved: the site is in maintenance{f' ({now.reason})' if now.reason else ''}."
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        if request.path.startswith("/api/") or "json" in request.headers.get("Accept", ""):
            return problems.answer(503, "maintenance", detail, headers=headers)
        response = render(request, "maintenance.html", {"reason": now.reason}, status=503)
        response["Retry-After"] = headers["Retry-After"]
        return response
