"""The thresholds of detection, read from `DNSADMIN_DETECTION_*` (see `dnsadmin.env`). 0 switches a detector off."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class DetectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """From what on something is told. The defaults are meant to be quiet on a network of some thousand clients."""

    flood_per_s: Annotated[
        int, Meta(ge=0, description="Queries a second of one client, over ten seconds, that are a flood.")
    ] = 500
    nxdomain_per_s: Annotated[
        int, Meta(ge=0, description="NXDOMAIN answers a second, over ten seconds, that may be a storm.")
    ] = 100
    nxdomain_share: Annotated[
        float, Meta(gt=0, le=1, description="Part of all answers that NXDOMAIN must be, besides, to be a storm.")
    ] = 0.5
    generated_names: Annotated[
        int, Meta(ge=0, description="Random-looking registered domains that one client asks for in a minute.")
    ] = 15
    tunnel_names: Annotated[
        int,
        Meta(ge=0, description="Different long names below one registered domain in a minute that look like a tunnel."),
    ] = 60
    tunnel_length: Annotated[
        int, Meta(ge=10, le=250, description="Characters before the registered domain that make a name long.")
    ] = 30
    tunnel_entropy: Annotated[
        float, Meta(ge=0, le=8, description="Bits per character that these names must have on average.")
    ] = 3.3
    fan_out: Annotated[
        int, Meta(ge=0, description="Different names of any length below one registered domain in a minute.")
    ] = 3000
    ignored_domains: Annotated[
        str,
        Meta(description="Registered domains that are never suspicious, separated by commas (blocklists by DNS, …)."),
    ] = "in-addr.arpa,ip6.arpa,home.arpa"
    calm_s: Annotated[
        int, Meta(ge=10, description="Seconds without a finding after which its alert ends by itself.")
    ] = 900

    def ignored(self) -> frozenset[str]:
        """The domains of `ignored_domains`, in lower case."""
        return frozenset(each.strip().lower() for each in self.ignored_domains.split(",") if each.strip())
