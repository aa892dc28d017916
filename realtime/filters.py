"""What becomes of an event on its way to an audience: the same, a smaller one, or none.

Filters are asked once per route and event, never per connection. They fail closed: a filter that raises keeps the event
from that route, and the error is logged where the route runs it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Protocol

import msgspec

from realtime.audience import Audience
from realtime.buckets import TokenBucket
from realtime.events import Event, EventType
from realtime.flow_filter import EVERY_QUERY, FlowFilter
from realtime.interests import interest_of
from realtime.registry import registry

_SELECTOR = re.compile(r"\[(?P<field>\w+)=(?P<value>\w+)\]")


class Seen(msgspec.Struct, frozen=True):
    """An event as an audience sees it. `redacted`: dotted paths in `data` that were masked as `null`."""

    event: Event
    redacted: tuple[str, ...] = ()


class EventFilter(Protocol):
    """One step of the way."""

    def apply(self, seen: Seen, audience: Audience) -> Seen | None:
        """The event as it goes on, or `None` to end its way here."""
        ...


class PermissionEventFilter:
    """Lets through what the audience may see."""

    def apply(self, seen: Seen, audience: Audience) -> Seen | None:
        return seen if audience.may_see(seen.event, registry[seen.event.event_type]) else None


class DataSensitivityFilter:
    """Masks the fields that the audience may not see."""

    def apply(self, seen: Seen, audience: Audience) -> Seen | None:
        spec = registry[seen.event.event_type]
        hidden = [path for path, asked in spec.sensitive.items() if not audience.may_read(seen.event, spec, asked)]
        if not hidden:
            return seen
        data: Any = seen.event.data
        masked = []
        for path in hidden:
            smaller = _mask(data, path.split("."))
            if smaller is not data:
                data = smaller
                masked.append(_SELECTOR.sub("", path))
        return Seen(msgspec.structs.replace(seen.event, data=data), (*seen.redacted, *masked)) if masked else seen


def _mask(value: Any, path: list[str]) -> Any:
    """`value` with `None` at `path` (`*` for each item of a list); the same object when there is nothing to mask.

    A step `rule[trigger_type=client_ip]` goes on only where that field of the object has that value, spelt as in JSON.
    """
    if not path:
        return None
    step, rest = path[0], path[1:]
    condition = _SELECTOR.search(step)
    step = step[: condition.start()] if condition else step

    def within(inner: Any) -> Any:
        chosen = not condition or (
            isinstance(inner, dict) and _spelt(inner.get(condition["field"])) == condition["value"]
        )
        return _mask(inner, rest) if chosen else inner

    if step == "*" and isinstance(value, list):
        items = [within(item) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    if isinstance(value, dict) and value.get(step) is not None:
        inner = within(value[step])
        return value if inner is value[step] else {**value, step: inner}
    return value


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class RateLimitFilter:
    """Lets a bounded number of flow events of a type through each second; durable ones always. One for each route.

    left_out: what it kept back, by event type, until the route has told its members.
    """

    def __init__(self, per_second: float) -> None:
        self.left_out: Counter[EventType] = Counter()
        self._per_second = per_second
        self._buckets: dict[EventType, TokenBucket] = {}

    def apply(self, seen: Seen, audience: Audience) -> Seen | None:
        event_type = seen.event.event_type
        if registry[event_type].durable:
            return seen
        bucket = self._buckets.get(event_type)
        if bucket is None:
            bucket = self._buckets[event_type] = TokenBucket(self._per_second, max(1.0, self._per_second))
        if bucket.take():
            return seen
        self.left_out[event_type] += 1
        return None


FILTERS: tuple[EventFilter, ...] = (PermissionEventFilter(), DataSensitivityFilter())
"""In this order: permission first, so that nothing else is done for those who see nothing. The limit of the rate follows,
once for each route, so that it counts and tells only what the route may see (`realtime.routes`)."""


def view(event: Event, audience: Audience, flow: FlowFilter = EVERY_QUERY) -> Seen | None:
    """The event as `audience` sees it and, if it is of the query stream, wants it; or `None`. Nobody sees what no app of
    this release declares."""
    if event.event_type not in registry:
        return None
    seen: Seen | None = Seen(event)
    steps = FILTERS
    if registry[event.event_type].cut:
        interest = interest_of(event.event_type, audience.shared(), flow)
        if interest is None or interest.token != event.interest:
            return None
        steps = FILTERS[1:]  # the interest is what the audience may see and wants
    for step in steps:
        if seen is None:
            return None
        seen = step.apply(seen, audience)
    # After redaction: what was masked is not there to be found out.
    return seen if seen is not None and flow.wants(seen.event) else None
