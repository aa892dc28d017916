"""Other name servers: primaries that a secondary zone comes from, and servers to which questions are passed on.

What people type of them ends up in configuration, so an address is an IP address, nothing else, and a key's name is a
plain domain name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import msgspec

from zones.nameserver.endpoint import Key
from zones.nameserver.errors import BadName, NameServerError, Unreachable

MOST = 16
"""Servers of one zone."""

_KEY_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,200}[a-z0-9_])?")


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One server. address: IPv4 or IPv6, in its shortest form. key: name of the TSIG key shared with it, or empty."""

    address: str
    port: int = 53
    key: str = ""

    def __str__(self) -> str:
        return f"{self.address} port {self.port}"

    def clause(self) -> str:
        """As `primaries` and `forwarders` list it in `named.conf`."""
        return f"{self.address} port {self.port}" + (f' key "{self.key}"' if self.key else "") + ";"


def peer(address: str, port: int = 53, key: str = "") -> Peer:
    """A server as people name it. Raises `BadName` in plain words."""
    try:
        plain = ipaddress.ip_address(address.strip())
    except ValueError:
        raise BadName("bad_address", f"{address!r} is not an IP address; named wants one, not a host name") from None
    if plain.is_multicast or plain.is_unspecified or getattr(plain, "scope_id", None):
        raise BadName("bad_address", f"{address} is not the address of a server")
    if not 1 <= port <= 65535:
        raise BadName("bad_address", f"{port} is not a port (1 to 65535)")
    return Peer(address=str(plain), port=port, key=checked_key_name(key) if key else "")


def peer_from_text(text: str) -> Peer:
    """A server in words: `192.0.2.1`, `192.0.2.1:5300`, `2001:db8::1 port 5300`, `[2001:db8::1]:5300`. Raises `BadName`."""
    plain = " ".join(text.split())
    for pattern in (r"\[(.+)\](?:[: ](?:port )?(\d{1,5}))?", r"(\S+?)(?: port | |@|#)(\d{1,5})", r"([\d.]+):(\d{1,5})"):
        if found := re.fullmatch(pattern, plain):
            return peer(found[1], int(found[2] or 53))
    return peer(plain)


def listed(text: str) -> tuple[Peer, ...]:
    """Servers in words, separated by commas. Raises `BadName`."""
    return tuple(peer_from_text(part) for part in text.split(",") if part.strip())


def peers(values: Iterable[Mapping[str, Any]]) -> tuple[Peer, ...]:
    """Servers as the database keeps them. Raises `BadName`."""
    return tuple(peer(value["address"], value.get("port") or 53, value.get("key") or "") for value in values)


def checked_key_name(name: str) -> str:
    """The name of a key as it may be put into configuration. Raises `BadName`."""
    plain = name.strip().lower().removesuffix(".")
    if not _KEY_NAME.fullmatch(plain) or ".." in plain:
        raise BadName("bad_key", f"{name!r} is not a name that a TSIG key can have")
    return plain


def serial_at(server: Peer, zone: str, key: Key | None = None, *, timeout_s: float = 2.0) -> int:
    """The serial of a zone as another server has it, asked for over TCP without recursion.

    Raises `Unreachable`, or `NameServerError` (`not_authoritative`, `key_refused`) in plain words.
    """
    origin = dns.name.from_text(zone)
    query = dns.message.make_query(origin, dns.rdatatype.SOA)
    query.flags &= ~dns.flags.RD
    if key is not None:
        query.use_tsig(key.tsig())
    try:
        answer = dns.query.tcp(query, server.address, timeout=timeout_s, port=server.port)
    except dns.exception.Timeout as error:
        raise Unreachable(f"{server} gave no answer within {timeout_s:g} s", code="timed_out") from error
    except (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadKey) as error:
        raise NameServerError("key_refused", f"{server} does not accept the TSIG key “{server.key}”") from error
    except dns.exception.DNSException as error:
        raise NameServerError("bad_answer", f"{server} answers something that cannot be read: {error}") from error
    except (OSError, EOFError) as error:
        raise Unreachable(f"{server} cannot be reached: {getattr(error, 'strerror', None) or error}") from error
    for rrset in answer.answer:
        if rrset.name == origin and rrset.rdtype == dns.rdatatype.SOA and answer.flags & dns.flags.AA:
            serial: int = rrset[0].serial
            return serial
    said = dns.rcode.to_text(answer.rcode())
    raise NameServerError("not_authoritative", f"{server} does not answer for {zone} ({said})", retry=True)
