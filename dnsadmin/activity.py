"""The event log as people read it: who did what, from which value to which, and whether it is served.

The rights are those of the live events: the same audience decides, in the query about rows and by the filters about fields.
`VERBS` holds the words; the browser gets them with the page, so that a line that arrives live reads like one that was
there before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db.models import Q
from django.template.defaultfilters import pluralize

from realtime import audience, filters, log
from realtime.audience import Audience
from realtime.events import Event, EventCategory, EventType
from realtime.models import LogEvent
from realtime.registry import registry
from zones.models import ChangeSet, Zone

VERBS: dict[EventType, str] = {
    EventType.RECORD_CREATED: "added",
    EventType.RECORD_UPDATED: "changed",
    EventType.RECORD_DELETED: "deleted",
    EventType.ZONE_CREATED: "created the zone",
    EventType.ZONE_UPDATED: "changed the settings of",
    EventType.ZONE_DELETED: "deleted the zone",
    EventType.ZONE_IMPORTED: "imported into",
    EventType.ZONE_EXPORTED: "exported",
    EventType.ZONE_SYNCED: "the name server serves",
    EventType.ZONE_SYNC_FAILED: "the name server does not serve the changes of",
    EventType.ZONE_DRIFT_DETECTED: "the name server serves something else for",
    EventType.CHANGE_SET_APPLIED: "saved changes in",
    EventType.CHANGE_SET_REVERTED: "took changes back in",
    EventType.BULK_OPERATION_STARTED: "started",
    EventType.BULK_OPERATION_COMPLETED: "completed",
    EventType.BULK_OPERATION_FAILED: "could not complete",
    EventType.BULK_OPERATION_CANCELLED: "cancelled",
    EventType.SECURITY_ALERT: "security alert:",
    EventType.HEALTH_ALERT: "health alert:",
    EventType.PERFORMANCE_ALERT: "performance alert:",
    EventType.ALERT_ACKNOWLEDGED: "looks after",
    EventType.RPZ_RULE_CREATED: "made the policy rule",
    EventType.RPZ_RULE_UPDATED: "changed the policy rule",
    EventType.RPZ_RULE_DELETED: "deleted the policy rule",
    EventType.RPZ_UPDATE: "the policy",
    EventType.THREAT_FEED_UPDATE: "the feed",
    EventType.THREAT_FEED_FAILED: "could not refresh the feed",
    EventType.THREAT_DETECTED: "threat:",
    EventType.SUSPICIOUS_ACTIVITY: "suspicious:",
    EventType.ALERT_RESOLVED: "over:",
    EventType.ALERT_ESCALATED: "nobody looks after",
    EventType.USER_LOGIN: "signed in",
    EventType.USER_LOGOUT: "signed out",
    EventType.SESSION_EXPIRED: "session expired of",
    EventType.AUTHENTICATION_FAILED: "sign-in failed for",
    EventType.USER_CREATED: "made the account",
    EventType.USER_UPDATED: "changed the account",
    EventType.USER_DELETED: "removed the account",
    EventType.PERMISSION_CHANGED: "rights changed:",
    EventType.ROLLOUT_CHANGED: "moved the roll-out of the live connection",
    EventType.MAINTENANCE_STARTED: "started maintenance",
    EventType.MAINTENANCE_COMPLETED: "ended maintenance",
    EventType.CONFIG_BACKUP: "made a backup",
    EventType.CONFIG_RESTORE: "restored a backup",
    EventType.SERVICE_STARTED: "started:",
    EventType.SERVICE_STOPPED: "stopped:",
    EventType.BIND_RELOAD: "the name server read its configuration:",
    EventType.BIND_CONFIG_CHANGE: "the name server's configuration changed:",
    EventType.CONFIG_CHANGE: "changed the settings of",
    EventType.HEALTH_UPDATE: "health:",
    EventType.SYSTEM_STATUS: "the whole:",
    EventType.FORWARDER_STATUS_CHANGE: "forwarder",
}
"""What a line says between who and what. An event without a verb is shown by its name."""

FOLDED = frozenset({EventType.ZONE_SYNCED, EventType.CHANGE_SET_APPLIED})
"""Told on the lines of the changes that they are about, not on lines of their own."""

RULES = frozenset({EventType.RPZ_RULE_CREATED, EventType.RPZ_RULE_UPDATED, EventType.RPZ_RULE_DELETED})
FEEDS = frozenset({EventType.THREAT_FEED_UPDATE, EventType.THREAT_FEED_FAILED})

SHOWN_OF_A_CHANGE_SET = 3
"""Lines about single records of one change set; the last of them counts the others."""

LATELY = 2000
"""Rows of the log in which to look for names."""

LOOKED_AT = 8
"""Rows of the log that are looked at for each line wanted, when many may fall together into one."""

KINDS: dict[str, tuple[str, frozenset[EventCategory]]] = {
    "zones": ("Zones and records", frozenset({EventCategory.DNS, EventCategory.BULK_OPERATION})),
    "people": ("People and rights", frozenset({EventCategory.USER, EventCategory.CONNECTION})),
    "system": ("System", frozenset({EventCategory.SYSTEM, EventCategory.HEALTH, EventCategory.ALERT})),
    "security": ("Security", frozenset({EventCategory.SECURITY})),
}


class Value(msgspec.Struct, frozen=True):
    """One value before and after; `None` where there was none. `field` is empty for the thing as a whole."""

    field: str
    old: str | None
    new: str | None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the activity.

    state: `pending`, `pushing`, `served` or `failed` for a change of records, else empty. serial: with which it is served.
    more: changes of the same change set that have no line of their own.
    """

    id: str
    position: int
    at: datetime
    event_type: str
    who: str
    verb: str
    what: str
    zone: str
    values: tuple[Value, ...]
    note: str
    severity: str
    change_set: int | None
    state: str
    serial: int | None
    more: int = 0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the log: all that is not empty must fit. `before`: positions below it.

    everything: one line per event; otherwise the folded are left out, and large change sets are summed up.
    """

    kind: str = ""
    zone: str = ""
    who: str = ""
    before: int | None = None
    everything: bool = False


def lines(user: Any, wanted: Wanted, limit: int) -> list[Line]:
    """The newest `limit` lines that `user` may see, newest first. Two queries besides those for the user's rights."""
    viewer = audience.of(user)
    looked_at = limit if wanted.everything else limit * LOOKED_AT
    rows = LogEvent.objects.filter(_visible(viewer), _matching(wanted), position__isnull=False)
    seen = [
        shown.event
        for row in rows.order_by("-position")[:looked_at]
        if (shown := filters.view(log.as_event(row), viewer))
    ]
    found = [_line(event, served) for event, served in zip(seen, _served(seen), strict=True)]
    return (found if wanted.everything else _summed_up(found))[:limit]


