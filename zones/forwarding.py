"""Forward zones of the site, brought to the name server together: those of `Zone`, and what other apps add.

@source
def conditional() -> Iterable[Forwarding]: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from zones.models import Zone, ZoneKind
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.forwarding import Forwarding, apply
from zones.nameserver.peers import peers

Source = Callable[[], Iterable[Forwarding]]

_sources: list[Source] = []


def source(function: Source) -> Source:
    """Register something that knows of further forward zones. A zone of `Zone` comes before theirs."""
    _sources.append(function)
    return function


def apply_all(where: Endpoint) -> bool:
    """Make the server forward what is wanted now, all of it. Raises what `nameserver.forwarding.apply` raises."""
    zones = {each.zone: each for function in _sources for each in function()}
    zones |= {each.zone: each for each in own()}
    return apply(where, zones.values())


def own() -> list[Forwarding]:
    """The living forward zones of the database."""
    rows = Zone.objects.living().filter(kind=ZoneKind.FORWARD).order_by("name")
    return [
        Forwarding(zone=name, servers=peers(servers), only=only)
        for name, servers, only in rows.values_list("name", "servers", "forward_only")
    ]
