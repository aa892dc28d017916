"""From the frames of the protocol to those of the old system: `{"type", "data", "timestamp"}`, without an envelope.

What a connection may see was decided before: this reads finished frames. Each is translated once, however many old
sockets it goes to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from realtime.events import EventType
from realtime.protocol import Frame, message, timestamp
from realtime.transports import Transport

GUIDE = "/docs/how-to/leave-the-old-sockets/"
"""Where every error and warning of the old endpoints points to."""

_HEALTH = (EventType.HEALTH_UPDATE, EventType.HEALTH_ALERT, EventType.FORWARDER_STATUS_CHANGE)
_DNS = (
    EventType.ZONE_CREATED,
    EventType.ZONE_UPDATED,
    EventType.ZONE_DELETED,
    EventType.RECORD_CREATED,
    EventType.RECORD_UPDATED,
    EventType.RECORD_DELETED,
    EventType.BIND_RELOAD,
    EventType.CONFIG_CHANGE,
)
_SECURITY = (EventType.SECURITY_ALERT, EventType.RPZ_UPDATE, EventType.THREAT_DETECTED)
_SYSTEM = (EventType.SYSTEM_STATUS, EventType.BIND_RELOAD, EventType.CONFIG_CHANGE)
_SESSIONS = (EventType.USER_LOGIN, EventType.USER_LOGOUT, EventType.SESSION_EXPIRED)

KINDS: Mapping[str, tuple[EventType, ...]] = {
    "health": _HEALTH,
    "dns_management": _DNS,
    "security": _SECURITY,
    "system": _SYSTEM,
    "admin": tuple(dict.fromkeys((*_HEALTH, *_DNS, *_SECURITY, *_SYSTEM, *_SESSIONS))),
}
"""Connection type of the old system -> the events that it carried."""

TOLD_AS: Mapping[EventType, EventType] = {
    EventType.RPZ_RULE_CREATED: EventType.RPZ_UPDATE,
    EventType.RPZ_RULE_UPDATED: EventType.RPZ_UPDATE,
    EventType.RPZ_RULE_DELETED: EventType.RPZ_UPDATE,
    EventType.BIND_CONFIG_CHANGE: EventType.CONFIG_CHANGE,
}
"""What has a name of its own today -> the one that the old system told it by; `what` in its data is the name of today."""


def sources(names: Iterable[EventType]) -> tuple[EventType, ...]:
    """Today's events that come by these old names."""
    wanted = tuple(names)
    return wanted + tuple(today for today, old in TOLD_AS.items() if old in wanted)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def old_frame(kind: str, data: Any, moment: str | None = None) -> Frame:
    """A frame as the old system sent it."""
    return Frame(_encode({"type": kind, "data": data, "timestamp": moment or timestamp(datetime.now(UTC))}))


def translate(wire: bytes) -> list[Frame]:
    """What an old client gets in place of a frame of the protocol; most frames mean nothing to it."""
    given = _decode(message(wire)["text"])
    match given["type"]:
        case "event":
            return [_event(given)]
        case "batch":
            return [_event(event) for event in given["events"]]
        case "error":
            return [old_frame("error", {"code": given["code"], "message": given["message"], "help": GUIDE})]
        case "notice" if given["code"] == "system_changed":
            return [old_frame("system_changed", {"message": given["message"], **given["data"]})]
    return []


def _event(event: dict[str, Any]) -> Frame:
    today, data = event["event_type"], event["data"]
    if (old := TOLD_AS.get(today)) is not None:
        return old_frame(old, {"what": today, **data}, event["timestamp"])
    return old_frame(today, data, event["timestamp"])


class _Once:
    """The last frame and its translation: a frame goes to all connections of a route one after the other."""

    def __init__(self) -> None:
        self._wire = b""
        self._translated: list[Frame] = []

    def __call__(self, wire: bytes) -> list[Frame]:
        if wire is not self._wire:
            self._wire, self._translated = wire, translate(wire)
        return self._translated


_once = _Once()


class OldTransport:
    """A transport that speaks the old system's language.

    `greeting` goes before everything else, with whatever is sent first: for a client that is let in, that is the welcome. So
    whoever has the greeting misses nothing from there on. `pinged(n)` is told of each ping of the protocol: old clients
    cannot answer one.
    """

    def __init__(self, inner: Transport, greeting: Frame, pinged: Callable[[int], None]) -> None:
        self._inner = inner
        self._greeting: Frame | None = greeting
        self._pinged = pinged
        self.buffered = inner.buffered
        self.abort = inner.abort
        self.closing = inner.closing

    def write(self, wire: bytes) -> None:
        self._greet()
        for old in _once(wire):
            self._inner.write(old.wire)
        if len(wire) < 100 and (given := _decode(message(wire)["text"]))["type"] == "ping":
            self._pinged(given["n"])

    def say_old(self, frame: Frame) -> None:
        """Send a frame as it is."""
        if not self.closing():
            self._greet()
            self._inner.write(frame.wire)

    def _greet(self) -> None:
        if self._greeting is not None:
            greeting, self._greeting = self._greeting, None
            self._inner.write(greeting.wire)
