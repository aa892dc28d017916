"""The ways out of the process: whatever the server's `send` does, frames leave in order, and nobody waits for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime.protocol import frame, message
from realtime.transports import EXTENSION, AsgiTransport, RawTransport, say, transport_for


class Server:
    """An ASGI server: its `send` waits while `open` is not set, and fails once `gone`."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.gone = False
        self.received: list[str] = []

    async def send(self, message: dict[str, Any]) -> None:
        while not self.open.is_set():  # as uvicorn does: more than one wait may be needed
            await self.open.wait()
        if self.gone:
            raise OSError("the client is gone")
        self.received.append(message["text"])


def numbered(*numbers: int) -> list[str]:
    return [str(message(frame("n", number=number).wire)["text"]) for number in numbers]


async def test_a_send_that_does_not_wait_is_done_at_once_without_a_task() -> None:
    server = Server()
    transport = AsgiTransport(server.send)
    tasks = len(asyncio.all_tasks())
    for number in range(3):
        say(transport, frame("n", number=number))
    assert server.received == numbered(0, 1, 2)
    assert len(asyncio.all_tasks()) == tasks
    assert transport.buffered() == 0


async def test_frames_behind_one_that_waits_are_held_and_leave_in_order() -> None:
    server = Server()
    transport = AsgiTransport(server.send)
    say(transport, frame("n", number=0))
    server.open.clear()
    for number in range(1, 6):
        say(transport, frame("n", number=number))
    assert server.received == numbered(0)
    assert transport.buffered() == sum(len(frame("n", number=number).wire) for number in (2, 3, 4, 5))
    server.open.set()
    await asyncio.sleep(0.01)
    assert server.received == numbered(0, 1, 2, 3, 4, 5)
    assert transport.buffered() == 0
    say(transport, frame("n", number=6))
    assert server.received[-1:] == numbered(6), "and then at once again"


async def test_a_server_that_waits_in_between_again_keeps_the_order() -> None:
    server = Server()
    transport = AsgiTransport(server.send)
    server.open.clear()
    for number in range(4):
        say(transport, frame("n", number=number))
    for _ in range(6):
        server.open.set()
        await asyncio.sleep(0)
        server.open.clear()
        await asyncio.sleep(0)
    server.open.set()
    await asyncio.sleep(0.01)
    assert server.received == numbered(0, 1, 2, 3)


@pytest.mark.parametrize("waits_first", [False, True])
async def test_a_client_that_is_gone_raises_nothing(waits_first: bool) -> None:
    server = Server()
    transport = AsgiTransport(server.send)
    if waits_first:
        server.open.clear()
    server.gone = True
    for number in range(3):
        say(transport, frame("n", number=number))
    server.open.set()
    await asyncio.sleep(0.01)
    assert server.received == []
    assert transport.buffered() == 0


async def test_a_wait_that_is_cancelled_ends_the_send_and_nothing_else() -> None:
    server = Server()
    transport = AsgiTransport(server.send)
    server.open.clear()
    say(transport, frame("n", number=0))
    assert transport._task is not None
    await asyncio.sleep(0)
    transport._task.cancel()
    await asyncio.sleep(0)
    server.open.set()
    await asyncio.sleep(0)
    say(transport, frame("n", number=1))
    assert server.received == numbered(1)


def test_the_servers_own_buffer_is_used_where_it_is_offered() -> None:
    written: list[bytes] = []
    closing = False
    extension = {"write": written.append, "closing": lambda: closing, "buffered": lambda: 17, "abort": lambda: None}
    transport = transport_for({"extensions": {EXTENSION: extension}}, None)  # type: ignore[arg-type]
    assert isinstance(transport, RawTransport)
    one = frame("n", number=1)
    say(transport, one)
    assert written == [one.wire]
    assert transport.buffered() == 17
    closing = True
    say(transport, one)
    assert written == [one.wire], "nothing is written to a socket that is closing"


def test_every_other_server_gets_messages() -> None:
    async def send(message: Any) -> None: ...

    assert isinstance(transport_for({"extensions": {}}, send), AsgiTransport)
    assert isinstance(transport_for({}, send), AsgiTransport)
