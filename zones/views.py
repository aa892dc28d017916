"""The pages of zones: the list, and one zone with its records.

They only read, through what the user may see; the browser writes through the JSON API. Search, filter, order and page
live in the URL. Each page costs the same number of queries, however much it shows.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from zones import history, rdata
from zones.access import may, may_create_zones, visible_zones
from zones.models import Change, ChangeSet, Record, SyncState, Zone, ZoneKind
from zones.names import readable

PAGE_SIZE = 100
HISTORY_SIZE, CHANGES_SHOWN = 25, 20
"""Change sets on a page, and changes that are shown of each."""
RECENT_CHANGE_SETS = 50
"""How many unserved change sets are looked at to mark single records; beyond that the zone's own state says enough."""

ZONE_ORDERS = {"name": "name", "state": "sync_state", "serial": "serial", "changed": "updated_at"}
RECORD_ORDERS = {"name": "name", "type": "type", "ttl": "ttl", "content": "content", "changed": "updated_at"}


@login_required
@require_safe
def zone_list(request: HttpRequest) -> HttpResponse:
    """The zones that one may see: `q` (part of the name), `state`, `sort`, `page`."""
    zones = visible_zones(request.user)
    query = request.GET.get("q", "").strip().lower().rstrip(".")
    state = request.GET.get("state", "")
    found = zones.filter(name__contains=query) if query else zones
    if state in SyncState.values:
        found = found.filter(sync_state=state)
    sort, order = _order(request, ZONE_ORDERS, "name")
    # Counted for the rows of the page only: a subquery, not a join of everything.
    records = Record.objects.filter(zone=OuterRef("pk")).order_by().values("zone").annotate(n=Count("pk")).values("n")
    found = found.annotate(record_count=Coalesce(Subquery(records, output_field=IntegerField()), 0))
    page = _page(request, found.order_by(order, "name"))
    return render(
        request,
        "zones/list.html",
        {
            "section": "zones",
            "page": page,
            "query": query,
            "state": state,
            "states": SyncState.choices,
            "sort": sort,
            "filtered": bool(query or state),
            "may_create": may_create_zones(request.user),
            "kinds": ZoneKind.choices,
        },
    )


@login_required
@require_safe
def zone_page(request: HttpRequest, name: str) -> HttpResponse:
    """One zone with its records: `q` (part of name or content), `type`, `sort`, `page`. 404 unless one may see it."""
    zone = get_object_or_404(visible_zones(request.user), name=name.lower().rstrip("."))
    may_edit = may(request.user, "edit", zone)
    # The records of other kinds come from elsewhere; nobody writes them here.
    writable = may_edit and zone.writable
    types = list(zone.records.order_by("type").values("type").annotate(count=Count("pk")).values_list("type", "count"))
    query, kind = request.GET.get("q", "").strip(), request.GET.get("type", "").upper()
    sort, order = _order(request, RECORD_ORDERS, "name")
    page = _page(request, _records(zone, query, kind, order))
    unserved = _unserved(zone)
    records = [_row(record, unserved, comments=may_edit) for record in page]
    return render(
        request,
        "zones/zone.html",
        {
            "section": "zones",
            "zone": zone,
            "page": page,
            "records": records,
            "types": types,
            "total": sum(count for _, count in types),
            "query": query,
            "type": kind,
            "sort": sort,
            "filtered": bool(query or kind),
            "may_edit": writable,
            "may_manage": may(request.user, "manage", zone),
            "may_take_over": may_edit and may_create_zones(request.user),
            "record_types": msgspec.to_builtins(rdata.catalogue()),
        },
    )


