"""The settings of the old endpoints, read from `DNSADMIN_LEGACY_*` (see `dnsadmin.env`)."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta


class LegacySettings(msgspec.Struct, frozen=True, kw_only=True):
    """The five sockets of the old system (`/ws/health/`, `/ws/dns_management/`, …)."""

    enabled: Annotated[bool, Meta(description="Serve the old endpoints. Off: they say where to go, and close.")] = True
    sunset: Annotated[
        date, Meta(description="Day on which they are going to be switched off; told to every client.")
    ] = date(2027, 6, 30)
