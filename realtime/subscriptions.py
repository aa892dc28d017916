"""What a connection wants: event types and patterns, zones, and a filter of flow. Checked, saved, restored."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Annotated

import dns.exception
import dns.name
import msgspec
from django.contrib.auth import get_user_model

from realtime.audience import Audience
from realtime.events import EventType
from realtime.flow_filter import EVERY_QUERY, FlowFilter
from realtime.models import SavedSubscription
from realtime.protocol import ErrorCode
from realtime.registry import LONGEST_PATTERN, registry

MOST_PATTERNS = 64
MOST_ZONES = 1000


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription: patterns as they were given, zone names (none: all), and the filter of flow."""

    patterns: tuple[str, ...] = ()
    zones: frozenset[str] = frozenset()
    filter: FlowFilter = EVERY_QUERY


@lru_cache(maxsize=4096)
def shared(wants: Wants) -> Wants:
    """One and the same object for equal wants: thousands of connections hold one."""
    return wants


class TooManySubscriptions(Exception):
    """More than `MOST_PATTERNS` patterns."""


class Subscribe(msgspec.Struct, frozen=True, kw_only=True):
    """The data of a `subscribe` command."""

    event_types: list[str]
    zones: Annotated[list[str], msgspec.Meta(max_length=MOST_ZONES)] | None = None
    filter: FlowFilter | None = None


class EventSubscriptionManager:
    """Decides about subscriptions. Knows rights and the catalogue; sends nothing."""

    def defaults(self, audience: Audience) -> Wants:
        """What a connection gets that asked for nothing: everything its role shows that is meant to be unasked."""
        return shared(Wants(patterns=tuple(s.event_type for s in registry if s.default and audience.may_subscribe(s))))

    def types(self, wants: Wants, audience: Audience) -> frozenset[EventType]:
        """The events that the patterns name and the audience may subscribe to."""
        return _types(wants.patterns, audience.shared(), registry.version)

    def add(self, wants: Wants, asked: Subscribe, audience: Audience) -> tuple[Wants, list[dict[str, str]]]:
        """`wants` with what was asked for, and what was rejected and why. Raises `TooManySubscriptions`."""
        _check_length(asked.event_types)
        accepted, rejected = list(wants.patterns), []
        for pattern in asked.event_types:
            if code := self._objection(pattern, audience):
                rejected.append({"event_type": pattern[:LONGEST_PATTERN], "code": code})
            elif pattern not in accepted:
                accepted.append(pattern)
        rejected += self._not_to_be_filtered_by(asked, audience)
        _check_length(accepted)
        return Wants(
            patterns=tuple(accepted),
            zones=wants.zones if asked.zones is None else frozenset(map(_as_in_events, asked.zones)),
            filter=wants.filter if asked.filter is None else asked.filter,
        ), rejected

    def _not_to_be_filtered_by(self, asked: Subscribe, audience: Audience) -> list[dict[str, str]]:
        """The events that would stay out because the filter asks for something that the audience may not see."""
        flow = asked.filter
        return [
            {"event_type": spec.event_type, "code": ErrorCode.PERMISSION_DENIED}
            for spec in registry
            if flow is not None
            and any(spec.event_type in registry.matching(pattern) for pattern in asked.event_types)
            and any(
                getattr(flow, name) is not None and not audience.has(permission)
                for name, permission in spec.filter_permissions.items()
            )
        ]

    def _objection(self, pattern: str, audience: Audience) -> ErrorCode | None:
        named = registry.matching(pattern)
        if not named:
            return ErrorCode.UNKNOWN_EVENT_TYPE
        if not any(audience.may_subscribe(registry[t]) for t in named):
            return ErrorCode.PERMISSION_DENIED
        return None

    def remove(self, wants: Wants, patterns: list[str], audience: Audience) -> Wants:
        """`wants` without the events that `patterns` name, also where a wider pattern had brought them.

        Raises `TooManySubscriptions`.
        """
        _check_length(patterns)
        unwanted = frozenset().union(*(registry.matching(p) for p in patterns))
        kept: list[str] = []
        for pattern in wants.patterns:
            named = registry.matching(pattern)
            if named.isdisjoint(unwanted):
                kept.append(pattern)
            else:
                kept.extend(sorted(named - unwanted))
        return msgspec.structs.replace(wants, patterns=tuple(dict.fromkeys(kept)))

    def listed(self, wants: Wants, audience: Audience) -> list[EventType]:
        """The resulting list, as every change confirms it, in the order of the catalogue."""
        types = self.types(wants, audience)
        return [spec.event_type for spec in registry if spec.event_type in types]

    # -- kept for the next time, by slot (user id, client name); these two use the database

    def save(self, wanted: Mapping[tuple[int, str], Wants]) -> None:
        """Remember what clients want. Users that are gone meanwhile are left out."""
        living = set(get_user_model().objects.filter(pk__in={u for u, _ in wanted}).values_list("pk", flat=True))
        SavedSubscription.objects.bulk_create(
            [
                SavedSubscription(user_id=user_id, client=client, wanted=msgspec.to_builtins(wants))
                for (user_id, client), wants in wanted.items()
                if user_id in living
            ],
            update_conflicts=True,
            unique_fields=("user", "client"),
            update_fields=("wanted", "updated_at"),
        )

    def restore(self, slots: Collection[tuple[int, str]]) -> dict[tuple[int, str], Wants]:
        """What clients wanted last, as far as they ever said."""
        rows = SavedSubscription.objects.filter(user_id__in={u for u, _ in slots}, client__in={c for _, c in slots})
        restored = {}
        for user_id, client, wanted in rows.values_list("user_id", "client", "wanted"):
            with contextlib.suppress(msgspec.ValidationError):  # another release wrote it: they get the defaults
                restored[user_id, client] = shared(msgspec.convert(wanted, Wants))
        return restored


@lru_cache(maxsize=1024)
def _types(patterns: tuple[str, ...], audience: Audience, version: int) -> frozenset[EventType]:
    named: frozenset[EventType] = frozenset().union(*(registry.matching(pattern) for pattern in patterns))
    return frozenset(event_type for event_type in named if audience.may_subscribe(registry[event_type]))


def _as_in_events(zone: str) -> str:
    """The name of a zone, however people write it, as events give it: A-labels, lower case, without the final dot."""
    if not zone.isascii():
        with contextlib.suppress(dns.exception.DNSException):  # what is no name is the name of no zone
            zone = dns.name.from_text(zone, idna_codec=dns.name.IDNA_2008_Practical).to_text()
    return zone.lower().rstrip(".")


def _check_length(patterns: list[str]) -> None:
    # Names of declared events don't count: there are only so many, and the defaults are made of them.
    if sum(pattern not in registry for pattern in patterns) > MOST_PATTERNS:
        raise TooManySubscriptions(f"{MOST_PATTERNS} patterns at most")


subscriptions = EventSubscriptionManager()
