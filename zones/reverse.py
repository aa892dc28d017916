"""PTR records kept in step with addresses, in reverse zones that were told to (`Zone.follows_addresses`).

When an A or AAAA record of a primary zone comes, its PTR comes with it, in the same transaction; when it goes, so does the
PTR that points to it. A PTR that somebody has set to another name is never touched. Where an address has several names the
first keeps it, and when that goes, the next has it. Names with a wildcard have no PTR, and classless zones (RFC 2317) are
left to people.
"""

from __future__ import annotations

from collections.abc import Iterable

import dns.exception
import dns.name
import dns.reversename

from zones.models import BEGINNING, Change, ChangeKind, Record, Zone, ZoneKind
from zones.names import absolute, is_reverse, within
from zones.plan import chunks

ADDRESSES = ("A", "AAAA")


def follow(zone: Zone, changes: Iterable[Change], *, comment: str) -> None:
    """Bring the reverse zones to what `changes` of `zone` made of its addresses. One query when none follows."""
    if is_reverse(zone.name) or zone.kind != ZoneKind.PRIMARY:
        return
    following = list(Zone.objects.living().filter(follows_addresses=True, kind=ZoneKind.PRIMARY, watched=False))
    if not following:
        return
    come: dict[str, tuple[str, int]] = {}
    gone: dict[str, set[str]] = {}
    for change in changes:
        if change.before is not None and (found := _pointer(zone, change.before)):
            gone.setdefault(found[0], set()).add(found[1])
        if change.after is not None and (found := _pointer(zone, change.after)):
            come.setdefault(found[0], (found[1], change.after["ttl"]))
    for reverse, names in _by_zone(following, come.keys() | gone.keys()).items():
        here = {name: come[whole] for name, whole in names.items() if whole in come}
        there = {name: gone[whole] for name, whole in names.items() if whole in gone}
        left = _still_named({whole for name, whole in names.items() if name in there and name not in here})
        here |= {name: left[whole] for name, whole in names.items() if whole in left}
        _change(reverse, here, there, comment)


def forget(zone: Zone) -> None:
    """Take the PTRs away that stand for addresses of a zone that goes."""
    rows = Record.rows.filter(zone=zone, type__in=ADDRESSES).values("name", "type", "content", "ttl")
    gone = (Change(op=ChangeKind.DELETE, before=row) for row in rows.iterator())
    follow(zone, gone, comment=f"the zone {zone.name} was deleted")


def fill(reverse: Zone) -> None:
    """Give a zone that has just begun to follow the PTRs of the addresses that are there already."""
    come: dict[str, tuple[str, int]] = {}
    rows = Record.rows.filter(zone__deleted_at=None, zone__kind=ZoneKind.PRIMARY, type__in=ADDRESSES).order_by("pk")
    for name, content, ttl, zone in rows.values_list("name", "content", "ttl", "zone__name").iterator():
        whole = _reverse_name(content)
        if whole and "*" not in name and (owner := within(whole, reverse.name)):
            come.setdefault(owner, (absolute(name, zone), ttl))
    _change(reverse, come, {}, "addresses that are there already")


def _still_named(wholes: set[str]) -> dict[str, tuple[str, int]]:
    """Of addresses that lost a name, by their reverse names: the first that they have still, and its TTL."""
    addresses = {dns.reversename.to_address(dns.name.from_text(whole)): whole for whole in wholes}
    zones = Zone.objects.living().filter(kind=ZoneKind.PRIMARY)
    found: dict[str, tuple[str, int]] = {}
    for some in chunks(addresses):
        # By the index of contents, which takes no more than their beginning; an address is shorter.
        rows = Record.rows.alias(beginning=BEGINNING).filter(zone__in=zones, beginning__in=some, type__in=ADDRESSES)
        for name, content, ttl, zone in rows.order_by("pk").values_list("name", "content", "ttl", "zone__name"):
            if "*" not in name and content in addresses:
                found.setdefault(addresses[content], (absolute(name, zone), ttl))
    return found


def _change(reverse: Zone, come: dict[str, tuple[str, int]], gone: dict[str, set[str]], comment: str) -> None:
    """come: owner -> name and TTL of a new PTR. gone: owner -> names that it pointed to."""
    from zones.changes import change_set

    present: dict[str, list[Record]] = {}
    for some in chunks(come.keys() | gone.keys()):
        for record in Record.rows.filter(zone=reverse, name__in=some):
            present.setdefault(record.name, []).append(record)
    with change_set(reverse, comment=comment, unlimited=True) as changes:
        for owner in sorted(come.keys() | gone.keys()):
            target, ttl = come.get(owner, ("", 0))
            stays = []
            for record in present.get(owner, ()):
                if record.type == "PTR" and record.content in gone.get(owner, ()) and record.content != target:
                    changes.delete(record)
                else:
                    stays.append(record)
            if target and not stays:
                changes.create(name=owner, type="PTR", ttl=ttl, content=target)


def _pointer(zone: Zone, side: dict[str, object]) -> tuple[str, str] | None:
    """The reverse name of an address record, and the name that it should point to."""
    if side["type"] not in ADDRESSES or "*" in str(side["name"]):
        return None
    whole = _reverse_name(str(side["content"]))
    return (whole, absolute(str(side["name"]), zone.name)) if whole else None


def _reverse_name(address: str) -> str | None:
    try:
        return dns.reversename.from_address(address).to_text().lower()
    except (dns.exception.DNSException, ValueError):
        return None


def _by_zone(following: Iterable[Zone], wholes: Iterable[str]) -> dict[Zone, dict[str, str]]:
    """For each zone the names that lie in it, relative and whole; the most specific zone has a name."""
    nearest = sorted(following, key=lambda zone: -len(zone.name))
    found: dict[Zone, dict[str, str]] = {}
    for whole in wholes:
        for zone in nearest:
            if (owner := within(whole, zone.name)) is not None:
                found.setdefault(zone, {})[owner] = whole
                break
    return found
