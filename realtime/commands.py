"""The commands of the protocol: one handler each, registered by name with the shape of its data.

Handlers raise what is wrong; one table turns it into the code of the answer. A handler that returns `None` answers
later (`resume`) or not at all.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from django.contrib.auth import get_user_model
from msgspec import Meta

from realtime import alerts, doorbell, errors, log, presence, tracing, trial
from realtime.actors import acting_over_socket
from realtime.audience import permitted_types
from realtime.authentication import AuthenticationFailed, note_failure
from realtime.database import in_database
from realtime.events import EventType, SourceUser
from realtime.models import LogEvent
from realtime.protocol import Command, ErrorCode, Frame, error, response, timestamp
from realtime.subscriptions import Subscribe, TooManySubscriptions, Wants, subscriptions

if TYPE_CHECKING:
    from realtime.consumers import UnifiedWebSocketConsumer

logger = logging.getLogger(__name__)

Handler = Callable[["UnifiedWebSocketConsumer", Any], Awaitable[Any]]
AppHandler = Callable[["Caller", Any], dict[str, Any]]


class CommandSpec(msgspec.Struct, frozen=True):
    """A command: its name, the shape of its data, who may give it, and what does it."""

    name: str
    data: type[msgspec.Struct]
    handler: Handler
    administrators_only: bool


class NotPermitted(Exception):
    """The user may not give this command."""


class Unanswerable(Exception):
    """The command cannot be done as asked; the message says why."""


class Overtaken(Exception):
    """What the command is about has become something else meanwhile; the message says what."""


COMMANDS: dict[str, CommandSpec] = {}

ERRORS: tuple[tuple[type[Exception], ErrorCode], ...] = (
    (msgspec.ValidationError, ErrorCode.INVALID_MESSAGE),
    (TooManySubscriptions, ErrorCode.TOO_MANY_SUBSCRIPTIONS),
    (AuthenticationFailed, ErrorCode.NOT_AUTHENTICATED),
    (NotPermitted, ErrorCode.PERMISSION_DENIED),
    (Unanswerable, ErrorCode.INVALID_MESSAGE),
    (Overtaken, ErrorCode.CONFLICT),
)
"""What a handler may raise, and the code that answers it. Anything else is `internal`, logged with its traceback."""


def command(
    name: str, data: type[msgspec.Struct], *, administrators_only: bool = False
) -> Callable[[Handler], Handler]:
    """Register a handler."""

    def register(handler: Handler) -> Handler:
        COMMANDS[name] = CommandSpec(name, data, handler, administrators_only)
        return handler

    return register


class Caller(msgspec.Struct, frozen=True):
    """Who gives a command of another app."""

    connection_id: str
    user: SourceUser


def app_command(name: str, data: type[msgspec.Struct]) -> Callable[[AppHandler], AppHandler]:
    """Register a command of another app, in its `commands.py`: a plain function, run in the database pool on behalf of
    the user, that answers with a dict or raises `NotPermitted`, `Overtaken` or
    `Unanswerable`."""

    def register(handler: AppHandler) -> AppHandler:
        @functools.wraps(handler)
        async def run(consumer: UnifiedWebSocketConsumer, given: Any) -> Any:
            member = consumer.member
            caller = Caller(member.id, SourceUser(id=member.user_id, username=member.username))
            with acting_over_socket(caller.user, member.address):
                return await in_database(handler, caller, given)

        command(name, data)(run)
        return handler

    return register


async def answer(consumer: UnifiedWebSocketConsumer, given: Command) -> Frame | None:
    """Do a command and return the one frame that answers it, if any."""
    spec = COMMANDS.get(given.type)
    if spec is None:
        return error(given.id, ErrorCode.UNKNOWN_COMMAND, f"There is no command {given.type[:40]!r}.")
    try:
        if spec.administrators_only and not consumer.member.audience.is_admin:
            raise NotPermitted(f"{spec.name} is for administrators.")
        consumer.command_id = given.id
        result = await spec.handler(consumer, msgspec.convert(given.data, spec.data))
    except Exception as problem:
        for kind, code in ERRORS:
            if isinstance(problem, kind):
                return error(given.id, code, str(problem))
        logger.exception("command %s failed", spec.name)
        await in_database(errors.tell, f"command {spec.name}", problem)
        consumer.note_error(ErrorCode.INTERNAL)
        return error(given.id, ErrorCode.INTERNAL, "The server failed to do this; it is logged.")
    return response(given.id, result) if result is not None else None


# -- data of the commands ---------------------------------------------------------------------------------------------


class Nothing(msgspec.Struct, frozen=True):
    """No data."""


class Resume(msgspec.Struct, frozen=True):
    """A position to send again from."""

    epoch: str
    position: int


class Authenticate(msgspec.Struct, frozen=True):
    """A JWT; with the first one also the client's name, where to resume (a position, or `<epoch>:<position>`), and whether
    frames may come compressed (`deflate`)."""

    token: str
    client: str | None = None
    resume: str | Resume | None = None
    features: list[str] = []


class Unsubscribe(msgspec.Struct, frozen=True):
    """Event types or patterns to leave out."""

    event_types: list[str]


class EventId(msgspec.Struct, frozen=True):
    """The id of an event, as its envelope gives it."""

    event_id: str


class ConnectionId(msgspec.Struct, frozen=True):
    """The id of a connection, as `list_connections` gives it."""

    connection_id: str


class Acknowledge(msgspec.Struct, frozen=True):
    """The id of an event about an alert."""

    event_id: str


class BroadcastTest(msgspec.Struct, frozen=True):
    """What the test event says."""

    message: Annotated[str, Meta(max_length=200)] = "A test of the event system."


# -- handlers ---------------------------------------------------------------------------------------------------------------


@command("authenticate", Authenticate)
async def authenticate(consumer: UnifiedWebSocketConsumer, data: Authenticate) -> Any:
    """Show a newer token of the same user."""
    try:
        return await consumer.reauthenticate(data.token)
    except AuthenticationFailed as problem:
        await in_database(note_failure, consumer.address, str(problem))
        raise


@command("subscribe", Subscribe)
async def subscribe(consumer: UnifiedWebSocketConsumer, data: Subscribe) -> Any:
    """Add event types or patterns; set the zones and the flow filter when they are given."""
    member = consumer.member
    wants, rejected = subscriptions.add(member.wants, data, member.audience)
    await _resubscribe(consumer, wants)
    return {"subscriptions": subscriptions.listed(wants, member.audience), "rejected": rejected}


@command("unsubscribe", Unsubscribe)
async def unsubscribe(consumer: UnifiedWebSocketConsumer, data: Unsubscribe) -> Any:
    """Leave out event types or patterns."""
    member = consumer.member
    wants = subscriptions.remove(member.wants, data.event_types, member.audience)
    await _resubscribe(consumer, wants)
    return {"subscriptions": subscriptions.listed(wants, member.audience)}


async def _resubscribe(consumer: UnifiedWebSocketConsumer, wants: Wants) -> None:
    member = consumer.member
    if wants == member.wants:
        return
    consumer.node.router.leave(member)
    member.wants = wants
    consumer.node.desk.wants_changed(member)
    listed = subscriptions.listed(wants, member.audience)
    consumer.node.news.note(EventType.SUBSCRIPTION_UPDATED, member, subscriptions=listed)
    consumer.node.reader.settle(member)


@command("get_subscriptions", Nothing)
async def get_subscriptions(consumer: UnifiedWebSocketConsumer, data: Nothing) -> Any:
    """What this connection gets, would get by default, and could get."""
    member = consumer.member
    return {
        "subscriptions": subscriptions.listed(member.wants, member.audience),
        "defaults": subscriptions.listed(subscriptions.defaults(member.audience), member.audience),
        "available": permitted_types(member.audience),
    }


@command("resume", Resume)
async def resume(consumer: UnifiedWebSocketConsumer, data: Resume) -> Any:
    """Rewind, and send again from there; answered after the events."""
    await consumer.resume(log.Position(data.epoch, data.position))
    return None


@command("get_stats", Nothing)
async def get_stats(consumer: UnifiedWebSocketConsumer, data: Nothing) -> Any:
    """Figures of this connection; those of its node and of all nodes together as well for administrators."""
    member, node = consumer.member, consumer.node
    figures: dict[str, Any] = {
        "connection": {
            "id": member.id,
            "since": timestamp(member.since),
            "client": member.client,
            "health": member.health,
            "subscriptions": len(subscriptions.types(member.wants, member.audience)),
            "frames": member.frames,
            "bytes": member.sent,
            "unconfirmed_bytes": member.unconfirmed,
            "dropped": member.dropped,
            "upto": member.upto,
        }
    }
    if member.audience.is_admin:
        figures["node"] = node.figures()
        figures["cluster"] = await in_database(presence.cluster)
    return figures


@command("trace", EventId, administrators_only=True)
async def trace(consumer: UnifiedWebSocketConsumer, data: EventId) -> Any:
    """The way of an event of the last hour: who got it when, and who did not and why."""
    try:
        return await in_database(tracing.trace, data.event_id)
    except tracing.Unknown as problem:
        raise Unanswerable(str(problem)) from None


@command("list_connections", Nothing, administrators_only=True)
async def list_connections(consumer: UnifiedWebSocketConsumer, data: Nothing) -> Any:
    """Everyone who is connected, on every node."""
    return {"connections": await in_database(presence.everyone)}


@command("disconnect", ConnectionId, administrators_only=True)
async def disconnect(consumer: UnifiedWebSocketConsumer, data: ConnectionId) -> Any:
    """Close somebody's connection, on whichever node it is."""
    if not await in_database(presence.exists, data.connection_id):
        raise Unanswerable(f"There is no connection {data.connection_id[:40]!r}.")
    doorbell.control("disconnect", connection=data.connection_id)
    return {"connection_id": data.connection_id}


