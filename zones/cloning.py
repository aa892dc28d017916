"""A new zone with the records of another: names that lie in the one lie in the other at the same place."""

from __future__ import annotations

from zones import names, rdata
from zones.changes import create_zone
from zones.models import Record, Zone
from zones.rrsets import RR, group


def clone(source: Zone, name: str, *, comment: str = "", private: bool) -> Zone:
    """Make the primary zone `name` with the records of `source` and their comments, as one change set.

    private: also comments for editors. Raises `InvalidChange`.
    """
    to = _plain(name)
    records: list[RR] = []
    comments: dict[tuple[str, str, str], str] = {}
    rows = Record.rows.filter(zone=source).values_list("name", "type", "ttl", "content", "comment", "private")
    for owner, kind, ttl, content, said, is_private in rows.iterator():
        record = RR(owner, kind, ttl, _moved(kind, content, source.name, to))
        records.append(record)
        if said and (private or not is_private):
            comments[record.name, record.type, record.content] = said
    return create_zone(name, comment=comment, rrsets=group(records), comments=comments)


def _plain(name: str) -> str:
    try:
        return names.zone_name(name)
    except ValueError:
        return "invalid"  # `create_zone` says what is wrong with it


def _moved(kind: str, content: str, zone: str, to: str) -> str:
    if f"{zone}." not in content:
        return content
    target = rdata.target(kind, content)
    if target is None:
        return rdata.moved(kind, content, zone, to)
    inside = names.within(target, zone)
    return content if inside is None else content.removesuffix(target) + names.absolute(inside, to)
