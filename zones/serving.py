"""Which servers have the serial of a zone: ours, the secondaries that settings name, and those it is fetched from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
from django.conf import settings

from zones import transfer_keys
from zones.models import Zone, ZoneKind
from zones.nameserver.endpoint import endpoint
from zones.nameserver.errors import NameServerError
from zones.nameserver.peers import Peer, listed, peers, serial_at

ASK_FOR_S = 2.0


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One server that should have a zone. role: `this` (the site's own), `secondary` or `primary`. serial: the one that it
    answers with now. has_serial: whether that is the zone's. error: why it is not known."""

    server: str
    role: str
    serial: int | None
    has_serial: bool
    error: str = ""


def servers(zone: Zone) -> list[Server]:
    """Ask all of them at once, now. Raises `NameServerError` when the settings name none."""
    where = endpoint()
    asked = [("this", Peer(address=where.host, port=where.port))]
    asked += [("secondary", server) for server in listed(settings.NAMED.secondaries)]
    if zone.kind == ZoneKind.SECONDARY:
        asked += [("primary", server) for server in peers(zone.servers)]
    keys = {server: transfer_keys.known(server.key) for _, server in asked}

    def ask(role: str, server: Peer) -> Server:
        try:
            serial: int | None = serial_at(server, zone.name, keys[server], timeout_s=ASK_FOR_S)
            error = ""
        except NameServerError as problem:
            serial, error = None, problem.message
        has = serial is not None and serial == zone.serial
        return Server(server=str(server), role=role, serial=serial, has_serial=has, error=error)

    with ThreadPoolExecutor(min(8, len(asked))) as pool:
        return list(pool.map(lambda pair: ask(*pair), asked))
