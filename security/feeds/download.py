"""Getting a feed onto the disk, by HTTP or by zone transfer, within limits and only from where it may come.

What arrives goes straight into a file; nothing of it is held in memory as a whole.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from realtime.outbound import Limits, OutboundError, fetch, refusal
from zones.nameserver.endpoint import Key, write_secret
from zones.nameserver.errors import BadName
from zones.nameserver.hosting import checked_name

LIMITS = Limits(total_s=300.0, silence_s=20.0, most_bytes=256 * 1024 * 1024)

_ANSWERED = 200
_UNCHANGED = 304


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """What came. changed: false when the server said that what we have is current; then there is no file."""

    changed: bool
    digest: str = ""
    etag: str = ""
    last_modified: str = ""
    origin: str = ""


async def download(
    url: str,
    into: Path,
    *,
    etag: str = "",
    last_modified: str = "",
    allow_private: bool = False,
    key: Key | None = None,
    limits: Limits = LIMITS,
) -> Download:
    """Fetch `url` into the file `into`; a transfer is signed with `key`.

    Raises `OutboundError`; `bad_status` when the server answers with an error.
    """
    if url.startswith("axfr://"):
        return await asyncio.wait_for(
            _transfer(url, into, allow_private=allow_private, key=key, limits=limits), limits.total_s + 5
        )
    headers = {}
    if etag:
        headers["If-None-Match"] = etag
    if last_modified:
        headers["If-Modified-Since"] = last_modified
    async with fetch(url, headers=headers, limits=limits, allow_private=allow_private) as answer:
        if answer.status == _UNCHANGED:
            return Download(changed=False, etag=etag, last_modified=last_modified)
        if answer.status != _ANSWERED:
            raise OutboundError("bad_status", f"the server answers {answer.status}", retry=answer.status >= 500)
        digest = hashlib.blake2b(digest_size=16)
        with into.open("wb") as file:
            async for piece in answer.chunks():
                digest.update(piece)
                file.write(piece)
        return Download(
            changed=True,
            digest=digest.hexdigest(),
            etag=answer.headers.get("ETag", "")[:500],
            last_modified=answer.headers.get("Last-Modified", "")[:100],
        )


class Source(msgspec.Struct, frozen=True):
    """Where a zone is transferred from."""

    host: str
    port: int
    zone: str


def transfer_source(url: str) -> Source:
    """The parts of `axfr://host:port/zone`. Raises `OutboundError` (`bad_url`)."""
    try:
        parts = urlsplit(url)
        port = parts.port or 53
        zone = checked_name(parts.path.strip("/"))
    except (ValueError, BadName) as error:
        raise OutboundError("bad_url", f"not an address of a zone, axfr://host:port/zone: {error}") from error
    if parts.username or parts.query or not parts.hostname or not re.fullmatch(r"[A-Za-z0-9.:-]+", parts.hostname):
        raise OutboundError("bad_url", "not an address of a zone, axfr://host:port/zone")
    return Source(parts.hostname, port, zone)


async def _transfer(url: str, into: Path, *, allow_private: bool, key: Key | None, limits: Limits) -> Download:
    """`dig` reads a transfer thirty times as fast as Python does. It is given an address that was checked, not a name, and
    the key in a file, where no list of processes shows it."""
    source = transfer_source(url)
    address = await _checked_address(source, allow_private=allow_private)
    signed = []
    if key is not None:
        secret = into.with_suffix(".key")
        write_secret(secret, key.clause())
        signed = ["-k", str(secret)]
    dig = await asyncio.create_subprocess_exec(
        "dig", f"@{address}", "-p", str(source.port), "+noall", "+answer", "+nottlunits", "+time=10", "+tries=1",
        *signed, source.zone, "AXFR",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert dig.stdout is not None
    digest = hashlib.blake2b(digest_size=16)
    arrived, soas, tail = 0, 0, b""
    try:
        async with asyncio.timeout(limits.total_s):
            with into.open("wb") as file:
                while piece := await asyncio.wait_for(dig.stdout.read(65536), limits.silence_s):
                    arrived += len(piece)
                    if arrived > limits.most_bytes:
                        raise OutboundError("too_large", f"the zone is larger than {limits.most_bytes // 1024} KiB")
                    soas += (tail[-8:] + piece).upper().count(b"\tSOA\t") - tail[-8:].upper().count(b"\tSOA\t")
                    tail = piece
                    digest.update(piece)
                    file.write(piece)
    except TimeoutError as error:
        raise OutboundError("timed_out", f"the transfer of {source.zone} took too long", retry=True) from error
    finally:
        if dig.returncode is None:
            dig.kill()
        await dig.wait()
    if soas == 0:
        raise OutboundError("refused", f"{source.host} does not transfer {source.zone} to us", retry=True)
    if soas < 2:
        raise OutboundError("truncated", f"the transfer of {source.zone} ended too early", retry=True)
    return Download(changed=True, digest=digest.hexdigest(), origin=source.zone)


async def _checked_address(source: Source, *, allow_private: bool) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(source.host, source.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise OutboundError("unreachable", f"there is no address of {source.host}: {error}", retry=True) from error
    for *_, where in found:
        if reason := refusal(ipaddress.ip_address(where[0]), allow_private=allow_private):
            raise OutboundError("address_refused", f"the address {where[0]} {reason}")
    return str(found[0][4][0])
