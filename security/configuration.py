"""What `named` is told about the policies as a whole: their zones, their order, and which of them only log.

Two pieces of its configuration, of which this module is the only writer. A zone in `response-policy` has to exist before, so
zones come first and go last. Source: BIND ARM, "response-policy".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from security.models import Mode, Policy, PolicyKind
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.hosting import checked_name
from zones.nameserver.includes import HEADING, replace, written
from zones.nameserver.private import RPZ_OPTIONS, RPZ_ZONES

EMPTY = "$TTL 60\n@ SOA localhost. hostmaster.localhost. 1 3600 600 86400 60\n@ NS localhost.\n"
"""A policy zone without rules."""

_UNCHECKED = "check-names ignore; check-integrity no; check-dup-records ignore;"
"""What `named` would look for in a zone that it has just read, during which it answers nobody: a second for half a million
rules, of which none can have what is looked for (MX, SRV and NS without an address, a record twice)."""


class PolicyZone(msgspec.Struct, frozen=True, kw_only=True):
    """One policy zone as the server is to have it. dynamic: its records come by updates; else by its file."""

    name: str
    dynamic: bool
    listed: bool
    acts: bool

    def clause(self, endpoint: Endpoint) -> str:
        key = endpoint.tsig.name
        updates = f'update-policy {{ grant "{key}" zonesub any; }}; ' if self.dynamic else ""
        return (
            f'zone "{checked_name(self.name)}" {{ type primary; file "{self.file(endpoint)}"; {_UNCHECKED} '
            f'allow-query {{ key "{key}"; }}; allow-transfer {{ key "{key}"; }}; {updates}}};\n'
        )

    def file(self, endpoint: Endpoint) -> Path:
        return endpoint.zone_dir / f"{checked_name(self.name)}.db"


def zones_of(policies: Iterable[Policy]) -> list[PolicyZone]:
    """The zones of `policies`, in the order in which `named` is to ask them. What is on trial only logs, so it stands before
    what acts: there it sees every query."""
    found: list[PolicyZone] = []
    for policy in policies:
        listed, acts = policy.mode != Mode.OFF, policy.mode == Mode.ENFORCED
        made_here = policy.kind == PolicyKind.RULES
        found.append(PolicyZone(name=policy.zone, dynamic=made_here, listed=listed, acts=acts))
        if made_here:
            found.append(PolicyZone(name=policy.trial_zone, dynamic=True, listed=listed, acts=False))
    return sorted(found, key=lambda zone: zone.acts)


def apply(endpoint: Endpoint, zones: Sequence[PolicyZone]) -> list[str]:
    """Make the server have exactly these policy zones, in this order; returns the names of those that are new to it.

    Raises what `includes.replace` raises.
    """
    clauses = {zone.name: zone.clause(endpoint) for zone in zones}
    before = _clauses(written(endpoint, RPZ_ZONES))
    new = [zone for zone in zones if zone.name not in before]
    for zone in new:
        _found(zone, endpoint)
    both = before | clauses
    replace(endpoint, RPZ_ZONES, _text(both))
    replace(endpoint, RPZ_OPTIONS, _options(zones), within=_text(both) + "options {{}};")
    replace(endpoint, RPZ_ZONES, _text(clauses))
    for name in both.keys() - clauses.keys():
        _forget(endpoint, name)
    return [zone.name for zone in new]


def in_place(endpoint: Endpoint, zones: Sequence[PolicyZone]) -> bool:
    """Whether there is nothing to do."""
    clauses = {zone.name: zone.clause(endpoint) for zone in zones}
    return _clauses(written(endpoint, RPZ_ZONES)) == clauses and written(endpoint, RPZ_OPTIONS) == _options(zones)


def _options(zones: Iterable[PolicyZone]) -> str:
    listed = [
        f'    zone "{checked_name(zone.name)}" policy {"given" if zone.acts else "disabled"} log yes '
        # A minute by default, for which a new rule would not be in force.
        "min-update-interval 0;\n"
        for zone in zones
        if zone.listed
    ]
    if not listed:
        return HEADING
    return f"{HEADING}response-policy {{\n{''.join(listed)}}} qname-wait-recurse no break-dnssec yes;\n"


def _text(clauses: dict[str, str]) -> str:
    return HEADING + "".join(clauses[name] for name in sorted(clauses))


def _clauses(text: str) -> dict[str, str]:
    """The zones that a piece lists, by name."""
    return {
        line.split('"')[1]: f"{line}\n"
        for line in text.splitlines()
        if line.startswith('zone "') and line.count('"') > 1
    }


def _found(zone: PolicyZone, endpoint: Endpoint) -> None:
    """The file of a zone that is new to the server. A feed's may be there already, with its entries."""
    file = zone.file(endpoint)
    if zone.dynamic:
        for litter in (file, file.with_name(f"{file.name}.jnl")):
            litter.unlink(missing_ok=True)
    if not file.exists():
        file.write_text(EMPTY)
        file.chmod(0o644)  # the server may run as another user


def _forget(endpoint: Endpoint, name: str) -> None:
    for suffix in (".db", ".db.jnl"):
        (endpoint.zone_dir / f"{checked_name(name)}{suffix}").unlink(missing_ok=True)
