"""HTTP to addresses that people typed in: threat feeds, webhooks. Such a request must not become a way into our own network.

The check stands where the socket is made, so it sees the very address that is connected to: literals, odd spellings
(`0x7f.1`), every answer of every resolver, every redirect. A name that answers otherwise the second time (DNS rebinding)
gains nothing. What comes back is bounded in time, size and unpacked size, and is never held as a whole unless asked for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta
from yarl import URL

if TYPE_CHECKING:  # a tenth of the time that every command and every process takes to start, and most never ask anybody
    import aiohttp
    from aiohttp.abc import AbstractResolver

MOST_REDIRECTS = 3
STEP_BYTES = 64 * 1024
"""How much is unpacked at once: a gzip bomb costs this, not its thousandfold."""

_GZIP = b"\x1f\x8b"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class OutboundError(Exception):
    """A request that was not made, or not answered as it must be.

    code: `bad_url`, `address_refused`, `too_many_redirects`, `unreachable`, `timed_out`, `too_large`, `truncated` or
    `bad_encoding`. message: plain words. retry: whether it may succeed later without anybody changing anything.
    """

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one request may cost. most_bytes: of the body as sent, and again of what it unpacks to."""

    total_s: Annotated[float, Meta(gt=0)] = 60.0
    silence_s: Annotated[float, Meta(gt=0)] = 10.0
    most_bytes: Annotated[int, Meta(gt=0)] = 1024 * 1024