@app_command("acknowledge", Acknowledge)
def acknowledge(caller: Caller, data: Acknowledge) -> dict[str, Any]:
    """Say that one looks after an alert; who was first is answered, whoever asks."""
    try:
        alert = alerts.of_event(data.event_id, caller.user.id)
    except LogEvent.DoesNotExist:
        raise NotPermitted("There is no event of this id that you may see.") from None
    if not get_user_model().objects.get(pk=caller.user.id).has_perm(alerts.ACKNOWLEDGE):
        raise NotPermitted("You may see alerts, but not acknowledge them.")
    if alert is None:
        raise Unanswerable("This event is about no alert, or about one that is gone: there is nothing to acknowledge.")
    try:
        alert = alerts.acknowledge(alert)
    except alerts.AlertIsResolved as error:
        raise Overtaken(str(error)) from None
    assert alert.acknowledged_at is not None
    return {"acknowledged_by": alert.acknowledged_by, "acknowledged_at": alert.acknowledged_at.isoformat()}


@command("broadcast_test", BroadcastTest, administrators_only=True)
async def broadcast_test(consumer: UnifiedWebSocketConsumer, data: BroadcastTest) -> Any:
    """Send an event through the whole system, log and doorbell included, to everyone who is subscribed to it."""
    member = consumer.member
    user = SourceUser(id=member.user_id, username=member.username)
    with acting_over_socket(user, member.address):
        return await in_database(trial.send, data.message)
