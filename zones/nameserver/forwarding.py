"""Which names the server asks others for: `forward-zones.conf`, which `rndc addzone` cannot do (BIND ARM, section 8.2).

One writer for the whole file: whoever knows of forward zones hands over all of them (`zones.forwarding`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable

import msgspec

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import BadName, NameServerError
from zones.nameserver.hosting import checked_name
from zones.nameserver.includes import HEADING, replace, written
from zones.nameserver.peers import Peer
from zones.nameserver.private import FORWARD_ZONES
from zones.nameserver.rndc import Rndc

_ZONE = re.compile(r'^zone "([^"]+)" \{ .* \};$', re.MULTILINE)


class Forwarding(msgspec.Struct, frozen=True, kw_only=True):
    """Questions for names in `zone` go to `servers`. only: the server does not look elsewhere when they do not answer."""

    zone: str
    servers: tuple[Peer, ...]
    only: bool = True

    def clause(self) -> str:
        """The zone's clause, on a line of its own. Raises `BadName`, also when there are no servers."""
        if not self.servers:
            raise BadName("no_servers", f"no servers are named to which questions for {self.zone} go")
        if with_key := [server for server in self.servers if server.key]:
            raise BadName("bad_key", f"questions passed on to {with_key[0]} cannot be signed with a key")
        addresses = " ".join(server.clause() for server in self.servers)
        policy = "only" if self.only else "first"
        return f'zone "{checked_name(self.zone)}" {{ type forward; forward {policy}; forwarders {{ {addresses} }}; }};'


def render(zones: Iterable[Forwarding]) -> str:
    """The whole file; the same zones in any order give the same text. Raises `BadName`."""
    lines = {checked_name(zone.zone): zone.clause() for zone in zones}
    return HEADING + "".join(f"{lines[name]}\n" for name in sorted(lines))


def apply(endpoint: Endpoint, zones: Iterable[Forwarding]) -> bool:
    """Make the server forward exactly `zones`; answers it had from elsewhere are forgotten. Returns whether it changed.

    Raises `BadName`, or what `includes.replace` raises; then the server does what it did before.
    """
    text = render(zones)
    before = written(endpoint, FORWARD_ZONES)
    if not replace(endpoint, FORWARD_ZONES, text):
        return False
    old, new = ({found[1]: found[0] for found in _ZONE.finditer(file)} for file in (before, text))
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            with contextlib.suppress(NameServerError):  # what is cached runs out by itself
                Rndc(endpoint).call(f'flushtree "{name}"')
    return True
