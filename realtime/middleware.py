"""What each request needs of the event system: who is acting, and the position that its answer was read at."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from realtime import audience, log
from realtime.actors import acting

Handler = Callable[[HttpRequest], HttpResponse]

POSITION_HEADER = "X-Dnsadmin-Position"
TRACE_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""Of W3C Trace Context, version 00: the trace, the caller's part of it, flags."""


class ActorMiddleware:
    """Run a signed-in request on behalf of its user. Token requests are named by the API itself, which knows them later.

    The events that it causes carry the trace that its `traceparent` names, by which whoever sent it knows them again.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        origin = "api" if request.path.startswith("/api/") else "page"
        if request.user.is_authenticated and (origin == "page" or not request.user.is_superuser):
            audience.know(request.user)
        traced = TRACE_PARENT.fullmatch(request.headers.get("traceparent", ""))
        trace_id = traced[1] if traced else None
        with acting(request.user, origin=origin, address=request.META.get("REMOTE_ADDR"), trace_id=trace_id):
            return self.get_response(request)


class PositionMiddleware:
    """Stamp every page and API answer with the position of the log, read before the data.

    A client asks for the events from there on and applies them idempotently, so nothing falls between the two.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD") or request.path.startswith(("/static/", "/health/", "/metrics")):
            return self.get_response(request)
        position = str(log.position())
        request.position = position  # type: ignore[attr-defined]
        response = self.get_response(request)
        response[POSITION_HEADER] = position
        return response
