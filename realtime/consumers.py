"""The single consumer: one WebSocket, from its handshake to its end.

It reads the client's frames and answers them; what is sent to it comes from its route or its reader. Channels'
`dispatch` is overridden: stock would hop through a thread for every message, two thirds of a delivery's cost.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec
from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from realtime import audience as audiences
from realtime import authentication, log
from realtime.audience import Account, Audience, NotAllowed, permitted_types
from realtime.authentication import AuthenticationFailed, Claim, Credentials, TokenExpired
from realtime.buckets import TokenBucket
from realtime.commands import answer
from realtime.connections import WINDOW, WebSocketConnection
from realtime.database import in_database
from realtime.frontdesk import Full
from realtime.lifespan import node_of
from realtime.metrics import metrics
from realtime.protocol import (
    SUBPROTOCOL,
    VERSION,
    CloseCode,
    Command,
    ErrorCode,
    Frame,
    InvalidMessage,
    error,
    frame,
    parse,
    response,
    timestamp,
)
from realtime.reader import count_visible
from realtime.subscriptions import Wants, subscriptions
from realtime.transports import say, transport_for

logger = logging.getLogger(__name__)

AUTHENTICATE_WITHIN_S = 10.0
MOST_BAD_FRAMES = 20
BAD_FRAMES_WITHIN_S = 5.0
COMMANDS_PER_S = 20.0
COMMAND_BURST = 60.0
RETRY_WHEN_FULL_S = 5
CLOSE_WITHIN_S = 2.0
"""Seconds that a close may be held back by what the client does not read; then the connection is cut."""
MOST_UNREAD = 2 * WINDOW
"""Bytes of answers that may pile up for a client that asks without reading."""
CLIENT_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]{1,64}", re.ASCII)
"""What can stand in a subprotocol list (a token of RFC 9110, section 5.6.2)."""
ODD_NAME = "The name of a client may have 64 letters, digits and signs like . _ - of ASCII."


class UnifiedWebSocketConsumer(AsyncConsumer):
    """One connection of one client."""

    system = "unified"
    member: WebSocketConnection

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scope = scope
        self.base_send = send
        self.node = await node_of(scope)
        self.transport = transport_for(scope, send)
        self.credentials = Credentials.of(scope)
        self.user_agent = dict(scope["headers"]).get(b"user-agent", b"").decode("latin-1")
        scope["headers"] = ()  # read; of thousands of idle connections nobody asks for them again
        self.admitted = False
        self.deflate = False
        self.command_id: int | str | None = None
        self.bad_frames: list[float] = []
        self.bucket = TokenBucket(COMMANDS_PER_S, COMMAND_BURST)
        self.waiting: list[Command] = []
        self.worker: asyncio.Task[None] | None = None
        self.deadline: asyncio.TimerHandle | None = None
        self.closed = False
        self.address: str = (scope.get("client") or ("",))[0]
        self.placed = False
        self.erred = False
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        finally:
            # Also when the server cancels us without a disconnect message, or a handler failed.
            if self.deadline is not None:
                self.deadline.cancel()
            if self.worker is not None:
                self.worker.cancel()
            self.node.at_the_door.discard(self)
            if self.admitted:
                self.node.release(self.member)
            if self.placed:
                self.node.desk.give_place(self.address)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without Channels' thread hop: no handler here uses the database of this thread."""
        match message["type"]:
            case "websocket.receive":
                self.hear(message.get("text"))
            case "websocket.connect":
                await self.connect()
            case "websocket.disconnect":
                raise StopConsumer

    # -- coming in

    async def connect(self) -> None:
        """Accept first, so that a refusal can say why, then find out who it is."""
        offered = self.scope.get("subprotocols", ())
        await self.base_send(
            {"type": "websocket.accept", "subprotocol": SUBPROTOCOL if SUBPROTOCOL in offered else None}
        )
        query = parse_qs(self.scope.get("query_string", b"").decode("latin-1"))
        self.since = query["since"][0] if "since" in query else None
        self.named = next((p.removeprefix("client.") for p in offered if p.startswith("client.")), None) or None
        self.deflate = "feature.deflate" in offered
        try:
            self.node.desk.take_place(self.address)
            self.placed = True
        except Full as problem:
            self.say(error(None, ErrorCode.RATE_LIMITED, str(problem), {"retry_after_s": RETRY_WHEN_FULL_S}))
            await self.end(CloseCode.TOO_MANY, str(problem), RETRY_WHEN_FULL_S * 1000)
            return
        if "token" in query:
            await self.refuse("A token does not belong in the address: it ends up in logs. Send it as a subprotocol.")
        elif self.named and not CLIENT_NAME.fullmatch(self.named):
            self.turn_down(None, ErrorCode.INVALID_MESSAGE, ODD_NAME)
            await self.end(CloseCode.PROTOCOL_ERRORS, ODD_NAME)
        elif self.node.draining:
            await self.end(CloseCode.GOING_AWAY, "restart", random.randint(200, 5000))
        elif self.credentials.token is not None:
            await self.sign_in(self.credentials.token)
        elif self.credentials.session_key is not None:
            await self.sign_in()
        else:
            self.node.at_the_door.add(self)
            late = f"No sign-in within {AUTHENTICATE_WITHIN_S:g} s."
            self.deadline = asyncio.get_running_loop().call_later(
                AUTHENTICATE_WITHIN_S, lambda: self.node.in_background(self.refuse(late))
            )

    async def sign_in(self, token: str | None = None) -> None:
        """Find out who it is, by `token` or the session, and enter the connection, or refuse it."""
        desk = self.node.desk
        try:
            if token is not None:
                claim = await authentication.of_token(self.credentials, token)
            else:
                claim = await in_database(authentication.by_session, self.credentials)
            account, audience = await desk.identify(claim.user_id)
            changes = desk.changes
            if not claim.holds_for(account) or desk.has_ended(claim):
                raise AuthenticationFailed("The session has ended: sign in again.")
            if self.deadline is not None:
                self.deadline.cancel()
            if not self.belongs_here(claim.user_id):
                await self.node.mover.look()  # the refusal is final for the client: by what is decided now
            if not self.belongs_here(claim.user_id):
                await self.refuse("this user is on the old system: use the legacy endpoints", CloseCode.OTHER_SYSTEM)
            elif not self.closed:
                await self.enter(claim, account, audience, changes)
        except AuthenticationFailed as problem:
            await self.fail(problem)
        except NotAllowed as problem:
            if await in_database(audiences.exists, problem.user_id):
                await self.refuse("This account may not sign in.", CloseCode.NOT_ALLOWED)
            else:
                await self.refuse("There is no such account any more.")
        except Exception:
            logger.exception("a client could not be let in")
            await self.end(CloseCode.GOING_AWAY, "the server failed; come back", random.randint(1000, 5000))

    async def enter(self, claim: Claim, account: Account, audience: Audience, changes: int) -> None:
        """Welcome the client, and put it where it belongs. `changes`: the desk's count when its rights were read."""
        self.member = member = WebSocketConnection(
            user_id=account.id,
            username=account.username,
            audience=audience,
            client=self.client_name(claim),
            wants=self.first_wants(audience),
            transport=self.transport,
            close=self.close_socket,
            address=self.address,
            user_agent=self.user_agent,
            claim=claim,
        )
        # Thousands may be held: what was shown at the door is not kept.
        self.credentials = msgspec.structs.replace(self.credentials, token=None, session_key=None)
        member.deflate = self.deflate
        self.admitted = True
        self.node.at_the_door.discard(self)
        await self.node.admit(member)
        if self.node.desk.has_ended(claim):
            await self.end(CloseCode.NOT_SIGNED_IN, "signed out")
            return
        if self.node.draining:  # it was not there yet when everybody was sent away
            await self.end(CloseCode.GOING_AWAY, "restart", random.randint(200, 5000))
            return
        # From here on the feed tells of changed rights; those that changed while it was coming in are read again.
        member.stale += changes != self.node.desk.changes
        resumed = None
        member.upto = self.node.feed.position
        if self.since is not None:
            resumed, member.upto = await self._replay_from(self.since)
            metrics.resumes.labels(resumed.get("reason", "recovered")).inc()
        member.deliver(self.welcome(resumed))
        member.next_ping = time.monotonic() + self.node.conf.heartbeat_s * random.uniform(0.5, 1.0)
        member.entering = False
        self.node.reader.rewind(member)
        if not self.belongs_here(member.user_id):  # the roll-out was taken back meanwhile
            self.node.in_background(self.node.mover.look())

    def belongs_here(self, user_id: int) -> bool:
        """Whether the roll-out has this user on the unified system."""
        return self.node.mover.admits(user_id, self.named)

    def first_wants(self, audience: Audience) -> Wants:
        """What the connection gets if its client never said what it wants."""
        return subscriptions.defaults(audience)

    def client_name(self, claim: Claim) -> str:
        return self.named or ("web" if claim.method == "session" else "api")

    async def _replay_from(self, since: str | log.Position) -> tuple[dict[str, Any], int]:
        """What is told of a wish to resume from `since`, and the position to go on from."""
        feed = self.node.feed
        try:
            position = log.Position.parse(since) if isinstance(since, str) else since
            if position.epoch != feed.epoch or position.position < 0 or not await feed.reach(position.position):
                return {"recovered": False, "reason": "epoch_changed"}, feed.position
            replayed = await count_visible(feed, self.member, position.position, feed.position)
        except ValueError:
            return {"recovered": False, "reason": "epoch_changed"}, feed.position
        except log.TooOld:
            return {"recovered": False, "reason": "too_old"}, feed.position
        return {"recovered": True, "replayed": replayed}, position.position

    def welcome(self, resumed: dict[str, Any] | None) -> Frame:
        """The first frame. `resume`: where to come back to if the connection ended now, before anything is replayed."""
        member = self.member
        return frame(
            "welcome",
            protocol=VERSION,
            connection_id=member.id,
            node=self.node.name,
            user={"id": member.user_id, "username": member.username, "is_admin": member.audience.is_admin},
            subscriptions=subscriptions.listed(member.wants, member.audience),
            available=permitted_types(member.audience),
            resume={"epoch": self.node.feed.epoch, "position": member.upto},
            resumed=resumed,
            heartbeat_s=self.node.conf.heartbeat_s,
            token_expires_at=self._expiry(),
        )

    # -- hearing

    def hear(self, text: str | None) -> None:
        """Take a frame of the client. Confirmations count at once; commands queue, so that none holds those up."""
        if self.closed:
            return
        if self.transport.buffered() > MOST_UNREAD:
            self.node.in_background(self.end(CloseCode.TOO_SLOW, "too slow: read before you ask", 1000))
            return
        try:
            given = parse(text)
        except InvalidMessage as problem:
            self.complain(problem.id, problem.code, str(problem))
            return
        if self.admitted:
            self.member.last_heard = time.monotonic()
        match given.type:
            case "pong" if self.admitted:
                number = given.data.get("n")
                if isinstance(number, int):
                    self.member.confirm(number)
                    metrics.confirmed(self.member, number)
            case "ping":
                self.say(frame("pong", id=given.id))
            case _ if not self.admitted and given.type != "authenticate":
                self.complain(given.id, ErrorCode.NOT_AUTHENTICATED, "Authenticate first.")
            case _ if wait_s := self._wait_s():
                details = {"retry_after_s": max(0.01, round(wait_s, 2))}
                self.turn_down(given.id, ErrorCode.RATE_LIMITED, "Too many commands.", details)
            case _:
                self.waiting.append(given)
                if self.worker is None:
                    self.worker = asyncio.ensure_future(self._work())

    def _wait_s(self) -> float:
        """Seconds until the next command is taken, of this connection and of its user; 0: this one is."""
        buckets = [self.bucket]
        if self.admitted:
            buckets.append(self.node.desk.commands_of(self.member.user_id))
        wait_s = max(bucket.wait_s() for bucket in buckets)
        if not wait_s:
            for bucket in buckets:
                bucket.take()
        return wait_s

    async def _work(self) -> None:
        """Do the queued commands, one after the other."""
        try:
            while self.waiting and not self.closed:
                given = self.waiting.pop(0)
                if not self.admitted:
                    await self._first_authenticate(given)
                elif (reply := await answer(self, given)) is not None:
                    self.member.deliver(reply)
        finally:
            self.worker = None

    async def _first_authenticate(self, given: Command) -> None:
        token, client, resume = (given.data.get(name) for name in ("token", "client", "resume"))
        if not isinstance(token, str):
            self.complain(given.id, ErrorCode.INVALID_MESSAGE, "`data.token` is missing.")
            return
        if client is not None and not (isinstance(client, str) and CLIENT_NAME.fullmatch(client)):
            self.complain(given.id, ErrorCode.INVALID_MESSAGE, ODD_NAME)
            return
        self.named = client or self.named
        features = given.data.get("features")
        self.deflate |= isinstance(features, list) and "deflate" in features
        if isinstance(resume, dict):
            resume = f"{resume.get('epoch')}:{resume.get('position')}"
        if isinstance(resume, str):
            self.since = resume
        self.command_id = given.id
        await self.sign_in(token)
        if self.admitted:
            self.member.deliver(response(given.id, {"token_expires_at": self._expiry()}))

    def _expiry(self) -> str | None:
        expires = self.member.claim.expires_at if self.member.claim is not None else None
        return timestamp(datetime.fromtimestamp(expires, UTC)) if expires is not None else None

    async def reauthenticate(self, token: str) -> dict[str, Any]:
        """Go on with a newer token of the same user. Raises `AuthenticationFailed`."""
        claim = await authentication.of_token(self.credentials, token)
        if claim.user_id != self.member.user_id:
            raise AuthenticationFailed("The token is of another user.")
        if not claim.holds_for((await self.node.desk.identify(claim.user_id))[0]):
            raise AuthenticationFailed("The token was made with an old password.")
        if self.node.desk.has_ended(claim):
            raise AuthenticationFailed("The session of the token has ended.")
        if self.member.claim is None or self.member.claim.method == "token":
            self.member.claim = claim
            self.member.token_noticed = False
            self.member.next_look = 0.0
        return {"token_expires_at": self._expiry()}

    async def resume(self, since: log.Position) -> None:
        """Send again from `since`; the answer follows the events."""
        command_id, member = self.command_id, self.member
        outcome, position = await self._replay_from(since)
        metrics.resumes.labels(outcome.get("reason", "recovered")).inc()
        member.on_level.append(lambda: member.deliver(response(command_id, outcome)))
        self.node.reader.rewind(member, position if outcome["recovered"] else None)

    def say(self, frame: Frame) -> None:
        """Send a frame, whether the client was admitted or not."""
        say(self.transport, frame)

    def turn_down(
        self, command_id: int | str | None, code: ErrorCode, message: str, details: dict[str, Any] | None = None
    ) -> None:
        """Answer a frame that is not acted on."""
        self.say(error(command_id, code, message, details))
        self.node.complaints.note(code, self.address)
        self.note_error(code)

    def note_error(self, code: ErrorCode) -> None:
        """Count an error that this client met."""
        metrics.turned_down(code, self.system, first=not self.erred)
        self.erred = True

    def complain(self, command_id: int | str | None, code: ErrorCode, message: str) -> None:
        """Answer a bad frame. One never ends the connection; many within seconds do."""
        self.turn_down(command_id, code, message)
        now = time.monotonic()
        self.bad_frames = [at for at in self.bad_frames if now - at < BAD_FRAMES_WITHIN_S] + [now]
        if len(self.bad_frames) >= MOST_BAD_FRAMES:
            self.node.in_background(self.end(CloseCode.PROTOCOL_ERRORS, "too many protocol errors"))

    # -- going

    async def fail(self, problem: AuthenticationFailed) -> None:
        """Turn a client away that tried to show who it is, and count that; who tries too often is to wait."""
        try:
            wait_s = await in_database(authentication.note_failure, self.address, str(problem))
        except Exception:  # whatever the database says, a bad token stays one
            logger.exception("a failed attempt could not be counted")
            wait_s = 0.0
        if wait_s:
            why = "Too many failed attempts from this address."
            if not self.closed:
                details = {"retry_after_s": round(wait_s, 1)}
                self.say(error(self.command_id, ErrorCode.RATE_LIMITED, why, details))
            await self.end(CloseCode.TOO_MANY, why, int(wait_s * 1000))
        elif isinstance(problem, TokenExpired):
            await self.refuse(str(problem), CloseCode.TOKEN_EXPIRED)
        else:
            await self.refuse(str(problem))

    async def refuse(self, why: str, code: CloseCode = CloseCode.NOT_SIGNED_IN) -> None:
        """Turn a client away: it could not show who it is, or is not for this socket."""
        if not self.closed:
            known = code in (CloseCode.NOT_ALLOWED, CloseCode.OTHER_SYSTEM)
            told = ErrorCode.PERMISSION_DENIED if known else ErrorCode.NOT_AUTHENTICATED
            self.say(error(self.command_id, told, why))
        await self.end(code, why)

    async def end(self, code: CloseCode, reason: str, retry_in_ms: int | None = None) -> None:
        """Say goodbye and close, whether the client was admitted or not."""
        if self.admitted:
            await self.member.close(code, reason, retry_in_ms)
        elif not self.closed:
            more = {} if retry_in_ms is None else {"retry_in_ms": retry_in_ms}
            self.say(frame("bye", code=int(code), reason=reason, **more))
            metrics.refused.labels(str(int(code))).inc()
            await self.close_socket(code, reason, retry_in_ms)

    async def close_socket(self, code: CloseCode, reason: str, retry_in_ms: int | None = None) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self.base_send({"type": "websocket.close", "code": int(code), "reason": reason[:100]})
        except TimeoutError:
            self.transport.abort()
        except Exception:  # noqa: BLE001  # the client is gone already
            logger.debug("connection was gone before its close")
