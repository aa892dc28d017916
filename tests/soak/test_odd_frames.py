"""Whatever clients send, the server answers or says goodbye; it never stumbles, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from realtime.commands import COMMANDS
from tests.parts.site import Person, Site

RENEW_S = 600.0
TOGETHER = 15
"""Frames on one connection: fewer than the twenty bad ones that end it."""
MANY = [Person(f"odd{n}", ("DNS operators",)) for n in range(8)]

NUMBERS = st.one_of(
    st.integers(),
    st.integers(min_value=10**30, max_value=10**40),
    st.floats(),  # NaN and the infinities, which are no JSON, are among them
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=40) | st.sampled_from(["zone_*", "*", "record_updated"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "token",
        "event_types",
        "zones",
        "filter",
        "epoch",
        "position",
        "n",
        "zone",
        "record",
        "state",
        "event_id",
        "message",
    ]
)
NAMES = st.sampled_from([*COMMANDS, "ping", "pong", "event", "welcome", ""])
COMMANDS_AS_ASKED = st.fixed_dictionaries(
    {"type": NAMES | st.text(max_size=20) | VALUES},
    optional={"id": VALUES, "data": st.dictionaries(FIELDS | st.text(max_size=8), VALUES, max_size=4) | VALUES},
).map(json.dumps)


def cut(text: str, at: int) -> str:
    return text[: at % (len(text) + 1)]


ODD_TEXTS = st.one_of(
    COMMANDS_AS_ASKED,
    st.builds(cut, COMMANDS_AS_ASKED, st.integers(0, 10_000)),
    st.text(max_size=200),
    VALUES.map(json.dumps),
    st.integers(1, 30_000).map(lambda depth: "[" * depth),
    st.integers(1, 10_000).map(lambda depth: '{"type":"ping","data":' + '{"a":' * depth + "1" + "}" * depth + "}"),
    st.integers(1, 6000).map(lambda digits: '{"type":"ping","id":' + "9" * digits + "}"),
    st.sampled_from(
        [
            '{"type":"ping","id":NaN}',
            '{"type":"ping","id":-Infinity}',
            '{"type":"ping","id":1e999}',
            '{"type":"ping","id":"\\ud800"}',
            '{"type":"subscribe","data":{"event_types":["\\udfff"]}}',
            '{"type":"get_stats","type":"ping","id":1,"id":2}',
            '{"type":"subscribe","data":{"event_types":["zone_*"],"zones":["\\u0000"]}}',
            '{"type":"resume","data":{"epoch":"x","position":-9223372036854775809}}',
            "\ufeff{}",
            " " * 65_536,
            '{"type":"ping","id":"' + "x" * 70_000 + '"}',
            "",
        ]
    ),
)
NO_UTF8 = st.binary(min_size=1, max_size=60).filter(lambda raw: not raw.isascii())
ODD_FRAMES = st.one_of(
    ODD_TEXTS.map(lambda text: Frame(Opcode.TEXT, text.encode("utf-8", "replace"))),
    st.binary(max_size=300).map(lambda raw: Frame(Opcode.BINARY, raw)),
    NO_UTF8.map(lambda raw: Frame(Opcode.TEXT, raw)),
    st.binary(max_size=125).map(lambda raw: Frame(Opcode.PING, raw)),
    st.binary(max_size=125).map(lambda raw: Frame(Opcode.PONG, raw)),
)
GOODBYES = {
    1002,  # the server's own: against RFC 6455
    1007,  # the server's own: text that is no UTF-8
    1009,  # the server's own: larger than the transport takes
    4500,  # twenty bad frames
    4002,  # asked for more than it read
}


class Room:
    """A site with people who send odd frames, each from a connection of their own."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.loop = asyncio.new_event_loop()
        self.tokens: list[str] = []
        self.renew_at = 0.0
        self.turn = count()
        self.frames = 0
        self.codes: dict[int | None, int] = {}

    def send(self, frames: list[Frame]) -> None:
        if time.monotonic() > self.renew_at:
            self.site.forget_tokens()
            self.tokens = [self.site.token(person.username) for person in MANY]
            self.renew_at = time.monotonic() + RENEW_S
        self.loop.run_until_complete(self._send(frames))

    async def _send(self, frames: list[Frame]) -> None:
        token = self.tokens[next(self.turn) % len(self.tokens)]
        protocols: Any = ["dnsadmin.v1", f"bearer.{token}"]
        async with connect(
            self.site.socket_url(), subprotocols=protocols, compression=None, max_size=None, ping_interval=None
        ) as socket:
            with suppress(ConnectionClosed):
                for frame in frames:
                    self.frames += 1
                    await write(socket, frame)
                await asyncio.wait_for(until_answered(socket), 30)
            code = socket.close_code
            self.codes[code] = self.codes.get(code, 0) + 1
            # The server's own end may meet what is still on the way to it, and then the network tells of a reset.
            reset = code == 1006 and any(is_no_utf8(frame) for frame in frames)
            assert code is None or code in GOODBYES or reset, code


def is_no_utf8(frame: Frame) -> bool:
    try:
        return frame.opcode is Opcode.TEXT and not bytes(frame.data).decode()
    except UnicodeDecodeError:
        return True


async def write(socket: ClientConnection, frame: Frame) -> None:
    """Send a frame as it is, whatever the library thinks of it."""
    if socket.protocol.state.name != "OPEN":
        raise ConnectionClosed(None, None)
    socket.transport.write(frame.serialize(mask=True))
    await asyncio.sleep(0)


async def until_answered(socket: ClientConnection) -> None:
    """The connection is still good: a ping comes back."""
    await socket.send('{"type":"ping","id":"still-here"}')
    while True:
        answer = json.loads(await socket.recv())
        if answer["type"] == "pong" and answer.get("id") == "still-here":
            return


@pytest.fixture(scope="module")
def room(site: Site) -> Iterator[Room]:
    site.add_people(*MANY)
    made = Room(site)
    yield made
    made.loop.close()


def run(room: Room, examples: int) -> None:
    check: Callable[[], None] = settings(max_examples=examples, suppress_health_check=list(HealthCheck), database=None)(
        given(st.lists(ODD_FRAMES, min_size=TOGETHER, max_size=TOGETHER))(room.send)
    )
    check()
    log = room.site.log()
    assert "Traceback" not in log, log[log.index("Traceback") - 500 :][:4000]
    assert "ERROR" not in log
    assert log.count("bad frames") < examples, "one line for many"
    assert room.site.process.running


@pytest.mark.timeout(240)
def test_odd_frames_are_answered_and_break_nothing(room: Room) -> None:
    run(room, 50)
    assert room.frames >= 500
    assert None in room.codes, "some connections lived"


@pytest.mark.soak
def test_fifty_thousand_odd_frames_break_nothing(room: Room) -> None:
    run(room, 7000)
    assert room.frames >= 50_000, room.frames