@login_required
@require_safe
def zone_history(request: HttpRequest, name: str) -> HttpResponse:
    """The change sets of a zone, newest first: `name` of a record, `author`, `origin`, `page`."""
    zone = get_object_or_404(visible_zones(request.user), name=name.lower().rstrip("."))
    named, author, origin = (request.GET.get(field, "").strip() or None for field in ("name", "author", "origin"))
    wanted = history.Wanted(name=named, author=author, origin=origin)
    some = Prefetch("changes", Change.objects.order_by("id")[:CHANGES_SHOWN], to_attr="first_changes")
    page = Paginator(history.of(zone, wanted).prefetch_related(some), HISTORY_SIZE).get_page(request.GET.get("page"))
    may_edit = may(request.user, "edit", zone)
    found: list[Any] = list(page)
    for change_set in found:
        change_set.lines = history.lines(change_set.first_changes, private=may_edit)
        change_set.more = change_set.change_count - len(change_set.first_changes)
    made = zone.change_sets.order_by()
    return render(
        request,
        "zones/history.html",
        {
            "section": "zones",
            "zone": zone,
            "page": page,
            "change_sets": found,
            "wanted": wanted,
            "authors": sorted(made.exclude(author_name="").values_list("author_name", flat=True).distinct()),
            "origins": sorted(made.values_list("origin", flat=True).distinct()),
            "may_edit": may_edit and zone.writable,
        },
    )


def _records(zone: Zone, query: str, kind: str, order: str) -> QuerySet[Record]:
    records: QuerySet[Record] = zone.records.select_related("updated_by", "zone")
    if query:
        # A name is searched as people write it: relative, or whole with the zone's name behind it.
        relative = query.lower().rstrip(".").removesuffix(zone.name).rstrip(".") or "@"
        records = records.filter(
            Q(name__contains=relative) | Q(content__icontains=query) | Q(comment__icontains=query, private=False)
        )
    if kind:
        records = records.filter(type=kind)
    apex_first = Case(When(name="@", then=Value(0)), default=Value(1), output_field=IntegerField())
    by_name = (
        [apex_first if not order.startswith("-") else apex_first.desc(), order] if order.endswith("name") else [order]
    )
    soa_first = Case(When(type="SOA", then=Value(0)), When(type="NS", then=Value(1)), default=Value(2))
    return records.order_by(*by_name, "name", soa_first, "type", "content", "pk")


def _row(record: Record, unserved: dict[tuple[str, str], dict[str, Any]], *, comments: bool) -> dict[str, Any]:
    """A record as the page and its script know it. `comments`: also those that are private."""
    return {
        "id": record.pk,
        "name": record.name,
        "name_unicode": readable(record.name),
        "type": record.type,
        "ttl": record.ttl,
        "content": _served_content(record),
        "comment": record.comment if comments or not record.private else "",
        "private": record.private,
        "version": record.version,
        "updated_by": record.updated_by.get_username() if record.updated_by else "",
        "updated_at": record.updated_at.isoformat(timespec="seconds"),
        "unserved": unserved.get((record.name, record.type)),
    }


def _served_content(record: Record) -> str:
    """The content as it is served: the name server keeps the serial, which is 0 in ours."""
    if record.type != "SOA" or not record.zone.serial:
        return record.content
    words = record.content.split(" ")
    return " ".join([*words[:2], str(record.zone.serial), *words[3:]])


def _unserved(zone: Zone) -> dict[tuple[str, str], dict[str, Any]]:
    """The RRsets (name, type) that are saved but not served, with their last change set and how it stands."""
    change_sets = ChangeSet.objects.filter(zone=zone).exclude(state=SyncState.SERVED).order_by("-id")
    recent = change_sets.values("id", "state", "rrsets")[:RECENT_CHANGE_SETS]
    return {
        (rrset["name"], rrset["type"]): {"change_set": change_set["id"], "state": change_set["state"]}
        for change_set in reversed(recent)
        for rrset in change_set["rrsets"]
    }


def _order(request: HttpRequest, orders: dict[str, str], default: str) -> tuple[str, str]:
    """The `sort` of the URL, as it is shown and as the database takes it; a leading minus turns it round."""
    sort = request.GET.get("sort", default)
    column = orders.get(sort.removeprefix("-"))
    if column is None:
        return default, orders[default]
    return sort, f"-{column}" if sort.startswith("-") else column


def _page(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    """The page of the URL; the nearest one that exists when it is out of range."""
    return Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
