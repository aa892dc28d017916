"""The wire format, version 1: every frame that the server sends or understands, its codes and limits.

JSON text frames, each an object with a literal `type`. The reference in `docs/reference/` is generated from here.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from realtime.events import Event, EventPriority
from realtime.filters import Seen
from realtime.metrics import metrics
from realtime.registry import registry

SUBPROTOCOL = "dnsadmin.v1"
VERSION = 1
LARGEST_COMMAND = 64 * 1024
"""Bytes of a client's frame; a larger one is answered `too_large`. The transport's own limit lies above, at 256 KiB."""
LARGEST_BATCH = 64 * 1024
"""Bytes of a frame with several events; an event that is larger comes alone."""
ROOM_IN_BATCH = LARGEST_BATCH - 64
"""Bytes of it for the events, each with what parts it from the next."""
PARTING = 2
MOST_IN_BATCH = 200
WORTH_DEFLATING = 1024
"""Bytes from which a frame is compressed for clients that asked for it (`feature.deflate`)."""
TEXT, BINARY = 0x81, 0x82
"""The first byte of a whole data frame (RFC 6455, section 5.2)."""
HELP = "/docs/reference/protocol/#error-codes"


class CloseCode(IntEnum):
    """Why the server closes. 4000–4499: come back; 4500–4999: don't, until the person decides."""

    GOING_AWAY = 4000
    HEARTBEAT_MISSED = 4001
    TOO_SLOW = 4002
    TOKEN_EXPIRED = 4003
    TOO_MANY = 4029
    PROTOCOL_ERRORS = 4500
    NOT_SIGNED_IN = 4501
    NOT_ALLOWED = 4503
    NOT_FOUND = 4504
    DISPLACED = 4509
    OTHER_SYSTEM = 4510


class ErrorCode(StrEnum):
    """What was wrong with a command."""

    INVALID_MESSAGE = "invalid_message"
    UNKNOWN_COMMAND = "unknown_command"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    NOT_AUTHENTICATED = "not_authenticated"
    PERMISSION_DENIED = "permission_denied"
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    CONFLICT = "conflict"
    INTERNAL = "internal"


class Command(msgspec.Struct, frozen=True):
    """A client's frame: `type` names the command, `id` is echoed in its one answer."""

    type: str
    id: int | str | None = None
    data: dict[str, Any] = {}


class _Identified(msgspec.Struct, frozen=True):
    """What can be told of a frame that is no command."""

    id: int | str | None = None


_decode_command = msgspec.json.Decoder(Command).decode
_decode_identified = msgspec.json.Decoder(_Identified).decode
_encode = msgspec.json.Encoder().encode


