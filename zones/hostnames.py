"""Names of hosts (RFC 952; RFC 1123, section 2.1): letters, digits, hyphens within, and no underscore.

DNS takes any name. Records about hosts want such a one, and BIND refuses others in the primary zones of its configuration,
unless it says `check-names primary ignore` (BIND ARM, "check-names"); zones that the site makes say so.
"""

from __future__ import annotations

import re

from zones import rdata
from zones.names import is_reverse
from zones.rrsets import APEX

_NOT_OF_A_HOST = re.compile(r"[^a-z0-9.-]|(?<![^.])-|-(?![^.])")

_OWNERS = frozenset({"A", "AAAA", "MX"})
"""Types whose owner is a host, or a wildcard for some."""
_TARGETS = frozenset({"MX", "NS", "SRV"})
"""Types whose target is one; that of a PTR is, in a reverse zone."""


def is_odd(name: str) -> bool:
    """Whether a name has something in it that no name of a host has; a wildcard has."""
    return _NOT_OF_A_HOST.search(name) is not None


def owner_unfit(kind: str, name: str) -> bool:
    """Whether a record of this type may be refused because of its stored name (`zones.names`)."""
    if kind not in _OWNERS or name == APEX:
        return False
    if kind == "A" and name.startswith("gc._msdcs"):  # Active Directory's, which BIND lets pass
        return False
    return is_odd(name.removeprefix("*").removeprefix("."))


def target_unfit(kind: str, target: str, zone: str) -> bool:
    """The same of the absolute name that a record of `zone` points to."""
    return (kind in _TARGETS or (kind == "PTR" and is_reverse(zone))) and is_odd(target.removesuffix("."))


def unfit(kind: str, name: str, content: str, zone: str) -> str | None:
    """What in a record is no name of a host where one is wanted: its owner or its target."""
    if owner_unfit(kind, name):
        return name
    target = rdata.target(kind, content)
    return target if target is not None and target_unfit(kind, target, zone) else None
