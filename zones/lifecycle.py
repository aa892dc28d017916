"""The life of a zone: how it is made, what of it people set, its end. Each leaves a change set in its history.

Its records are `zones.changes`'s.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from zones import grants, names, rdata, reverse
from zones.changes import change_set, checked_comment, lock
from zones.models import ChangeSet, GrantLevel, Zone, ZoneKind
from zones.nameserver.errors import BadName
from zones.nameserver.forwarding import Forwarding
from zones.nameserver.hosting import checked_name
from zones.nameserver.peers import MOST, peers
from zones.plan import note, pend
from zones.refusals import InvalidChange, StaleVersion
from zones.rrsets import APEX, RRset
from zones.validation import Problem

DEFAULT_TTL = 3600
"""Seconds; of the SOA and NS that a new zone gets."""

SOA_TIMERS = "0 10800 3600 604800 3600"
"""Serial (kept by `named`), refresh, retry, expire, negative TTL of a new SOA, in seconds (RFC 1912, section 2.2)."""


def create_zone(
    name: str,
    *,
    kind: str = ZoneKind.PRIMARY,
    comment: str = "",
    rrsets: Iterable[RRset] = (),
    nameservers: Iterable[str] = (),
    comments: Mapping[tuple[str, str, str], str] | None = None,
    owner: Any = None,
    **fields: Any,
) -> Zone:
    """Make a zone with its records, as one change set, announced as `zone_created`.

    rrsets: canonical records; where the SOA or the apex NS are not among them, sensible ones are added.
    nameservers: names for those NS, the first also for the SOA; this machine's name when there are none.
    comments: of records, by name, type and content.
    owner: a user who gets a grant to manage the zone. fields: further fields of `Zone`, as `servers`, which secondary and
    forward zones need; those get no records. Raises `InvalidChange`.
    """
    zone = Zone(name=_hostable(name), kind=kind, comment=checked_comment(comment), **fields)
    check_settings(zone)
    found(zone, rrsets=rrsets, nameservers=nameservers, comments=comments, owner=owner)
    return zone


def check_settings(zone: Zone) -> None:
    """Whether the zone's own fields fit its kind, after bringing its servers to their one form. Raises `InvalidChange`."""
    needs = {ZoneKind.SECONDARY: "primaries", ZoneKind.FORWARD: "forwarders"}.get(ZoneKind(zone.kind))
    try:
        known = peers(zone.servers)
        if needs and not known:
            raise BadName("required", f"name the {needs} of the zone: addresses, with a port where it is not 53")
        if not needs and known:
            raise BadName("unwanted", "a primary zone has no servers of its own")
        if len(known) > MOST:
            raise BadName("too_many", f"a zone has at most {MOST} {needs}")
        if zone.kind == ZoneKind.FORWARD:
            Forwarding(zone=zone.name, servers=known).clause()
    except BadName as error:
        raise InvalidChange([Problem(code=error.code, message=error.message, field=needs or "servers")]) from error
    if zone.follows_addresses and not names.has_pointers(zone.name):
        message = f"{zone.name} is not a zone of addresses (in-addr.arpa, ip6.arpa)"
        if names.is_reverse(zone.name):
            message = f"in {zone.name} there are no PTR records of whole addresses (RFC 2317); they are left to you"
        raise InvalidChange([Problem(code="not_reverse", message=message, field="follows_addresses")])
    zone.servers = [msgspec.to_builtins(server) for server in known]


def _hostable(name: str) -> str:
    """The stored form of a zone's name, if `named` can host one of that name. Raises `InvalidChange`."""
    try:
        return checked_name(names.zone_name(name))
    except (ValueError, BadName) as error:
        raise InvalidChange([Problem(code="invalid_name", message=str(error), field="name")]) from error