class InvalidMessage(Exception):
    """A frame that is not a command: `code` and `message` for the answer, and `id` for whoever waits for it, if the frame
    had one that could be read."""

    def __init__(self, code: ErrorCode, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.code = code
        self.id: int | str | None = None
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            self.id = _decode_identified(raw).id


def parse(text: str | None) -> Command:
    """Read a client's frame. Raises `InvalidMessage`, whatever the frame holds."""
    if text is None:
        raise InvalidMessage(ErrorCode.INVALID_MESSAGE, "Only text frames are understood.")
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        raise InvalidMessage(ErrorCode.INVALID_MESSAGE, "The frame is not valid Unicode.") from None
    if len(raw) > LARGEST_COMMAND:
        raise InvalidMessage(ErrorCode.TOO_LARGE, f"A frame may have {LARGEST_COMMAND} bytes at most.", raw)
    if b"\\u0000" in raw:  # a NUL, which no name may hold and PostgreSQL cannot store
        raise InvalidMessage(ErrorCode.INVALID_MESSAGE, "The frame holds a NUL character.", raw)
    try:
        return _decode_command(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidMessage(ErrorCode.INVALID_MESSAGE, f"Not a command: {str(error)[:200]}.", raw) from None


class Frame:
    """A data frame, made once and sent to any number of connections.

    wire: the unmasked WebSocket frame (RFC 6455, section 5.2). size: bytes of what is in it.
    """

    __slots__ = ("_deflated", "_payload", "size", "wire")

    def __init__(self, payload: bytes, *, binary: bool = False) -> None:
        self.size = size = len(payload)
        self._payload = payload
        self._deflated: Frame | None = None
        opcode = BINARY if binary else TEXT
        if size < 126:
            header = bytes((opcode, size))
        elif size < 65536:
            header = struct.pack("!BBH", opcode, 126, size)
        else:
            header = struct.pack("!BBQ", opcode, 127, size)
        self.wire = header + payload

    def deflated(self) -> Frame:
        """The same for clients that read raw deflate: a binary frame, compressed once for all of them, if it is long
        enough for that to pay."""
        if self.size < WORTH_DEFLATING:
            return self
        if self._deflated is None:
            compressor = zlib.compressobj(level=6, wbits=-zlib.MAX_WBITS)
            self._deflated = Frame(compressor.compress(self._payload) + compressor.flush(), binary=True)
        return self._deflated


def message(wire: bytes) -> dict[str, Any]:
    """A frame as it was made above, as the message of a server's ASGI `send`."""
    payload = wire[{126: 4, 127: 10}.get(wire[1], 2) :]
    if wire[0] == BINARY:
        return {"type": "websocket.send", "bytes": payload}
    return {"type": "websocket.send", "text": payload.decode()}


def frame(kind: str, **fields: Any) -> Frame:
    """A frame of one literal `type`."""
    return Frame(_encode({"type": kind, **fields}))


def response(command_id: int | str | None, data: Any) -> Frame:
    """The answer to a command that was done."""
    return frame("response", id=command_id, data=data)


def error(command_id: int | str | None, code: ErrorCode, message: str, details: dict[str, Any] | None = None) -> Frame:
    """The answer to a command, or to a frame, that was not."""
    return frame("error", id=command_id, code=code, message=message, details=details or {}, help=HELP)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def body(seen: Seen) -> bytes:
    """An event as JSON, all but the closing brace, so that `upto` can follow without encoding it again."""
    event = seen.event
    spec = registry[event.event_type]
    fields: dict[str, Any] = {
        "type": "event",
        "event_type": event.event_type,
        "id": event.id,
        "category": spec.category,
        "priority": spec.priority.label,
        "severity": event.severity,
        "timestamp": timestamp(event.timestamp),
        "source_user": event.source_user,
        "trace_id": event.trace_id,
        "data": event.data,
    }
    if event.position is not None:
        fields["position"] = event.position
    if seen.redacted:
        fields["redacted"] = seen.redacted
    return _encode(fields)[:-1]


def event_frame(event_body: bytes, upto: int | None) -> Frame:
    """One event. `upto`: everything for the receiver up to there has been sent (durable events)."""
    return Frame(event_body + (b"}" if upto is None else b',"upto":%d}' % upto))


def batch_frame(bodies: list[bytes], upto: int) -> Frame:
    """Several events in order."""
    return Frame(b'{"type":"batch","events":[' + b"},".join(bodies) + b'}],"upto":%d}' % upto)


def gap_frame(event_type: str, dropped: int, reason: str) -> Frame:
    """How many flow events of a type were left out since the last time it was told, and why."""
    metrics.gap(reason, dropped)
    return frame("gap", event_type=event_type, dropped=dropped, reason=reason)


def public(seen: Seen) -> dict[str, Any]:
    """An event as the HTTP API shows it: the same object as on the socket."""
    return msgspec.json.decode(body(seen) + b"}")  # type: ignore[no-any-return]


def is_critical(event: Event) -> bool:
    """Whether the event travels alone and at once."""
    return registry[event.event_type].priority is EventPriority.CRITICAL
