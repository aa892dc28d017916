"""The way of one event: committed, numbered, heard by each process and how, and sent to whom and when, or why not.

Nothing is kept per delivery. A route remembers when it sent how far; of a connection it is known on which route it was from
which position to which, and what its reader sent. What an event did is worked out from these when somebody asks, for the
events of the last hour.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from django.contrib.auth import get_user_model

from realtime import doorbell, log, presence
from realtime.audience import Audience
from realtime.events import Event, EventType
from realtime.filters import view
from realtime.models import LogEvent, TraceReport
from realtime.moments import KEPT_S, Moments
from realtime.protocol import is_critical
from realtime.registry import registry
from realtime.subscriptions import Wants, subscriptions

if TYPE_CHECKING:
    from realtime.connections import WebSocketConnection
    from realtime.node import Node
    from realtime.routes import Route, RouteKey

KEPT_ENDED = 2000
KEPT_STEPS = 200
PATIENCE_S = 2.0
MOST_ABSENT = 500
ASKING = "trace"
"""Client name of those who only ask for traces."""


class Stay:
    """A connection on a route, from the position that it joined at; `left`: the one that it had on leaving."""

    __slots__ = ("alone", "joined", "key", "left", "sent")

    def __init__(self, route: Route, joined: int) -> None:
        self.key: RouteKey = route.key
        self.sent = route.sent
        self.alone = route.sent_alone
        self.joined = joined
        self.left: int | None = None


class Read(msgspec.Struct, frozen=True):
    """What a reader sent: the log after `start` up to `upto`."""

    start: int
    upto: int
    at: float


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a connection that ended: the facts, and nothing that belongs to its socket."""

    id: str
    user_id: int
    username: str
    client: str
    upto: int
    audience: Audience
    wants: Wants
    lagging: bool = False

    @classmethod
    def of(cls, connection: WebSocketConnection) -> Gone:
        return cls(**{name: getattr(connection, name) for name in cls.__struct_fields__})


