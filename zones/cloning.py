"""A new zone with the records of another: names that lie in the one lie in the other at the same place."""

from __future__ import annotations

from django.db import transaction

from zones import bulk, names, rdata
from zones.lifecycle import create_zone
from zones.models import Record, Zone
from zones.operations import operation
from zones.rrsets import RR, RRset, group

OPERATION = "zone_clone"


def clone(source: Zone, name: str, *, comment: str = "", private: bool) -> Zone:
    """Make the primary zone `name` with the records of `source` and their comments, as one change set; an operation, because
    there may be many of them.

    private: also comments for editors. Raises `InvalidChange`, `Cancelled`.
    """
    with operation(OPERATION, None, source.record_count, None, lambda error: [str(error)]) as watched:
        rrsets, comments = _records(source, _plain(name), private=private)
        with bulk.many(Record), watched.counting_rows(), transaction.atomic():
            made = create_zone(name, comment=comment, rrsets=rrsets, comments=comments)
            change_set = made.change_sets.defer("rrsets").latest("id")
            watched.completed(made, change_set.change_count, {"change_set": change_set.pk, "clone_of": source.name})
    return made


def _records(source: Zone, to: str, *, private: bool) -> tuple[list[RRset], dict[tuple[str, str, str], str]]:
    """The records of a zone as they are in the zone `to`, and their comments."""
    records: list[RR] = []
    comments: dict[tuple[str, str, str], str] = {}
    rows = Record.rows.filter(zone=source).values_list("name", "type", "ttl", "content", "comment", "private")
    for owner, kind, ttl, content, said, is_private in rows.iterator():
        record = RR(owner, kind, ttl, _moved(kind, content, source.name, to))
        records.append(record)
        if said and (private or not is_private):
            comments[record.name, record.type, record.content] = said
    return group(records), comments


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