def _summed_up(found: Sequence[Line]) -> list[Line]:
    """At most a few lines about the records of one change set; the last one says how many more there are."""
    kept: list[Line] = []
    places: dict[int, list[int]] = {}
    for line in found:
        mine = places.setdefault(line.change_set, []) if line.change_set and line.what else []
        if len(mine) < SHOWN_OF_A_CHANGE_SET:
            mine.append(len(kept))
            kept.append(line)
        else:
            kept[mine[-1]] = msgspec.structs.replace(kept[mine[-1]], more=kept[mine[-1]].more + 1)
    return kept


def people(user: Any) -> list[str]:
    """The names to filter by: everybody who caused something lately that `user` may see."""
    lately = LogEvent.objects.filter(_visible(audience.of(user)), position__isnull=False).order_by("-position")
    named = LogEvent.objects.filter(pk__in=lately.values("pk")[:LATELY]).exclude(source_username="")
    return list(named.order_by("source_username").values_list("source_username", flat=True).distinct())


def _visible(viewer: Audience) -> Q:
    """The rows that the audience may see: `Audience.may_see` as a condition."""
    specs = list(registry)
    visible = Q(event_type__in=[spec.event_type for spec in specs if viewer.has(spec.permission)])
    own = [spec.event_type for spec in specs if spec.own]
    visible |= Q(event_type__in=own, subject_id=viewer.user_id)
    for kind, keys in viewer.scopes:
        scoped = Q(event_type__in=[spec.event_type for spec in specs if spec.scope == kind], scope__isnull=False)
        visible |= scoped if keys is None else scoped & Q(scope__in=sorted(keys))
    return visible


def _matching(wanted: Wanted) -> Q:
    specs: Iterable[Any] = registry
    types = {
        spec.event_type
        for spec in specs
        if (not wanted.kind or spec.category in KINDS[wanted.kind][1])
        and (wanted.everything or spec.event_type not in FOLDED)
    }
    matching = Q(event_type__in=sorted(types))
    if wanted.who:
        matching &= Q(source_username=wanted.who)
    if wanted.zone:
        matching &= Q(scope__in=Zone.objects.filter(name=wanted.zone).values("key"))
    if wanted.before is not None:
        matching &= Q(position__lt=wanted.before)
    return matching


