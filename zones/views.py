"""The pages of zones: the list, and one zone with its records.

They only read, through what the user may see; the browser writes through the JSON API. Search, filter, order and page
live in the URL. Each page costs the same number of queries, however much it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from zones import history, listing, mirroring, rdata
from zones.access import editing, may, may_create_zones, visible_zone, visible_zones
from zones.changes import BULK, newest_change
from zones.models import ChangeSet, Record, SyncState, Zone, ZoneKind
from zones.names import readable, sought
from zones.reverting import takes_back

HISTORY_SIZE, CHANGES_SHOWN = 25, 20
"""Change sets on a page, and changes that are shown of each."""
RECENT_CHANGE_SETS = 50
"""How many unserved change sets are looked at to mark single records; beyond that the zone's own state says enough."""

ZONE_ORDERS = {"name": "name", "state": "sync_state", "serial": "serial", "changed": "updated_at"}


@login_required
@require_safe
def zone_list(request: HttpRequest) -> HttpResponse:
    """The zones that one may see: `q` (part of the name), `state`, `sort`, `page`."""
    zones = visible_zones(request.user)
    query = request.GET.get("q", "").strip().lower().rstrip(".")
    state = request.GET.get("state", "")
    found = zones.filter(name__contains=sought(query)) if query else zones
    if state in SyncState.values:
        found = found.filter(sync_state=state)
    sort, order = _order(request, ZONE_ORDERS, "name")
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
    """One zone with its records: `q` (part of name, content, comment), `type`, `sort`, `page`. 404 unless one may see it."""
    zone = _zone(request, name)
    based_on = newest_change(zone) if zone.drift else 0  # before what it gives up is read
    rights = editing(request.user, zone)
    may_edit, may_create = bool(rights.grants), may_create_zones(request.user)
    # The records of other kinds come from elsewhere; nobody writes them here.
    writable = may_edit and zone.writable
    query, kind = request.GET.get("q", "").strip(), request.GET.get("type", "").upper()
    sort = request.GET.get("sort", "name")
    if sort.removeprefix("-") not in listing.ORDERS:
        sort = "name"
    rows: Any = listing.of(zone, query=query, kind=kind, sort=sort, private=may_edit)
    page = listing.Pages(rows, listing.PAGE_SIZE).get_page(request.GET.get("page"))
    unserved = _unserved(zone) if zone.sync_state != SyncState.SERVED else {}
    records = [_row(record, unserved, comments=may_edit) for record in page]
    return render(
        request,
        "zones/zone.html",
        {
            "section": "zones",
            "zone": zone,
            "page": page,
            "records": records,
            "types": sorted(zone.record_counts.items()),
            "total": zone.record_count,
            "query": query,
            "query_as_names_are": sought(query),
            "type": kind,
            "sort": sort,
            "filtered": bool(query or kind),
            "may_edit": writable,
            "gives_up": mirroring.given_up(zone) if zone.drift else [],
            "based_on": based_on,
            "may_manage": may(request.user, "manage", zone),
            "may_create": may_create,
            "may_take_over": may_edit and may_create,
            "rights": msgspec.to_builtins(rights.grants),
            "record_types": msgspec.to_builtins(rdata.catalogue()),
        },
    )


@login_required
@require_safe
def zone_history(request: HttpRequest, name: str) -> HttpResponse:
    """The change sets of a zone, newest first: `name` of a record, `author`, `origin`, `page`. Administrators see from which
    address each was made."""
    zone = _zone(request, name)
    named, author, origin = (request.GET.get(field, "").strip() or None for field in ("name", "author", "origin"))
    wanted = history.Wanted(name=named, author=author, origin=origin)
    made: Any = history.History(zone, wanted, CHANGES_SHOWN)
    page: Page[Any] = Paginator(made, HISTORY_SIZE).get_page(request.GET.get("page"))
    may_edit, may_manage = (may(request.user, level, zone) for level in ("edit", "manage"))
    found: list[Any] = list(page)
    for change_set in found:
        changed = history.shown_settings(change_set.settings, rights=may_manage)
        change_set.lines = history.lines(change_set.first_changes, private=may_edit) + history.setting_lines(changed)
        if change_set.settings:
            change_set.taken_back = may_manage and takes_back(change_set.settings)
        else:
            change_set.taken_back = may_edit and zone.writable and not change_set.overwritten
        change_set.more = change_set.change_count - len(change_set.first_changes)
    return render(
        request,
        "zones/history.html",
        {
            "section": "zones",
            "zone": zone,
            "page": page,
            "change_sets": found,
            "wanted": wanted,
            "authors": made.authors,
            "origins": made.origins,
            "may_edit": may_edit and zone.writable,
        },
    )


def _zone(request: HttpRequest, name: str) -> Zone:
    """The zone of the URL. Raises `Http404` unless one may see it."""
    zone: Zone | None = visible_zone(request.user, sought(name.lower().rstrip(".")))
    if zone is None:
        raise Http404
    return zone


def _row(record: Record, unserved: dict[tuple[str, str], dict[str, Any]], *, comments: bool) -> dict[str, Any]:
    """A record as the page and its script know it. `comments`: also those that are private."""
    return {
        "id": record.pk,
        "name": record.name,
        "name_unicode": readable(record.name),
        "type": record.type,
        "ttl": record.ttl,
        "content": _served_content(record),
        "target_unicode": _readable_target(record),
        "comment": record.comment if comments or not record.private else "",
        "private": record.private,
        "version": record.version,
        "updated_by": record.updated_by.get_username() if record.updated_by else "",
        "updated_at": record.updated_at.isoformat(timespec="seconds"),
        "unserved": unserved.get((record.name, record.type)),
    }


def _readable_target(record: Record) -> str:
    """Where it points, as people read it, where that is not how it is written."""
    target = rdata.target(record.type, record.content) or ""
    return shown if (shown := readable(target)) != target else ""


def _served_content(record: Record) -> str:
    """The content as it is served: the name server keeps the serial, which is 0 in ours."""
    if record.type != "SOA" or not record.zone.serial:
        return record.content
    words = record.content.split(" ")
    return " ".join([*words[:2], str(record.zone.serial), *words[3:]])


def _unserved(zone: Zone) -> dict[tuple[str, str], dict[str, Any]]:
    """The RRsets (name, type) that are saved but not served, with their last change set and how it stands. What a bulk write
    changed is left out: there, too, the zone's own state says enough, and reading it would take longer than all the rest."""
    change_sets = ChangeSet.objects.filter(zone=zone).exclude(state=SyncState.SERVED).order_by("-id")
    change_sets = change_sets.filter(change_count__lte=BULK)
    recent = change_sets.values("id", "state", "rrsets")[:RECENT_CHANGE_SETS]
    return {
        (rrset["name"], rrset["type"]): {"change_set": change_set["id"], "state": change_set["state"]}
        for change_set in reversed(recent)
        for rrset in change_set["rrsets"]
    }


def _order(request: HttpRequest, orders: Mapping[str, str], default: str) -> tuple[str, str]:
    """The `sort` of the URL, as it is shown and as the database takes it; a leading minus turns it round."""
    sort = request.GET.get("sort", default)
    column = orders.get(sort.removeprefix("-"))
    if column is None:
        return default, orders[default]
    return sort, f"-{column}" if sort.startswith("-") else column


def _page(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    """The page of the URL; the nearest one that exists when it is out of range."""
    return Paginator(rows, listing.PAGE_SIZE).get_page(request.GET.get("page"))
