"""Requests to addresses that people typed in: where they may go, and what they may cost (`realtime.outbound`)."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp.abc import AbstractResolver

from realtime.outbound import Limits, OutboundError, checked_url, fetch, post, refusal


class Peer:
    """An HTTP server in bytes: each connection gets `answer` as it is. Counts who came."""

    def __init__(self, answer: bytes = b"", *, pieces: list[bytes] | None = None, hang: bool = False) -> None:
        self.pieces = pieces or [answer]
        self.hang = hang
        self.connections = 0
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            for piece in self.pieces:
                writer.write(piece)
                await writer.drain()
            if self.hang:
                await asyncio.sleep(60)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(peer: Peer):
    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def ok(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def redirect(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


class Names(AbstractResolver):
    """A resolver of the test's own: each name gives its addresses one after the other, as a rebinding one does."""

    def __init__(self, **names: list[str]) -> None:
        self.names = {name.replace("_", "."): addresses for name, addresses in names.items()}

    async def resolve(self, host, port=0, family=socket.AF_INET):
        addresses = self.names[host]
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


async def code_of(url: str, **options) -> str:
    try:
        async with fetch(url, **options) as answer:
            await answer.read()
    except OutboundError as error:
        return error.code
    pytest.fail("the request was answered")


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.1.2.3", True), ("192.168.1.1", True),
        ("172.16.0.1", True), ("100.64.0.1", True), ("fd00::1", True), ("2002:7f00:1::", True),
        ("64:ff9b::7f00:1", True), ("169.254.169.254", False), ("0.0.0.0", False), ("224.0.0.1", False),
        ("fe80::1", False), ("255.255.255.255", False), ("::ffff:169.254.169.254", False),
    ],
)  # fmt: skip
def test_private_addresses_need_permission_and_some_are_never_allowed(address, private):
    parsed = ipaddress.ip_address(address)
    assert refusal(parsed, allow_private=False)
    assert (refusal(parsed, allow_private=True) is None) is private


def test_addresses_of_the_internet_are_allowed():
    for address in ("9.9.9.9", "2620:fe::fe"):
        assert refusal(ipaddress.ip_address(address), allow_private=False) is None


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "gopher://example.com/", "ftp://example.com/", "http://", "//example.com", "",
     "http://user:secret@example.com/", "http://example.com:22/", "http://example.com:70000/"],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(url):
    with pytest.raises(OutboundError) as caught:
        checked_url(url)
    assert caught.value.code == "bad_url"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]"])
async def test_no_spelling_of_loopback_is_ever_connected_to(host):
    peer = Peer(ok(b"secret"))
    async with serving(peer) as port:
        assert await code_of(f"http://{host}:{port}/") in ("address_refused", "unreachable", "bad_url")
    assert peer.connections == 0


async def test_a_name_that_leads_to_loopback_is_refused_at_the_socket():
    peer = Peer(ok(b"secret"))
    async with serving(peer) as port:
        assert await code_of(f"http://feed.test:{port}/", resolver=Names(feed_test=["127.0.0.1"])) == "address_refused"
    assert peer.connections == 0


async def test_a_name_that_changes_its_mind_gains_nothing():
    """DNS rebinding: allowed at first, a metadata service behind a redirect to the same name."""
    peer = Peer()
    async with serving(peer) as port:
        peer.pieces = [redirect(f"http://feed.test:{port}/again")]
        names = Names(feed_test=["127.0.0.1", "169.254.169.254"])
        code = await code_of(f"http://feed.test:{port}/", resolver=names, allow_private=True)
    assert code == "address_refused"
    assert peer.connections == 1


async def test_a_redirect_is_checked_like_the_first_address():
    inner = Peer(ok(b"secret"))
    async with serving(inner) as inside:
        for target in (f"http://127.0.0.2:{inside}/", "http://169.254.169.254/latest/", "file:///etc/passwd"):
            async with serving(Peer(redirect(target))) as port:
                code = await code_of(f"http://127.0.0.1:{port}/", allow_private=not target.startswith("http://127"))
                assert code in ("address_refused", "bad_url")
    assert inner.connections == 0


