"""The event system over HTTP: the durable log as one may see it, the catalogue, and who is connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from realtime import audience as audiences
from realtime import doorbell, log, presence
from realtime.administrators import IsAdministrator
from realtime.events import Event
from realtime.export import asyncapi
from realtime.filters import view
from realtime.models import LogEvent
from realtime.protocol import public
from realtime.registry import registry

MOST_EVENTS = 1000
MOST_READ = 20_000
"""Rows of the log that one request looks through."""

Shown = Callable[[Event], dict[str, Any] | None]
"""An event as it is answered; nothing for one that was not asked for, or that the asker may not see."""


class EventsView(APIView):
    """The durable log, as far as the user may see it.

    `count` is that of this answer: the whole of a log is not counted. `next` is there as long as there is more to be read,
    be it that the user sees nothing of it.
    """

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "since", str, description="`<epoch>:<position>`: the events that follow it, oldest first."
            ),
            OpenApiParameter("limit", int, description=f"At most so many, {MOST_EVENTS} at most."),
            OpenApiParameter("before", int, description="Without `since`: events before this position, newest first."),
            OpenApiParameter("event_type", str, description="Only events of this type or pattern (`zone_*`)."),
            OpenApiParameter("zone", str, description="Only events about the zone of this name."),
        ],
        responses={200: dict},
    )
    def get(self, request: Request) -> Response:
        audience = audiences.asking(request)
        limit = _number(request, "limit", 100, MOST_EVENTS)
        pattern, zone = request.query_params.get("event_type"), request.query_params.get("zone")
        types = registry.matching(pattern) if pattern else None
        here = log.position()

        def shown(event: Event) -> dict[str, Any] | None:
            if types is not None and event.event_type not in types:
                return None
            if zone is not None and event.data.get("zone") != zone:
                return None
            seen = view(event, audience)
            return public(seen) if seen is not None else None

        if "since" in request.query_params:
            return self._since(request, here, limit, shown)
        return self._latest(request, here, limit, shown)

    def _since(self, request: Request, here: log.Position, limit: int, shown: Shown) -> Response:
        try:
            since = log.Position.parse(request.query_params["since"])
        except ValueError as error:
            raise ParseError(str(error)) from None
        if since.epoch != here.epoch or since.position > here.position:
            return _page(request, [], None, recovered=False, reason="epoch_changed", upto=str(here))
        results: list[dict[str, Any]] = []
        upto = since.position
        try:
            # Who may see little of a long log gets what there is so far, and asks again from `upto`.
            while len(results) < limit and upto - since.position < MOST_READ and (events := log.read(upto)):
                for event in events:
                    if len(results) == limit:
                        break
                    if (answer := shown(event)) is not None:
                        results.append(answer)
                    upto = event.position or upto
        except log.TooOld:
            return _page(request, [], None, recovered=False, reason="too_old", upto=str(here))
        position = str(log.Position(here.epoch, upto))
        following = {"since": position} if upto < here.position else None
        return _page(request, results, following, recovered=True, upto=position, head=str(here))

    def _latest(self, request: Request, here: log.Position, limit: int, shown: Shown) -> Response:
        before = _number(request, "before", here.position + 1, here.position + 1)
        results: list[dict[str, Any]] = []
        rows: list[LogEvent] = []
        read, more = 0, True
        while len(results) < limit and read < MOST_READ:
            rows = list(LogEvent.objects.filter(position__lt=before).order_by("-position")[: log.CHUNK])
            more = len(rows) == log.CHUNK
            read += len(rows)
            for row in rows:
                if len(results) == limit:
                    break
                if (answer := shown(log.as_event(row))) is not None:
                    results.append(answer)
                before = row.position or before
            if not more:
                break
        following = {"before": before} if more or (rows and before != rows[-1].position) else None
        return _page(request, results, following, before=before, upto=str(here))


def _page(request: Request, results: list[dict[str, Any]], following: dict[str, Any] | None, **more: Any) -> Response:
    """A list like any other, which goes on at `following` (parameters of its address; `None`: there is no more)."""
    address = None
    if following is not None:
        query = urlencode({**request.query_params.dict(), **following})
        address = request.build_absolute_uri(f"{request.path}?{query}")
    return Response({"count": len(results), "next": address, "previous": None, "results": results, **more})


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ParseError(f"{name} must be a positive number.")
    return max(1, min(int(text), most))


class EventTypesView(APIView):
    """The catalogue of events, with who may see each and the schema of its data."""

    @extend_schema(responses={200: dict})
    def get(self, request: Request) -> Response:
        audience = audiences.asking(request)
        results = [
            {
                "event_type": spec.event_type,
                "category": spec.category,
                "priority": spec.priority.label,
                "durable": spec.durable,
                "permission": spec.permission,
                "scope": spec.scope,
                "own": spec.own,
                "sensitive": dict(spec.sensitive),
                "available": audience.may_subscribe(spec),
                "summary": spec.summary,
                "schema": msgspec.json.schema(spec.payload),
            }
            for spec in registry
        ]
        return Response({"count": len(results), "next": None, "previous": None, "results": results})


class ConnectionsView(APIView):
    """Who is connected, on every node."""

    permission_classes = (IsAdministrator,)

    @extend_schema(responses={200: dict})
    def get(self, request: Request) -> Response:
        results = presence.everyone()
        return Response({"count": len(results), "next": None, "previous": None, "results": results})


class DisconnectView(APIView):
    """Close somebody's connection."""

    permission_classes = (IsAdministrator,)

    @extend_schema(request=None, responses={202: dict, 404: dict})
    def post(self, request: Request, connection_id: str) -> Response:
        if not presence.exists(connection_id):
            raise NotFound(f"There is no connection {connection_id[:40]!r}.")
        doorbell.control("disconnect", connection=connection_id)
        return Response({"connection_id": connection_id}, status=202)


class AsyncApiView(APIView):
    """The WebSocket protocol as an AsyncAPI 3 document, for everybody, as that of HTTP is."""

    permission_classes = (AllowAny,)

    @extend_schema(responses={200: dict})
    def get(self, request: Request) -> Response:
        return Response(asyncapi())
