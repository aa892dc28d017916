"""What every event carries and who may see it: one `EventSpec` per event, declared by the app that owns it.

An app declares its events in `<app>/events.py`, which is imported when the site starts. Permission checks, redaction,
batching, the event reference, the AsyncAPI document and the JavaScript constants all come from here.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import msgspec
from django.core.exceptions import ImproperlyConfigured

from realtime.events import EventCategory, EventPriority, EventType

ADMINISTRATORS = "administrators"
"""In place of a permission: superusers only."""

VIEW_CLIENT_ADDRESSES = "realtime.view_client_addresses"
"""The permission that shows `client` and `client_ip` in events, wherever they are."""

VIEW_THREAT_EVIDENCE = "realtime.view_threat_evidence"
"""The permission that shows `evidence` of threats and alerts."""

LONGEST_PATTERN = 64
"""Characters of a subscription pattern."""


class Everything:
    """The set of scope keys of someone who may see all objects of a kind."""

    def __contains__(self, key: object) -> bool:
        return True


EVERYTHING = Everything()

ScopeKeys = frozenset[str] | Everything
"""Keys of the objects of one kind (zones) that a user may see."""

VisibleKeys = Callable[[Sequence[Any]], Mapping[int, ScopeKeys]]
"""Users -> user id -> what each may see of a kind."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """The declaration of one event. What several have in common is said once, by `functools.partial`.

    payload: struct of `data`; undeclared fields are refused when the event is built.
    permission: Django permission (`app.codename`) that shows every such event, `ADMINISTRATORS`, or `None` for
        everyone who is signed in.
    scope: kind of object (`"zone"`) whose grants show the events about it to people without `permission`.
    own: whether the user an event is about (`Event.subject_id`) sees it without `permission`.
    sensitive: dotted path in `data` (`*` for list items, `rule[trigger_type=client_ip]` for objects of which that is true)
        -> permission without which it is masked as `null`.
    granted: permission of `sensitive` -> kind of object whose grants, for the one the event is about, do as well.
    durable: whether it is a row of the log with a position (True) or passes by (False, "flow").
    default: whether a connection that asks for nothing gets it.
    cut: flow of which the source makes one event for each different interest (`realtime.interests`).
    filter_permissions: field of the flow filter -> permission without which one may not filter by it.
    """

    event_type: EventType
    summary: str
    payload: type[msgspec.Struct]
    _: KW_ONLY
    category: EventCategory
    permission: str | None
    priority: EventPriority = EventPriority.NORMAL
    durable: bool = True
    scope: str | None = None
    own: bool = False
    sensitive: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    granted: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    default: bool = True
    cut: bool = False
    filter_permissions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class Registry:
    """The catalogue of declared events and the resolvers of scopes. version: changes with it, for what is derived."""

    def __init__(self) -> None:
        self.version = 0
        self._specs: dict[EventType, EventSpec] = {}
        self._scopes: dict[str, VisibleKeys] = {}

    def declare(self, *specs: EventSpec) -> None:
        """Add events to the catalogue. Raises `ImproperlyConfigured` when one is declared twice."""
        for spec in specs:
            if spec.event_type in self._specs:
                raise ImproperlyConfigured(f"event {spec.event_type} is declared twice")
            self._specs[spec.event_type] = spec
        self.version += 1
        self._matching.cache_clear()

    def declare_scope(self, kind: str, visible_keys: VisibleKeys) -> None:
        """Say how to find the keys of the objects of `kind` that users may see (one query at most for all of them)."""
        if kind in self._scopes:
            raise ImproperlyConfigured(f"scope {kind} is declared twice")
        self._scopes[kind] = visible_keys

    def __getitem__(self, event_type: EventType) -> EventSpec:
        """The declaration of an event. Raises `KeyError` for a name that nobody declared."""
        return self._specs[event_type]

    def __contains__(self, event_type: object) -> bool:
        return event_type in self._specs

    def __iter__(self) -> Iterator[EventSpec]:
        return iter([self._specs[event_type] for event_type in EventType if event_type in self._specs])

    def scopes(self) -> Mapping[str, VisibleKeys]:
        """The resolver of each kind of scope."""
        return MappingProxyType(self._scopes)

    def matching(self, pattern: str) -> frozenset[EventType]:
        """The declared events that a subscription pattern (`record_updated`, `zone_*`, `*`) names; too long: none."""
        return self._matching(pattern) if len(pattern) <= LONGEST_PATTERN else frozenset()

    @lru_cache(maxsize=4096)  # noqa: B019  # there is one registry, for life
    def _matching(self, pattern: str) -> frozenset[EventType]:
        return frozenset(name for name in self._specs if fnmatch.fnmatchcase(name, pattern))


registry = Registry()
