"""Routes: connections that see the same share one filtering, one redaction, one encoding and one batch.

A route's key is what it shows: audience, event types, zones, filter of flow. Its members are groups of the `local`
channel layer (`realtime.fans`). A connection is on a route, or it is a *reader* that catches up from the log
(`realtime.reader`); it changes from one to the other at a position, without an await in between, so nothing is sent twice
or left out.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from realtime import groups
from realtime.audience import Audience
from realtime.conf import RealtimeSettings
from realtime.connections import WebSocketConnection
from realtime.events import Event, EventPriority, EventType
from realtime.fans import Fan
from realtime.filters import RateLimitFilter, Seen, view
from realtime.flow_filter import ABOUT_QUERIES, EVERY_QUERY, FlowFilter
from realtime.interests import Interest, interest_of
from realtime.layers import LocalChannelLayer
from realtime.moments import Moments
from realtime.protocol import MOST_IN_BATCH, PARTING, ROOM_IN_BATCH, Frame, batch_frame, body, event_frame, gap_frame
from realtime.registry import registry
from realtime.subscriptions import subscriptions

logger = logging.getLogger(__name__)

GAP_EVERY_S = 1.0
"""Seconds over which the flow that a limit leaves out is summed up before it is told."""


class RouteKey(msgspec.Struct, frozen=True):
    """What a route shows. Equal keys, same route."""

    audience: Audience
    types: frozenset[EventType]
    zones: frozenset[str]
    filter: FlowFilter


class Encodings:
    """One event, encoded at most once per audience and, of the query stream, per filter."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self._bodies: dict[Any, bytes | None] = {}
        self._filtered = event.event_type in ABOUT_QUERIES

    def body(self, audience: Audience, flow: FlowFilter = EVERY_QUERY) -> bytes | None:
        """The event as the audience sees it, or `None`. Fails closed: an error in a filter is logged, and hides it."""
        kind = (audience, flow) if self._filtered else audience
        if kind not in self._bodies:
            try:
                seen = view(self.event, audience, flow)
                self._bodies[kind] = body(seen) if seen is not None else None
            except Exception:
                logger.exception("event %s withheld: a filter failed", self.event.id)
                self._bodies[kind] = None
        return self._bodies[kind]

    @property
    def count(self) -> int:
        """How many times it was really encoded."""
        return sum(encoded is not None for encoded in self._bodies.values())