def found(
    zone: Zone,
    *,
    rrsets: Iterable[RRset] = (),
    nameservers: Iterable[str] = (),
    comments: Mapping[tuple[str, str, str], str] | None = None,
    owner: Any = None,
) -> None:
    """Write a new zone object whose fields are good, and its first records."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                zone.write()
        except IntegrityError as error:
            problem = Problem(code="exists", message=f"there is a zone {zone.name} already", field="name")
            raise InvalidChange([problem]) from error
        if zone.writable:
            given = list(rrsets)
            with change_set(zone, comment="new zone", unlimited=True) as changes:
                changes.replace([*given, *_apex(zone.name, given, nameservers)], comments=comments)
        else:
            made_of = [
                {"field": field, "old": None, "new": value} for field in SETTINGS if (value := getattr(zone, field))
            ]
            note(zone, f"new {zone.kind} zone", made_of)
        if zone.follows_addresses:
            reverse.fill(zone)
        pend(zone)
        if owner is not None:
            grants.open_grant(zone, level=GrantLevel.MANAGE, user=owner)


SETTINGS = ("comment", "servers", "forward_only", "follows_addresses")
"""What people may set of a zone."""

KEY = "tsig"
"""In what changed about a zone: its TSIG key has another secret, which nobody is shown."""

_PUSHED = {"servers", "forward_only"}
"""Settings that the name server has to hear of."""


def update_zone(
    zone: Zone,
    *,
    version: int | None = None,
    said: str = "settings of the zone",
    reverts: ChangeSet | None = None,
    rekeyed: bool = False,
    **fields: Any,
) -> ChangeSet | None:
    """Change the zone's own fields (`SETTINGS`), in place. said: for the history. rekeyed: its TSIG key has another secret,
    which is told, but not shown. Returns the change set, if anything changed. Raises `StaleVersion`, with the fields as they
    are, and `InvalidChange`."""
    made = None
    with transaction.atomic():
        lock(zone)
        present = Zone.objects.get(pk=zone.pk)
        _compare(present, version, fields)
        before = {field: getattr(present, field) for field in SETTINGS}
        for field in SETTINGS:
            setattr(zone, field, fields.get(field, before[field]))
        zone.comment = checked_comment(zone.comment)
        check_settings(zone)
        changed = [field for field in SETTINGS if getattr(zone, field) != before[field]]
        if changed or rekeyed:
            zone.version = present.version + 1
            zone.field_changes = [
                {"field": field, "old": before[field], "new": getattr(zone, field)} for field in changed
            ]
            if rekeyed:
                zone.field_changes.append({"field": KEY, "old": None, "new": None})
            if rekeyed or (zone.kind == ZoneKind.SECONDARY and "servers" in changed):
                zone.hosted = False  # it was told of others
                changed.append("hosted")
            zone.write(*changed, "version", "updated_at")
            made = note(zone, said, zone.field_changes, reverts=reverts)
        if "follows_addresses" in changed and zone.follows_addresses:
            reverse.fill(zone)
        if rekeyed or _PUSHED.intersection(changed):
            pend(zone)
    return made


def delete_zone(zone: Zone, *, version: int | None = None) -> None:
    """Delete a zone softly: its name is free, nobody sees it any more, and the name server is told to forget it.

    Its grants stay open, so that those who had it may still read in the log that it was deleted. The PTRs of its addresses
    go where they follow (`zones.reverse`). Raises `StaleVersion`.
    """
    with transaction.atomic():
        lock(zone)
        present = Zone.objects.get(pk=zone.pk)
        _compare(present, version, {})
        zone.deleted_at, zone.version = timezone.now(), present.version + 1
        zone.field_changes = ()
        zone.write("deleted_at", "version", "updated_at")
        reverse.forget(zone)
        note(zone, "deleted", [{"field": "deleted", "old": False, "new": True}])
        pend(zone)


def save_zone(zone: Zone) -> None:
    """`Zone.save()`: a new zone gets its first records; of an old one only the settings can change."""
    if zone.pk is not None:
        update_zone(zone, version=zone.version, **{field: getattr(zone, field) for field in SETTINGS})
        return
    zone.name = _hostable(zone.name)
    check_settings(zone)
    found(zone)


def zone_snapshot(zone: Zone) -> dict[str, Any]:
    """The zone's own fields as plain values."""
    return {
        "name": zone.name,
        "kind": zone.kind,
        **{field: getattr(zone, field) for field in SETTINGS},
        "version": zone.version,
    }


def _apex(zone: str, given: Iterable[RRset], nameservers: Iterable[str]) -> list[RRset]:
    """The SOA and NS that `given` lacks."""
    there = {rrset.type: rrset for rrset in given if rrset.name == APEX}
    missing = []
    if "NS" in there:
        servers = list(there["NS"].rdata)
    else:
        typed = list(nameservers) or [_this_machine(zone)]
        try:
            servers = [rdata.canonical("NS", server.removesuffix(".") + ".", zone) for server in typed]
        except ValueError as error:
            raise InvalidChange([Problem(code="invalid_name", message=str(error), field="nameservers")]) from error
        missing.append(RRset(APEX, "NS", DEFAULT_TTL, tuple(sorted(servers))))
    if "SOA" not in there:
        soa = rdata.canonical("SOA", f"{servers[0]} hostmaster {SOA_TIMERS}", zone)
        missing.append(RRset(APEX, "SOA", DEFAULT_TTL, (soa,)))
    return missing


def _this_machine(zone: str) -> str:
    """A name for the name server of zones made without one; never inside the zone, where it would need an address."""
    name = socket.getfqdn().lower()
    try:
        outside = "." in name and names.within(rdata.canonical("NS", f"{name}.", zone), zone) is None
    except ValueError:
        outside = False
    return name if outside else "localhost"


def _compare(present: Zone, version: int | None, sent: dict[str, Any]) -> None:
    if version not in (None, present.version):
        raise StaleVersion(zone_snapshot(present), {"version": version, **sent})
