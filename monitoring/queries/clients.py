"""Clients' addresses, shortened where the settings ask for it, before anything is counted, shown or exported."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from django.conf import settings


def shortened() -> bool:
    """Whether addresses are shortened at all."""
    return settings.QUERIES.client_prefix_v4 < 32 or settings.QUERIES.client_prefix_v6 < 128


@lru_cache(maxsize=65_536)
def short(client: str) -> str:
    """The address with the bits zeroed that are not to be kept: `192.0.2.0`. What is no address becomes `?`."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return "?"
    bits = settings.QUERIES.client_prefix_v4 if address.version == 4 else settings.QUERIES.client_prefix_v6
    return str(ipaddress.ip_network((address, bits), strict=False).network_address)