class Route:
    """The connections that see the same. Holds back what may wait, and sends what waits together."""

    def __init__(
        self,
        key: RouteKey,
        layer: LocalChannelLayer,
        waits: dict[EventPriority, float],
        head: Callable[[], int],
        limit: RateLimitFilter,
    ) -> None:
        self.key = key
        self._plain = Fan(layer, groups.route(key, deflates=False), deflates=False)
        self._deflated = Fan(layer, groups.route(key, deflates=True), deflates=True)
        self._waits = waits
        self._paces = any(waits.values())
        self._head = head
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._bodies: list[bytes] = []
        self._bytes = 0
        self._flow_waiting: Counter[EventType] = Counter()
        self._before_first: int | None = None  # the position up to which everything was sent, while something waits
        self._timer: asyncio.Handle | None = None
        self._due = 0.0  # when it goes off; uvloop's handle of a timer that is due at once does not say
        self._gap_timer: asyncio.TimerHandle | None = None
        self._flushed_at = float("-inf")
        self.sent = Moments()  # up to which position, when
        self.sent_alone = Moments()  # critical events

    @property
    def size(self) -> int:
        """How many members there are."""
        return self._plain.size + self._deflated.size

    def fan(self, *, deflates: bool) -> Fan:
        """The members that read compressed frames, or those that don't."""
        return self._deflated if deflates else self._plain

    @property
    def upto(self) -> int:
        """Everything for the members up to there has been sent."""
        return self._head() if self._before_first is None else self._before_first

    def offer(self, encodings: Encodings) -> None:
        """Take an event on, if the members are to see it."""
        event = encodings.event
        if self.key.zones and not event.concerns(self.key.zones):
            return
        encoded = encodings.body(self.key.audience, self.key.filter)
        if encoded is None:
            return
        if self._limit.apply(Seen(event), self.key.audience) is None:
            if self._gap_timer is None:
                self._gap_timer = self._loop.call_later(GAP_EVERY_S, self.tell_gaps)
            return
        spec = registry[event.event_type]
        priority = spec.priority
        if priority is EventPriority.CRITICAL:
            self._send(event_frame(encoded, self.upto))
            self.sent_alone.note(event.position or 0)
            return
        if self._before_first is None:
            self._before_first = self._head() - (event.position is not None)
        self._bodies.append(encoded)
        self._bytes += len(encoded) + PARTING
        if event.position is None:
            self._flow_waiting[event.event_type] += 1
        if self._bytes > ROOM_IN_BATCH and len(self._bodies) > 1:
            self._flush_in_turn(but=event)
            if not self._bodies:
                return  # that was the last straw for the last member
        # The source of a stream that is cut has its own pace; to wait here as well would only make it late.
        wait = 0.0 if spec.cut else self._waits[priority]
        due = min(self._flushed_at, self._loop.time()) + wait
        if not wait or self._bytes >= ROOM_IN_BATCH or len(self._bodies) >= MOST_IN_BATCH:
            self._flush_in_turn()
        elif self._timer is None or due < self._due:
            # Also what is due: it goes when the loop has its next turn, together with what else has come by then, as the
            # events of one transaction do.
            self._cancel_timer()
            self._timer, self._due = self._loop.call_at(due, self._flush_in_turn), due

    def give_up(self, position: int | None) -> None:
        """The event at `position` (`None` for flow) could not be taken on: forget what waits. Nothing from there on counts
        as sent, so that the members can find it in the log."""
        self._cancel_timer()
        if self._before_first is None:
            self._before_first = self._head() - (position is not None)
        self._bodies, self._bytes = [], 0

    def _flush_in_turn(self, but: Event | None = None) -> None:
        """Send all that waits, or all but the last; what comes next waits its time from when that is done.

        Sending to a thousand members takes about as long as a short wait does. Counted from its beginning, hardly any
        event would wait for another.
        """
        if self._paces:  # else nobody asks when that was
            self._flushed_at = float("inf")
            # uvloop writes to the sockets at the end of the next turn, and its clock stands still within one.
            self._loop.call_soon(self._loop.call_soon, self._note_flushed)
        self.flush(but)

    def _note_flushed(self) -> None:
        self._flushed_at = self._loop.time()

    def flush(self, but: Event | None = None) -> None:
        """Send all that waits, as one frame; all but the last, if it is given. Out of turn, when somebody joins, it holds
        nothing back that comes next: with many coming and going, everybody's events would wait for each of them."""
        self._cancel_timer()
        if self._before_first is None:
            return
        bodies, self._bodies, self._bytes, self._before_first = self._bodies, [], 0, None
        self._flow_waiting.clear()
        upto = self._head()
        if but is not None:
            self._bodies = [bodies.pop()]
            self._bytes = len(self._bodies[0]) + PARTING
            if but.position is None:
                self._flow_waiting[but.event_type] = 1
            else:
                upto -= 1
            self._before_first = upto  # for those for whom this frame is the last straw, too
        self.sent.note(upto)
        frame = event_frame(bodies[0], upto) if len(bodies) == 1 else batch_frame(bodies, upto)
        self._send(frame)

    def _send(self, frame: Frame) -> None:
        self._plain.send(frame)
        self._deflated.send(frame)

    def unsent_flow(self) -> Counter[EventType]:
        """The flow that was taken on and not sent, or left out and not told: whoever leaves now, misses it."""
        return self._flow_waiting + self._limit.left_out

    def tell_gaps(self) -> None:
        """Say how much flow the limit left out since the last time."""
        if self._gap_timer is not None:
            self._gap_timer.cancel()
            self._gap_timer = None
        while self._limit.left_out:  # one by one: a member for whom the first is the last straw misses the others
            event_type, dropped = self._limit.left_out.popitem()
            self._send(gap_frame(event_type, dropped, "rate_limited"))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """Stop: the last member has left."""
        self._cancel_timer()
        self._bodies = []
        if self._gap_timer is not None:
            self._gap_timer.cancel()


