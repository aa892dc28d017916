"""How a page keeps what it shows: what it read once, and every durable event since applied to it.

For each durable event this says what it does to the state, or why there is none to keep. An event that says neither fails
`tests/realtime/test_catalogue.py`; that the result is what one would read anew is shown by `test_applied_events.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime.events import EventType

State = dict[str, dict[Any, Any]]
Apply = Callable[[State, dict[str, Any]], None]


def nothing() -> State:
    """What is known before anything was read."""
    return {"zones": {}, "records": {}, "stale": {}, "people": {}, "alerts": {}, "rules": {}, "policies": {}}


def zone_is(state: State, data: dict[str, Any]) -> None:
    state["zones"][data["zone"]] = {name: data[name] for name in ("kind", "comment", "version")}


def zone_gone(state: State, data: dict[str, Any]) -> None:
    state["zones"].pop(data["zone"], None)
    for key in [key for key in state["records"] if key[0] == data["zone"]]:
        del state["records"][key]


def record_is(state: State, data: dict[str, Any]) -> None:
    record = data["record"]
    known = state["records"].get((data["zone"], record["id"]))
    if (
        known is None or known["version"] < record["version"]
    ):  # a repeat, or what the snapshot had already, changes nothing
        fields = ("name", "type", "ttl", "content", "version")
        state["records"][data["zone"], record["id"]] = {name: record[name] for name in fields}


def record_gone(state: State, data: dict[str, Any]) -> None:
    state["records"].pop((data["zone"], data["record"]["id"]), None)


def change_set_done(state: State, data: dict[str, Any]) -> None:
    if not data["announced"]:  # too many for an event each: the page reads the zone again
        state["stale"][data["zone"]] = True


def person_is(state: State, data: dict[str, Any]) -> None:
    state["people"][data["user"]] = {"username": data["username"], "is_active": data["is_active"]}


def person_gone(state: State, data: dict[str, Any]) -> None:
    state["people"].pop(data["user"], None)


def alert_is(state: State, data: dict[str, Any]) -> None:
    fields = ("title", "severity", "state", "acknowledged_by")
    state["alerts"][data["alert"]] = {name: data[name] for name in fields}


def rule_is(state: State, data: dict[str, Any]) -> None:
    fields = ("policy", "trigger_type", "trigger", "action", "enabled", "trial", "version")
    state["rules"][data["rule"]["id"]] = {name: data["rule"][name] for name in fields}


def rule_gone(state: State, data: dict[str, Any]) -> None:
    state["rules"].pop(data["rule"]["id"], None)


APPLIED: dict[EventType, Apply] = {
    EventType.ZONE_CREATED: zone_is,
    EventType.ZONE_UPDATED: zone_is,
    EventType.ZONE_DELETED: zone_gone,
    EventType.RECORD_CREATED: record_is,
    EventType.RECORD_UPDATED: record_is,
    EventType.RECORD_DELETED: record_gone,
    EventType.CHANGE_SET_APPLIED: change_set_done,
    EventType.CHANGE_SET_REVERTED: change_set_done,
    EventType.USER_CREATED: person_is,
    EventType.USER_UPDATED: person_is,
    EventType.USER_DELETED: person_gone,
    EventType.SECURITY_ALERT: alert_is,
    EventType.HEALTH_ALERT: alert_is,
    EventType.PERFORMANCE_ALERT: alert_is,
    EventType.ALERT_ACKNOWLEDGED: alert_is,
    EventType.ALERT_RESOLVED: alert_is,
    EventType.RPZ_RULE_CREATED: rule_is,
    EventType.RPZ_RULE_UPDATED: rule_is,
    EventType.RPZ_RULE_DELETED: rule_gone,
}

NEWS = "tells that something happened; nothing is kept that it would change"
WHOLE = "carries the whole of what it tells of, which takes the place of what was known"

WITHOUT_STATE: dict[EventType, str] = {
    EventType.ZONE_IMPORTED: "its change set tells what became of the records",
    EventType.ZONE_EXPORTED: NEWS,
    EventType.ZONE_SYNCED: WHOLE,
    EventType.ZONE_SYNC_FAILED: WHOLE,
    EventType.ZONE_DRIFT_DETECTED: WHOLE,
    EventType.BULK_OPERATION_STARTED: WHOLE,
    EventType.BULK_OPERATION_COMPLETED: WHOLE,
    EventType.BULK_OPERATION_FAILED: WHOLE,
    EventType.BULK_OPERATION_CANCELLED: WHOLE,
    EventType.RPZ_UPDATE: WHOLE,
    EventType.THREAT_FEED_UPDATE: WHOLE,
    EventType.THREAT_FEED_FAILED: WHOLE,
    EventType.THREAT_DETECTED: NEWS,
    EventType.SUSPICIOUS_ACTIVITY: NEWS,
    EventType.ALERT_ESCALATED: "tells who is called; the alert itself stays as it is",
    EventType.HEALTH_UPDATE: WHOLE,
    EventType.FORWARDER_STATUS_CHANGE: WHOLE,
    EventType.SYSTEM_STATUS: WHOLE,
    EventType.BIND_RELOAD: NEWS,
    EventType.BIND_CONFIG_CHANGE: NEWS,
    EventType.CONFIG_CHANGE: NEWS,
    EventType.SERVICE_STARTED: NEWS,
    EventType.SERVICE_STOPPED: NEWS,
    EventType.CONFIG_BACKUP: NEWS,
    EventType.CONFIG_RESTORE: NEWS,
    EventType.MAINTENANCE_STARTED: WHOLE,
    EventType.MAINTENANCE_COMPLETED: WHOLE,
    EventType.ROLLOUT_CHANGED: WHOLE,
    EventType.ERROR_OCCURRED: NEWS,
    EventType.BROADCAST_TEST: NEWS,
    EventType.USER_LOGIN: NEWS,
    EventType.USER_LOGOUT: NEWS,
    EventType.SESSION_EXPIRED: NEWS,
    EventType.AUTHENTICATION_FAILED: NEWS,
    EventType.PERMISSION_CHANGED: "the page reads its rights anew",
}