def _served(events: Sequence[Event]) -> list[tuple[str, int | None]]:
    """For each event, how the change set that it belongs to stands: state and serial."""
    ids = {change_set for event in events if (change_set := event.data.get("change_set"))}
    states = {
        pk: (state, serial)
        for pk, state, serial in ChangeSet.objects.filter(pk__in=ids).values_list("pk", "state", "serial")
    }
    return [states.get(event.data.get("change_set", 0), ("", None)) for event in events]


def _line(event: Event, served: tuple[str, int | None]) -> Line:
    data = event.data
    state, serial = served
    return Line(
        id=event.id,
        position=event.position or 0,
        at=event.timestamp,
        event_type=event.event_type.value,
        who=event.source_user.username if event.source_user else "",
        verb=VERBS.get(event.event_type, event.event_type.value.replace("_", " ")),
        what=_what(event),
        zone=data.get("zone") or "",
        values=_values(event),
        note=_note(event),
        severity=event.severity.value,
        change_set=data.get("change_set"),
        state=state,
        serial=serial,
    )


def _what(event: Event) -> str:
    data = event.data
    if record := data.get("record"):
        return f"{record['name']} {record['type']}"
    if operation := data.get("operation"):
        return str(operation["kind"])
    if event.event_type == EventType.RPZ_UPDATE:
        policy = data["policy"]
        return f"{policy['name'] if policy else 'any policy'}: {data['what'].replace('_', ' ')}"
    if rule := data.get("rule") if event.event_type in RULES else None:
        return f"{rule['trigger'] or 'for a client'}: {rule['action']}"
    if feed := data.get("feed") if event.event_type in FEEDS else None:
        return str(feed["name"])
    if "title" in data:
        return str(data["title"])
    if "target" in data and "forwarder" in data:
        target = data["target"]
        domain = str(data["forwarder"]["domain"])
        return f"{domain} by {target['address']}#{target['port']}" if target else domain
    if thing := data.get("service") or data.get("what"):
        return str(thing)
    username = data.get("username") or ""
    return "" if event.source_user and event.source_user.username == username else str(username)


def _values(event: Event) -> tuple[Value, ...]:
    if event.event_type == EventType.RECORD_CREATED:
        return (Value("", None, event.data["record"]["content"]),)
    if event.event_type == EventType.RECORD_DELETED:
        return (Value("", event.data["record"]["content"], None),)
    changes = event.data.get("changes")
    if not isinstance(changes, list):  # of some events it is how many
        return ()
    return tuple(Value(change["field"], _text(change["old"]), _text(change["new"])) for change in changes)


def _text(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _note(event: Event) -> str:
    data = event.data
    match event.event_type:
        case EventType.ZONE_IMPORTED | EventType.CHANGE_SET_APPLIED | EventType.CHANGE_SET_REVERTED:
            if not (data["created"] or data["updated"] or data["deleted"]) and data.get("comment"):
                return str(data["comment"])  # what was done to the zone itself, or at the name server
            return f"{data['created']} added, {data['updated']} changed, {data['deleted']} deleted"
        case EventType.ZONE_SYNCED:
            return f"serial {data['serial']}"
        case EventType.ZONE_SYNC_FAILED:
            return str(data["error"])
        case EventType.ZONE_DRIFT_DETECTED:
            return f"{data['count']} difference{pluralize(data['count'])}"
        case EventType.ROLLOUT_CHANGED:
            return f"{data['percent_before']:g} → {data['percent']:g} %" + (
                f": {data['reason']}" if data["reason"] else ""
            )
        case EventType.HEALTH_UPDATE | EventType.FORWARDER_STATUS_CHANGE:
            return f"{data['old']} → {data['new']}: {data['reason']}"
        case EventType.SYSTEM_STATUS:
            return f"{data['old']} → {data['new']}"
        case EventType.BIND_RELOAD:
            return (
                f"{data['changed']} statement{pluralize(data['changed'])} changed"
                if data["changed"]
                else "nothing changed"
            )
        case EventType.SERVICE_STOPPED:
            return str(data["reason"])
        case EventType.PERMISSION_CHANGED:
            return str(data["reason"])
        case EventType.THREAT_FEED_FAILED:
            return str(data["feed"]["error"])
        case EventType.THREAT_FEED_UPDATE:
            return data["what"] or f"{data['added']} name{pluralize(data['added'])} more, {data['removed']} fewer"
        case EventType.ALERT_ACKNOWLEDGED | EventType.ALERT_RESOLVED:
            return str(data["comment"])
    return ""