class Passage:
    """One connection's way along the log."""

    __slots__ = ("began", "connection", "ended_at", "steps")

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection: WebSocketConnection | Gone = connection
        self.began = connection.upto
        self.steps: list[Stay | Read] = []  # mostly one; a deque takes ten times the memory
        self.ended_at: float | None = None

    def add(self, step: Stay | Read) -> None:
        self.steps.append(step)
        if len(self.steps) > KEPT_STEPS:
            del self.steps[: KEPT_STEPS // 2]


class Tracer:
    """What one process remembers of the last hour."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._heard = {"doorbell": Moments(), "log": Moments()}
        self._passages: OrderedDict[str, Passage] = OrderedDict()
        self._ended: deque[tuple[float, str]] = deque()

    # -- what happens

    def heard(self, event: Event, how: str) -> None:
        """The feed came to an event, by `doorbell` or from the `log`."""
        self._heard[how].note(event.position or 0)

    def joined(self, connection: WebSocketConnection, route: Route, position: int) -> None:
        """A connection that had everything up to `position` went onto a route."""
        self._passage(connection).add(Stay(route, position))

    def left(self, connection: WebSocketConnection, position: int) -> None:
        """A connection left its route with everything up to `position`."""
        steps = self._passage(connection).steps
        if steps and isinstance(steps[-1], Stay):
            steps[-1].left = position

    def read(self, connection: WebSocketConnection, start: int, upto: int) -> None:
        """A reader sent a piece of the log."""
        passage = self._passage(connection)
        if not passage.steps:
            passage.began = start
        passage.add(Read(start, upto, time.time()))

    def ended(self, connection: WebSocketConnection) -> None:
        """A connection is gone; what it got stays known for an hour."""
        now = time.time()
        if passage := self._passages.get(connection.id):
            passage.ended_at = now
            passage.connection = Gone.of(connection)
            self._ended.append((now, connection.id))
        while self._ended and (now - self._ended[0][0] > KEPT_S or len(self._ended) > KEPT_ENDED):
            self._passages.pop(self._ended.popleft()[1], None)

    def _passage(self, connection: WebSocketConnection) -> Passage:
        found = self._passages.get(connection.id)
        if found is None:
            found = self._passages[connection.id] = Passage(connection)
        return found

    def forget(self) -> None:
        """The log has a break: positions mean something else from here on."""
        for moments in self._heard.values():
            moments.clear()
        self._passages.clear()
        self._ended.clear()

    # -- asking

    def report(self, event: Event) -> dict[str, Any]:
        """What this process knows of the way of an event."""
        position = event.position or 0
        heard = {how: at for how, moments in self._heard.items() if (at := moments.at(position)) is not None}
        recipients, others = [], []
        for passage in self._passages.values():
            sent = _sent(passage, event)
            who = _who(passage)
            if isinstance(sent, str):
                others.append(who | {"reason": sent})
            else:
                recipients.append(who | {"sent_at": _moment(sent[0]), "by": sent[1]})
        return {
            "node": self._node.name,
            "heard_at": _moment(next(iter(heard.values()), None)),
            "heard_by": next(iter(heard), None),
            "recipients": recipients,
            "others": others,
        }


def _sent(passage: Passage, event: Event) -> tuple[float | None, str] | str:
    """When an event was sent to a connection (`None`: longer ago than is kept) and by what, or why it was not."""
    position = event.position or 0
    connection = passage.connection
    if event.event_type not in registry:
        return "an event that this release does not know"
    for step in reversed(passage.steps):
        if isinstance(step, Read):
            if step.start < position <= step.upto:
                audience, wants = connection.audience, connection.wants
                reason = _unseen(event, audience, subscriptions.types(wants, audience), wants.zones)
                return reason or (step.at, "log")
        elif step.joined < position and (step.left is None or position <= step.left):
            reason = _unseen(event, step.key.audience, step.key.types, step.key.zones)
            if reason:
                return reason
            if is_critical(event):
                return step.alone.at(position), "route"
            if not step.sent.reached(position):
                return "it waits to be sent together with others"
            return step.sent.past(position), "route"
    if position <= passage.began:
        return f"connected later, at position {passage.began}"
    if passage.ended_at is not None:
        return f"the connection ended before, at position {connection.upto}"
    slow = "is too slow and" if connection.lagging else "is"
    return f"{slow} still reading the log, at position {connection.upto}"


def _unseen(event: Event, audience: Audience, types: Collection[EventType], zones: Collection[str]) -> str | None:
    """Why an event is not shown to those who want these types and zones; `None` when it is."""
    spec = registry[event.event_type]
    if event.event_type not in types:
        return "not subscribed to it" if audience.may_subscribe(spec) else "no permission for such events"
    if not event.concerns(zones):
        return f"subscribed to other zones than {event.data.get('zone')}"
    return None if view(event, audience) is not None else "no permission for what it is about"


def _who(passage: Passage) -> dict[str, Any]:
    connection = passage.connection
    return {
        "connection_id": connection.id,
        "user": {"id": connection.user_id, "username": connection.username},
        "client": connection.client,
        "connected": passage.ended_at is None,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


# -- over all processes ---------------------------------------------------------------------------------------------------


class Unknown(LookupError):
    """There is no such event in the log."""


def answer(tracer: Tracer, request: str, event_id: str) -> None:
    """Write down what this process knows, for whoever asked. Uses the database."""
    row = LogEvent.objects.filter(event_id=event_id, position__isnull=False).first()
    if row is not None:
        report = tracer.report(log.as_event(row))
        TraceReport.objects.create(request=request, node=report["node"], report=report)


def trace(event_id: str) -> dict[str, Any]:
    """The whole way of an event, as every process knows it. Raises `Unknown`. Takes two seconds at most."""
    row = LogEvent.objects.filter(event_id=event_id[:36]).first()
    if row is None:
        raise Unknown(f"There is no event {event_id[:36]} in the log.")
    reports = _collect(event_id) if row.position is not None else []
    recipients = [one | {"node": report["node"]} for report in reports for one in report["recipients"]]
    others = [
        one | {"node": report["node"]} for report in reports for one in report["others"] if one["client"] != ASKING
    ]
    known = {one["user"]["id"] for one in (*recipients, *others)}
    absent = get_user_model().objects.filter(is_active=True).exclude(pk__in=known).order_by("username")[:MOST_ABSENT]
    others += [
        {"user": {"id": user.pk, "username": user.get_username()}, "reason": "was not connected"} for user in absent
    ]
    return {
        "event_id": row.event_id,
        "event_type": row.event_type,
        "committed_at": row.timestamp.isoformat(),
        "position": row.position,
        "epoch": log.head().epoch,
        "source_user": row.source_username or None,
        "origin": row.origin,
        "trace_id": row.trace_id,
        "hops": [{name: report[name] for name in ("node", "heard_at", "heard_by")} for report in reports],
        "recipients": sorted(recipients, key=lambda one: one["sent_at"] or ""),
        "others": others,
    }


def _collect(event_id: str) -> list[dict[str, Any]]:
    request = secrets.token_hex(8)
    expected = set(presence.live().values_list("node", flat=True))
    doorbell.control("trace", request=request, event=event_id)
    until = time.monotonic() + PATIENCE_S
    while True:
        reports = list(TraceReport.objects.filter(request=request).order_by("node").values_list("report", flat=True))
        if (reports and expected <= {report["node"] for report in reports}) or time.monotonic() > until:
            TraceReport.objects.filter(request=request).delete()
            return reports
        time.sleep(0.05)
