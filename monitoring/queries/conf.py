"""The settings of the query stream and its statistics, read from `DNSADMIN_QUERIES_*` (see `dnsadmin.env`)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class QuerySettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept of what was asked, and of who asked."""

    client_prefix_v4: Annotated[
        int, Meta(ge=0, le=32, description="Bits kept of a client's IPv4 address; 24 makes one of 256 neighbours.")
    ] = 32
    client_prefix_v6: Annotated[
        int, Meta(ge=0, le=128, description="Bits kept of a client's IPv6 address; 56 makes one of a household.")
    ] = 128
    minutes_kept_days: Annotated[int, Meta(ge=1, description="Days for which counts by the minute are kept.")] = 3
    hours_kept_days: Annotated[int, Meta(ge=1, description="Days for which counts by the hour are kept.")] = 90
    days_kept_days: Annotated[int, Meta(ge=1, description="Days for which counts by the day are kept.")] = 1100