class Router:
    """All routes of this process, and the way of an event to them. `position` is the last one that was published."""

    def __init__(self, layer: LocalChannelLayer, conf: RealtimeSettings) -> None:
        self.position = 0
        self.readers: set[WebSocketConnection] = set()
        self.on_flow_wanted: Callable[[frozenset[EventType]], None] = lambda types: None
        self.on_interests: Callable[[frozenset[Interest]], None] = lambda interests: None
        self.on_failed: Callable[[Route], None] = lambda route: None
        self.on_joined: Callable[[WebSocketConnection, Route, int], None] = lambda connection, route, position: None
        self.on_left: Callable[[WebSocketConnection, int], None] = lambda connection, position: None
        self.events = 0
        self.encodings = 0
        self._layer = layer
        self._waits = {
            EventPriority.HIGH: conf.wait_high_ms / 1000,
            EventPriority.NORMAL: conf.wait_normal_ms / 1000,
            EventPriority.LOW: conf.wait_low_ms / 1000,
        }
        self._flow_per_s = conf.flow_per_s
        self._routes: dict[RouteKey, Route] = {}
        self._by_type: dict[EventType, tuple[Route, ...]] = {}

    def __len__(self) -> int:
        return len(self._routes)

    # -- events

    def publish(self, event: Event) -> None:
        """Pass a durable event to the routes. Events come in order of position, without holes."""
        assert event.position == self.position + 1, (event.position, self.position)
        self.position = event.position
        encodings = self._offer(event)
        if event.event_type in registry and registry[event.event_type].priority is EventPriority.CRITICAL:
            self._overtake(encodings)

    def pass_by(self, event: Event) -> None:
        """Pass a flow event to the routes; connections that are catching up miss it, and are told how many."""
        behind = tuple(self.readers)  # not those who become one by this event, which they have
        encodings = self._offer(event)
        for connection in behind:
            if self._for_reader(encodings, connection) is not None:
                connection.left_out[event.event_type] += 1

    def _offer(self, event: Event) -> Encodings:
        encodings = Encodings(event)
        for route in self._by_type.get(event.event_type, ()):
            try:
                route.offer(encodings)
            except Exception:
                logger.exception("a route failed at event %s; its members go on from the log", event.id)
                route.give_up(event.position)
                self.on_failed(route)
        self.events += 1
        self.encodings += encodings.count
        return encodings

    def _overtake(self, encodings: Encodings) -> None:
        """A critical event does not wait for those who are catching up; they get it again in its place."""
        for connection in tuple(self.readers):
            encoded = self._for_reader(encodings, connection)
            if encoded is not None and not connection.lagging:
                connection.deliver(event_frame(encoded, connection.upto))

    def _for_reader(self, encodings: Encodings, connection: WebSocketConnection) -> bytes | None:
        """The event as a connection without a route is to see it, or `None`."""
        if connection.entering or connection.stale or not encodings.event.concerns(connection.wants.zones):
            return None
        if encodings.event.event_type not in subscriptions.types(connection.wants, connection.audience):
            return None
        return encodings.body(connection.audience.shared(), connection.wants.filter)

    # -- members

    def join(self, connection: WebSocketConnection) -> None:
        """Take a connection that has everything up to `position` onto its route."""
        assert connection.upto == self.position, (connection.upto, self.position)
        key = RouteKey(
            connection.audience.shared(),
            subscriptions.types(connection.wants, connection.audience),
            connection.wants.zones,
            connection.wants.filter,
        )
        if before := self._routes.get(key):
            before.flush()  # so that the route, too, has sent everything up to `position`
            before.tell_gaps()  # which are not the newcomer's
        route = self._routes.get(key)  # no more, if that was the last straw for its last member
        if route is None:
            route = self._routes[key] = Route(
                key, self._layer, self._waits, lambda: self.position, RateLimitFilter(self._flow_per_s)
            )
            self._index()
        self.readers.discard(connection)
        fan = route.fan(deflates=connection.deflate)
        self._layer.add(fan.group, connection.channel)
        connection.share(fan)
        connection.route = route
        self.on_joined(connection, route, self.position)

    def leave(self, connection: WebSocketConnection) -> None:
        """Take a connection off its route: from here on it is a reader, from the position that it had."""
        route = connection.route
        self.readers.add(connection)
        if route is None:
            return
        connection.upto = upto = route.upto
        connection.left_out.update(route.unsent_flow())
        connection.route = None
        self.on_left(connection, upto)
        assert connection.fan is not None
        self._layer.discard(connection.fan.group, connection.channel)
        connection.share(None)
        self._end_if_empty(route)

    def forget(self, connection: WebSocketConnection) -> None:
        """The connection is gone."""
        self.leave(connection)
        self.readers.discard(connection)

    def _end_if_empty(self, route: Route) -> None:
        if not route.size:
            route.end()
            self._routes.pop(route.key, None)
            self._index()

    def _index(self) -> None:
        by_type: dict[EventType, list[Route]] = {}
        for route in self._routes.values():
            for event_type in route.key.types:
                by_type.setdefault(event_type, []).append(route)
        self._by_type = {event_type: tuple(routes) for event_type, routes in by_type.items()}
        self.on_flow_wanted(_flow(self._by_type))
        self.on_interests(frozenset(self._interests()))

    def _interests(self) -> Iterator[Interest]:
        """What the routes want of the streams that are cut at their source."""
        for event_type, routes in self._by_type.items():
            if registry[event_type].cut:
                for route in routes:
                    if (interest := interest_of(event_type, route.key.audience, route.key.filter)) is not None:
                        yield interest


def _flow(types: Iterable[EventType]) -> frozenset[EventType]:
    return frozenset(event_type for event_type in types if not registry[event_type].durable)