async def test_redirects_end_after_three():
    peer = Peer(redirect("/round-and-round"))
    async with serving(peer) as port:
        assert await code_of(f"http://127.0.0.1:{port}/", allow_private=True) == "too_many_redirects"
    assert peer.connections == 4


async def test_gzip_is_unpacked_whether_announced_or_not():
    packed = gzip.compress(b"bad.example\n" * 1000)
    for answer in (ok(packed, "Content-Encoding: gzip"), ok(packed, "Content-Type: application/octet-stream")):
        async with serving(Peer(answer)) as port, fetch(f"http://127.0.0.1:{port}/", allow_private=True) as got:
            assert await got.read() == b"bad.example\n" * 1000


async def test_a_bomb_stops_at_the_limit_of_what_it_unpacks_to():
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    assert len(bomb) < 100_000
    seen = []

    async def read(port: int) -> None:
        async with fetch(f"http://127.0.0.1:{port}/", allow_private=True) as got:
            async for piece in got.chunks():
                seen.append(len(piece))  # noqa: PERF401  # what came before it raised counts

    async with serving(Peer(ok(bomb))) as port:
        with pytest.raises(OutboundError) as caught:
            await read(port)
    assert caught.value.code == "too_large"
    assert sum(seen) <= 1024 * 1024
    assert max(seen) <= 64 * 1024


async def test_an_endless_body_stops_at_the_limit():
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    async with serving(Peer(pieces=[head, *([b"x" * 65536] * 200)])) as port:
        assert await code_of(f"http://127.0.0.1:{port}/", allow_private=True) == "too_large"


async def test_an_announced_size_over_the_limit_is_not_begun():
    async with serving(Peer(ok(b"", length=10**10), hang=True)) as port:
        assert await code_of(f"http://127.0.0.1:{port}/", allow_private=True) == "too_large"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", ok(b"half", length=100)])
async def test_silence_ends(answer):
    limits = Limits(total_s=5, silence_s=0.3)
    async with serving(Peer(answer, hang=True)) as port:
        assert await code_of(f"http://127.0.0.1:{port}/", allow_private=True, limits=limits) == "timed_out"


async def test_a_drip_ends_with_the_time_for_all():
    limits = Limits(total_s=0.5, silence_s=10)
    async with serving(Peer(ok(b"half", length=100), hang=True)) as port:
        assert await code_of(f"http://127.0.0.1:{port}/", allow_private=True, limits=limits) == "timed_out"


async def test_what_ends_too_early_is_told():
    packed = gzip.compress(b"bad.example\n" * 1000)[:-9]
    for answer in (ok(b"half", length=100), ok(packed)):
        async with serving(Peer(answer)) as port:
            assert await code_of(f"http://127.0.0.1:{port}/", allow_private=True) == "truncated"


async def test_broken_gzip_and_encodings_not_asked_for_are_told():
    for answer in (ok(b"\x1f\x8b" + b"no gzip" * 10), ok(b"x", "Content-Encoding: br")):
        async with serving(Peer(answer)) as port:
            assert await code_of(f"http://127.0.0.1:{port}/", allow_private=True) == "bad_encoding"


async def test_a_post_is_answered_and_follows_no_redirect():
    peer = Peer(redirect("http://127.0.0.1/"))
    async with serving(peer) as port:
        status, _ = await post(f"http://127.0.0.1:{port}/hook", b"{}", headers={"X-Id": "7"}, allow_private=True)
    assert status == 302
    assert b"X-Id: 7" in peer.requests[0]


async def test_a_post_to_loopback_is_not_made_unless_allowed():
    peer = Peer(ok(b""))
    async with serving(peer) as port:
        with pytest.raises(OutboundError) as caught:
            await post(f"http://127.0.0.1:{port}/", b"{}")
    assert caught.value.code == "address_refused"
    assert peer.connections == 0


async def test_nobody_there_is_worth_a_retry():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert await code_of(f"http://127.0.0.1:{port}/", allow_private=True) == "unreachable"