class Answer:
    """The head of an answer, whatever its status; the body comes as it is asked for."""

    def __init__(self, response: aiohttp.ClientResponse, limits: Limits) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = str(response.url)
        self._response = response
        self._limits = limits

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body piece by piece, unpacked when it is gzip, by its header or by its first bytes.

        Raises `OutboundError`: `too_large`, `truncated`, `bad_encoding`, `timed_out`.
        """
        most = self._limits.most_bytes
        if (self._response.content_length or 0) > most:
            raise _too_large(most)
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise OutboundError("bad_encoding", f"the answer is packed as {encoding!r}, which was not asked for")
        packed = encoding.endswith("gzip")
        gunzip: _Gunzip | None = None
        began = False
        arrived = unpacked = 0
        with _explained(self.url):
            async for piece in self._response.content.iter_any():
                arrived += len(piece)
                if arrived > most:
                    raise _too_large(most)
                if not began:
                    began = True
                    gunzip = _Gunzip() if packed or piece.startswith(_GZIP) else None
                for some in gunzip.steps(piece) if gunzip else (piece,):
                    unpacked += len(some)
                    if unpacked > most:
                        raise _too_large(most)
                    yield some
        if gunzip is not None and not gunzip.whole:
            raise OutboundError("truncated", "the answer ends in the middle of its gzip data", retry=True)

    async def read(self) -> bytes:
        """The whole body, within the limits."""
        return b"".join([piece async for piece in self.chunks()])


@asynccontextmanager
async def fetch(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    allow_private: bool = False,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[Answer]:
    """GET `url`, following at most three redirects, each checked like the first.

    allow_private: also loopback and private networks; link-local and multicast addresses never. resolver: of names; the
    system's by default. Raises `OutboundError`. An answer with an error status is an answer.
    """
    bounds = limits or Limits()
    headers = {"Accept-Encoding": "gzip", **(headers or {})}
    async with _limited(url, bounds), _session(bounds, allow_private, resolver) as session:
        target = checked_url(url)
        for _ in range(MOST_REDIRECTS + 1):
            async with session.get(target, headers=headers, allow_redirects=False) as response:
                if response.status not in _REDIRECTS or "Location" not in response.headers:
                    yield Answer(response, bounds)
                    return
                onward = target.join(URL(response.headers["Location"]))
                if target.scheme == "https" and onward.scheme != "https":
                    raise OutboundError("address_refused", f"{url} redirects from https to {onward.scheme}")
                target = checked_url(str(onward))
        raise OutboundError("too_many_redirects", f"{url} redirects more than {MOST_REDIRECTS} times")


async def post(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    allow_private: bool = False,
    resolver: AbstractResolver | None = None,
) -> tuple[int, bytes]:
    """POST `body`; status and body of the answer. Redirects are answers, not followed. Raises `OutboundError`."""
    bounds = limits or Limits(total_s=15.0, most_bytes=64 * 1024)
    headers = {"Accept-Encoding": "identity", **(headers or {})}
    async with _limited(url, bounds), _session(bounds, allow_private, resolver) as session:
        sent = session.post(checked_url(url), data=body, headers=headers, allow_redirects=False)
        async with sent as response:
            return response.status, await Answer(response, bounds).read()


def checked_url(url: str) -> URL:
    """The address, if it is one that may be asked at all. Raises `OutboundError` (`bad_url`)."""
    try:
        target = URL(url)
        port = target.port
    except ValueError as error:
        raise OutboundError("bad_url", f"not an address: {error}") from error
    if target.scheme not in ("http", "https") or not target.host:
        raise OutboundError("bad_url", "an address begins with http:// or https:// and names a host")
    if target.user is not None or target.password is not None:
        raise OutboundError("bad_url", "an address carries no user name or password")
    if port is None or (port < 1024 and port not in (80, 443)):
        raise OutboundError("bad_url", f"port {port} belongs to another service")
    return target


def refusal(address: Address, *, allow_private: bool) -> str | None:
    """Why `address` must not be connected to; `None` when it may."""
    if embedded := _embedded(address):
        return refusal(embedded, allow_private=allow_private)
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return "is link-local, multicast or no address of a host"
    if address.is_global:
        return None
    if address.is_loopback or not address.is_reserved:
        return None if allow_private else "is private: loopback, or of an internal network"
    return "is reserved"


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one really leads to: mapped, 6to4, or by NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class _Gunzip:
    """gzip data in, plain data out, at most `STEP_BYTES` at a time (RFC 1952; several members make one stream)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False

    @property
    def whole(self) -> bool:
        return self._member.eof or not self._begun

    def steps(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member.eof:
                if not data.startswith(b"\x1f"):
                    return  # padding behind the last member
                self._member = zlib.decompressobj(wbits=31)
            self._begun = True
            try:
                plain = self._member.decompress(data, STEP_BYTES)
            except zlib.error as error:
                raise OutboundError("bad_encoding", f"the answer's gzip data are broken: {error}") from error
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            if plain:
                yield plain


def _session(limits: Limits, allow_private: bool, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    import aiohttp

    def guarded_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, where = info
        address = ipaddress.ip_address(where[0])
        if reason := refusal(address, allow_private=allow_private):
            # Not an OSError, which would only lead to the name's next address.
            raise OutboundError("address_refused", f"the address {address} {reason}")
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(
        resolver=resolver,
        use_dns_cache=False,
        force_close=True,
        happy_eyeballs_delay=None,
        socket_factory=guarded_socket,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=limits.total_s, sock_connect=limits.silence_s, sock_read=limits.silence_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"User-Agent": "dnsadmin"},
        trust_env=False,
    )


@asynccontextmanager
async def _limited(url: str, limits: Limits) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limits.total_s):
            with _explained(url):
                yield
    except TimeoutError as error:
        raise OutboundError("timed_out", f"{url} took longer than {limits.total_s:g} s", retry=True) from error


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn what the client raises into `OutboundError`."""
    import aiohttp

    try:
        yield
    except aiohttp.ServerTimeoutError as error:
        raise OutboundError("timed_out", f"{url} fell silent", retry=True) from error
    except TimeoutError:
        raise  # of the whole, which `_limited` tells
    except aiohttp.ClientPayloadError as error:
        raise OutboundError("truncated", f"the answer of {url} ended too early", retry=True) from error
    except aiohttp.InvalidURL as error:
        raise OutboundError("bad_url", f"not an address: {url}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise OutboundError("unreachable", f"{url} cannot be reached: {error}", retry=True) from error


def _too_large(most: int) -> OutboundError:
    return OutboundError("too_large", f"the answer is larger than {most // 1024 or 1} KiB, the limit set for it")
