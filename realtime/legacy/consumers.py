"""The five endpoints of the old system: who may come in, see and stay is decided as for everybody else."""

from __future__ import annotations

import asyncio
import random
import secrets
from datetime import UTC, datetime, time
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec
from django.conf import settings

from realtime.audience import Audience
from realtime.authentication import Claim
from realtime.consumers import MOST_UNREAD, UnifiedWebSocketConsumer
from realtime.events import EventType
from realtime.frontdesk import Full
from realtime.legacy.translation import GUIDE, KINDS, OldTransport, old_frame, sources
from realtime.metrics import OLD_CLIENT
from realtime.protocol import CloseCode, ErrorCode, Frame, InvalidMessage, error, parse
from realtime.subscriptions import Wants

ANNOUNCED = datetime(2026, 11, 22, tzinfo=UTC)
"""Since when the old endpoints are deprecated."""
CONFIRM_BELOW = 64 * 1024
"""Bytes held back for a client below which it counts as having received the rest."""


class OldCommand(msgspec.Struct, frozen=True):
    """What an old client may say."""

    type: str
    events: list[str] = []


_decode = msgspec.json.Decoder(OldCommand).decode


class LegacyConsumer(UnifiedWebSocketConsumer):
    """One socket of one of the five `kind`s."""

    system = "legacy"

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.early: list[OldCommand] = []

    # -- coming in

    async def connect(self) -> None:
        await self.base_send({"type": "websocket.accept", "headers": _headers()})
        self.transport = self.old = OldTransport(
            self.transport, old_frame("deprecated", _notice(self.kind)), self.confirm
        )
        self.since, self.named = None, None
        token = parse_qs(self.scope.get("query_string", b"").decode("latin-1")).get("token")
        try:
            self.node.desk.take_place(self.address)
            self.placed = True
        except Full as problem:
            self.say(error(None, ErrorCode.RATE_LIMITED, str(problem)))
            await self.end(CloseCode.TOO_MANY, str(problem))
            return
        if not settings.LEGACY.enabled:
            why = f"This endpoint has been switched off: use /ws/ instead. How to move: {GUIDE}"
            self.say(error(None, ErrorCode.INVALID_MESSAGE, why))
            await self.end(CloseCode.NOT_FOUND, "switched off: use /ws/")
        elif self.node.draining:
            await self.end(CloseCode.GOING_AWAY, "restart", random.randint(200, 5000))
        elif token is not None:
            await self.sign_in(token[0])
        elif self.credentials.session_key is not None:
            await self.sign_in()
        else:
            await self.refuse(f"A token is missing: /ws/{self.kind}/?token=…")

    def belongs_here(self, user_id: int) -> bool:
        """The old endpoints serve whoever comes; pages are told when they are to move."""
        return True

    def first_wants(self, audience: Audience) -> Wants:
        return Wants(patterns=sources(KINDS[self.kind]))

    def client_name(self, claim: Claim) -> str:
        # A slot for each: the old system kept as many sockets as there were pages.
        return f"{OLD_CLIENT}{self.kind}:{secrets.token_hex(4)}"

    async def enter(self, claim: Claim, user: Any, audience: Audience, changes: int) -> None:
        if self.kind == "admin" and not audience.is_admin:
            self.say(error(None, ErrorCode.PERMISSION_DENIED, "This endpoint is for administrators."))
            await self.end(CloseCode.NOT_ALLOWED, "for administrators")
            return
        await super().enter(claim, user, audience, changes)
        early, self.early = self.early, []
        for given in early:
            self.obey(given)

    # -- hearing

    def hear(self, text: str | None) -> None:
        if self.closed:
            return
        if self.transport.buffered() > MOST_UNREAD:
            self.node.in_background(self.end(CloseCode.TOO_SLOW, "too slow: read before you ask"))
            return
        try:
            given = _read(text)
        except InvalidMessage as problem:
            self.complain(None, problem.code, f"{problem} See {GUIDE}")
            return
        inside = self.admitted and not self.member.entering
        if inside and given.type == "ping":
            self.old.say_old(_PONG)
        elif self._wait_s():
            self.turn_down(None, ErrorCode.RATE_LIMITED, "Too many messages.")
        elif inside:
            self.obey(given)
        else:
            self.early.append(given)

    def obey(self, given: OldCommand) -> None:
        """Do what an old client says."""
        match given.type:
            case "ping":
                self.old.say_old(_PONG)
            case "subscribe":
                self.subscribe(given.events)
            case "get_stats":
                self.old.say_old(old_frame("stats", self.stats()))
            case _:
                why = f"The old system knows no {given.type[:40]!r}; the commands of /ws/ are in {GUIDE}"
                self.complain(None, ErrorCode.UNKNOWN_COMMAND, why)

    def subscribe(self, names: list[str]) -> None:
        """Get only these of the events that this kind of connection carries."""
        wanted = tuple(EventType(name) for name in names if name in KINDS[self.kind])
        member = self.member
        self.node.router.leave(member)
        member.wants = Wants(patterns=sources(wanted))
        self.node.reader.settle(member)
        rejected = [name for name in names if name not in KINDS[self.kind]]
        self.old.say_old(old_frame("subscribed", {"events": list(wanted), "rejected": rejected}))

    def stats(self) -> dict[str, Any]:
        member = self.member
        figures = {
            "connection_type": self.kind,
            "connected_at": member.since.isoformat(),
            "events": [name for name in member.wants.patterns if name in KINDS[self.kind]],
            "messages_sent": member.frames,
        }
        return figures | ({"node": self.node.figures()} if member.audience.is_admin else {})

    def confirm(self, number: int) -> None:
        """Answer a ping in the client's place, when what was sent before has left this process."""
        if self.closed or not self.admitted:
            return
        if self.transport.buffered() < CONFIRM_BELOW:
            self.member.confirm(number)
        else:
            asyncio.get_running_loop().call_later(0.5, self.confirm, number)


_PONG = Frame(b'{"type":"pong"}')
LEGACY_PATHS = {f"/ws/{kind}": LegacyConsumer.as_asgi(kind=kind) for kind in KINDS}


def _read(text: str | None) -> OldCommand:
    try:
        parse(text)
        return _decode(text or "")
    except msgspec.DecodeError as problem:
        raise InvalidMessage(ErrorCode.INVALID_MESSAGE, f"Not a message: {str(problem)[:200]}.") from None


def _headers() -> list[tuple[bytes, bytes]]:
    """`Deprecation` (RFC 9745), `Sunset` (RFC 8594) and the link to the guide."""
    sunset = datetime.combine(settings.LEGACY.sunset, time(), UTC)
    return [
        (b"Deprecation", f"@{int(ANNOUNCED.timestamp())}".encode()),
        (b"Sunset", format_datetime(sunset, usegmt=True).encode()),
        (b"Link", f'<{GUIDE}>; rel="deprecation"; type="text/html"'.encode()),
    ]


def _notice(kind: str) -> dict[str, str]:
    return {
        "message": f"/ws/{kind}/ is deprecated and ends on {settings.LEGACY.sunset}. Use the one connection at /ws/.",
        "replacement": "/ws/",
        "sunset": settings.LEGACY.sunset.isoformat(),
        "guide": GUIDE,
    }
