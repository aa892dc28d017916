"""A zone brought in by AXFR from another server (RFC 5936): read whole, then imported as a zone file would be."""

from __future__ import annotations

from typing import Any

from zones.importing import Import, import_zone
from zones.nameserver.endpoint import Key
from zones.nameserver.peers import Peer
from zones.nameserver.transfer import transfer_from
from zones.rrsets import ungroup
from zones.zonefile.export import export, soa_first


def transfer_zone(
    name: str, server: Peer, key: Key | None, *, user: Any = None, replace: bool = False, comment: str = ""
) -> Import:
    """Make the zone `name` what `server` serves now; what it signed (DNSSEC) stays behind.

    Raises `NameServerError` when it does not answer or refuses, else what `import_zone` raises.
    """
    served = transfer_from(server, key, name)
    text = "".join(export(name, served.serial, soa_first(ungroup(served.rrsets))))
    return import_zone(
        text.encode("ascii"), name, user=user, replace=replace, comment=comment or f"transfer from {server}"
    )
