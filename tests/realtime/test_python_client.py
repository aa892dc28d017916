"""The Python client, against a real site and over a line that can be broken in between."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from realtime import client as python_client
from realtime.client import Client, CommandError, Missed, Refused
from tests.parts.site import Site
from tests.realtime.test_handshake import token_of

pytestmark = pytest.mark.timeout(120)
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def site_settings() -> dict[str, Any]:
    """A quick heart."""
    return {"REALTIME_HEARTBEAT_S": 1}


class Line:
    """What lies between client and server: it passes everything on, until it is silenced or cut."""

    def __init__(self, port: int) -> None:
        self.opened = 0
        self._port = port
        self._url = ""
        self._ends: list[asyncio.StreamWriter] = []
        self._passing = asyncio.Event()

    @property
    def url(self) -> str:
        return self._url

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Line]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self._url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/"
        self._passing.set()
        yield self
        server.close()
        self.cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends += [writer, back]
        passing = self._passing
        await asyncio.gather(self._pass(reader, back, passing), self._pass(there, writer, passing))

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, passing: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(65536):
                if passing.is_set():  # else it is lost, and nobody is told
                    target.write(piece)
            if passing.is_set():
                target.close()

    def silence(self) -> None:
        """The connections of now stay open, and bring nothing any more. New ones do."""
        self._passing.clear()
        self._passing = asyncio.Event()
        self._passing.set()

    def cut(self) -> None:
        """The connections of now end at once (RST)."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()


async def create(site: Site, zone: str) -> None:
    answer = await asyncio.to_thread(site.client("admin").post, "/api/zones/", {"name": zone, "kind": "primary"})
    assert answer.status == 201, answer.text


async def zones_until(client: Client, last: str) -> list[str]:
    """The zones whose creation is told, up to the one of that name."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in client.events():
            if event["event_type"] == "zone_created":
                found.append(event["data"]["zone"])
                if found[-1] == last:
                    return found
    raise AssertionError("the events ended")


async def test_a_token_is_renewed_on_the_open_connection(site: Site) -> None:
    lifetimes = [30, 3600]  # a minute before the end the server asks for another
    answered: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()

    class Watched(Client):
        async def command(self, name: str, **data: Any) -> dict[str, Any]:
            answer = await super().command(name, **data)
            answered.put_nowait((name, answer))
            return answer

    async def token() -> str:
        return token_of(site, "olivia", exp=int(time.time()) + lifetimes.pop(0))

    async with Line(site.port).laid() as line, Watched(line.url, token=token, name="renewing") as client:
        before = client.welcome["token_expires_at"]
        name, answer = await asyncio.wait_for(answered.get(), PATIENCE_S)
        assert name == "authenticate"
        assert answer["token_expires_at"] > before
        assert lifetimes == []
        assert line.opened == 1


async def test_a_fixed_token_whose_time_is_over_ends_the_client(site: Site) -> None:
    with pytest.raises(Refused) as refused:
        async with Client(site.socket_url(), token=token_of(site, "olivia", exp=int(time.time()) - 60)):
            pass
    assert refused.value.code == 4003


async def test_a_token_that_cannot_be_had_just_now_is_asked_for_again(site: Site) -> None:
    troubles = [OSError("the token endpoint restarts")]

    async def token() -> str:
        while troubles:
            raise troubles.pop()
        return site.token("olivia")

    async with asyncio.timeout(PATIENCE_S), Client(site.socket_url(), token=token, name="patient") as client:
        assert client.welcome["user"]["username"] == "olivia"


async def test_a_server_that_is_away_for_hours_is_still_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_client, "LONGEST_PAUSE_S", 0.0)
    attempts = 0
    many = asyncio.Event()

    async def no_token() -> str:
        nonlocal attempts
        attempts += 1
        if attempts > 1100:  # 2 to this power is no float any more
            many.set()
        raise OSError

    client = Client("ws://127.0.0.1:1/ws/", token=no_token)
    keeper = asyncio.create_task(client._keep_up())
    await asyncio.wait({keeper, asyncio.create_task(many.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert many.is_set() and not keeper.done()
    keeper.cancel()


async def test_a_line_that_goes_silent_is_left_and_nothing_is_missed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python_client, "PATIENCE_S", 1.0)
    async with (
        Line(site.port).laid() as line,
        Client(line.url, token=site.token("olivia"), name="silenced") as client,
    ):
        await create(site, "before.example")
        assert await zones_until(client, "before.example") == ["before.example"]
        line.silence()
        await create(site, "during.example")
        assert await zones_until(client, "during.example") == ["during.example"]
        assert line.opened == 2
        assert client.welcome["resumed"]["recovered"] is True


async def test_a_command_whose_connection_ends_is_told_so_and_the_next_is_done(site: Site) -> None:
    async with (
        Line(site.port).laid() as line,
        Client(line.url, token=site.token("olivia"), name="cut") as client,
    ):
        line.silence()  # the command does not arrive
        asked = asyncio.create_task(client.command("get_stats"))
        await asyncio.sleep(0.1)
        line.cut()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(asked, PATIENCE_S)
        assert (await client.command("get_stats"))["connection"]["client"] == "cut"


async def test_a_verdict_counts_even_where_the_close_is_lost_on_the_way() -> None:
    async def displace(socket: ServerConnection) -> None:
        await socket.send('{"type": "bye", "code": 4509, "reason": "displaced"}')
        socket.transport.abort()

    async with serve(displace, "127.0.0.1", 0, subprotocols=[Subprotocol("dnsadmin.v1")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(Refused) as refused:
            async with asyncio.timeout(PATIENCE_S), Client(f"ws://127.0.0.1:{port}/", token="any"):
                pass
    assert (refused.value.code, refused.value.reason) == (4509, "displaced")


async def test_who_is_displaced_stays_away_and_is_told_so_whatever_it_asks(site: Site) -> None:
    async with (
        Client(site.socket_url(), token=site.token("olivia"), name="twin") as older,
        Client(site.socket_url(), token=site.token("olivia"), name="twin") as newer,
    ):
        for _ in range(2):
            with pytest.raises(Refused) as refused:
                await asyncio.wait_for(zones_until(older, "never.example"), PATIENCE_S)
            assert refused.value.code == 4509
        with pytest.raises(Refused):
            await asyncio.wait_for(older.command("get_stats"), PATIENCE_S)
        assert (await newer.command("get_stats"))["connection"]["id"] == newer.welcome["connection_id"]


async def test_what_cannot_be_resumed_is_told_once_and_the_client_goes_on(site: Site) -> None:
    async with Client(site.socket_url(), token=site.token("olivia"), name="stranger", position="zzz:1") as client:
        with pytest.raises(Missed) as missed:
            await anext(client.events())
        assert missed.value.reason == "epoch_changed"
        await create(site, "after-missed.example")
        assert (await zones_until(client, "after-missed.example"))[-1] == "after-missed.example"


async def test_what_is_sent_again_on_request_is_shown_once(site: Site) -> None:
    async with Client(site.socket_url(), token=site.token("olivia"), name="again") as client:
        beginning = client.position
        assert beginning is not None
        await create(site, "once.example")
        assert await zones_until(client, "once.example") == ["once.example"]
        assert await client.resume(beginning) >= 1
        await create(site, "twice.example")
        assert await zones_until(client, "twice.example") == ["twice.example"]


async def test_a_refused_command_carries_the_servers_code(site: Site) -> None:
    async with Client(site.socket_url(), token=site.token("olivia"), name="asking") as client:
        with pytest.raises(CommandError) as refused:
            await client.command("list_connections")
        assert refused.value.code == "permission_denied"
