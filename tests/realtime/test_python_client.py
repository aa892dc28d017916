"""The Python client, against a real site and over a line that can be broken in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
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


async def test_what_a_server_forgot_is_told_again_and_shown_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_client, "FIRST_PAUSE_S", 0.01)
    visits: list[tuple[str, list[Any]]] = []

    async def forgetful(socket: ServerConnection) -> None:
        """Sends zones to whoever comes. Ends after the first event, and the next time before a `resume` is answered."""
        assert socket.request is not None
        asked: list[Any] = []
        visits.append((socket.request.path, asked))

        async def send(kind: str, **fields: Any) -> None:
            await socket.send(json.dumps({"type": kind, **fields}))

        async def tell(position: int, event_type: str) -> None:
            await send("event", event_type=event_type, id=f"{event_type} {position}", position=position, upto=position)

        first = len(visits) == 1
        await send(
            "welcome",
            subscriptions=["zone_created"],
            available=["zone_created", "record_created", "record_deleted"],
            resume={"epoch": "e", "position": 4 if first else 5},
            resumed=None if first else {"recovered": True, "replayed": 1},
            heartbeat_s=25,
        )
        if not first:
            await tell(7, "zone_created")
        async for text in socket:
            given = json.loads(text)
            asked.append([given["type"], *given["data"].values()])
            outcome = {}
            if given["type"] == "resume":
                await tell(9, "record_created")  # was on its way
                if len(visits) == 2:
                    socket.transport.abort()
                    return
                await tell(6, "record_created")
                await tell(9, "record_created")
                outcome = {"recovered": True, "replayed": 2}
            await send("response", id=given["id"], data=outcome)
            if first and "zones" in given["data"]:
                await tell(5, "record_created")
                await socket.close()
            elif outcome:
                await tell(10, "record_created")

    async with serve(forgetful, "127.0.0.1", 0, subprotocols=[Subprotocol("dnsadmin.v1")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with asyncio.timeout(PATIENCE_S), Client(f"ws://127.0.0.1:{port}/", token="any") as client:
            await client.unsubscribe("record_deleted", "*")
            await client.subscribe("record_created", "record_*")
            await client.unsubscribe("record_deleted")
            await client.subscribe("record_created", zones=["a.example"])
            shown = []
            async for event in client.events():
                shown.append(f"{event['event_type']} {event['position']}")
                if event["position"] == 10:
                    break
            assert client.position == "e:10"
    assert shown == [f"record_created {position}" for position in (5, 6, 9, 10)]
    assert [path for path, _ in visits] == ["/", "/?since=e:5", "/?since=e:5"]
    again = [
        ["unsubscribe", ["*"]],
        ["subscribe", ["record_*"]],
        ["unsubscribe", ["record_deleted"]],
        ["subscribe", ["record_created"]],
        ["subscribe", [], ["a.example"]],
        ["resume", "e", 5],
    ]
    assert [asked for _, asked in visits[1:]] == [again, again]


# -- at the end of the file: the site of the module is killed in it


async def test_a_subscription_that_died_with_its_server_is_told_to_the_next(site: Site) -> None:
    with contextlib.closing(
        sqlite3.connect(site.data_dir / "db.sqlite3", isolation_level=None, timeout=30)
    ) as database:
        async with (
            Line(site.port).laid() as line,
            Client(line.url, token=site.token("olivia"), name="forgotten") as client,
        ):
            await client.unsubscribe("*")
            async with asyncio.timeout(PATIENCE_S):
                while not (kept := saved(database, "forgotten")):  # noqa: ASYNC110  # it is written every second
                    await asyncio.sleep(0.1)
            await client.subscribe("zone_created", zones=["wanted.example", "last.example"])
            line.silence()
            await create(site, "unwanted.example")
            await create(site, "wanted.example")
            await asyncio.to_thread(site.kill)
            # It may have been a second after the answer; that it was less is what this is about.
            database.execute("UPDATE realtime_savedsubscription SET wanted = ? WHERE client = 'forgotten'", [kept])
            await asyncio.to_thread(site.start)
            line.cut()
            async with asyncio.timeout(PATIENCE_S):
                while client.welcome["subscriptions"]:  # noqa: ASYNC110  # the new site welcomes it with none
                    await asyncio.sleep(0.05)
            await create(site, "unwanted-too.example")
            await create(site, "last.example")
            shown = []
            async with asyncio.timeout(PATIENCE_S):
                async for event in client.events():
                    shown.append((event["event_type"], event["data"]["zone"]))
                    if event["data"]["zone"] == "last.example":
                        break
            assert shown == [("zone_created", "wanted.example"), ("zone_created", "last.example")]


def saved(database: sqlite3.Connection, client: str) -> str | None:
    """What the site has written down of the wishes of a client."""
    row = database.execute("SELECT wanted FROM realtime_savedsubscription WHERE client = ?", [client]).fetchone()
    return row and row[0]
