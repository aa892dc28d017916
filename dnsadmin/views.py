"""The pages that are about the whole site: dashboard, activity, and the search of the top line."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.db.models import Case, Count, IntegerField, Q, Value, When
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dnsadmin import activity
from monitoring import charts
from monitoring.summary import summary
from zones.access import may_create_zones, visible_zones
from zones.models import Record, SyncState
from zones.names import sought
from zones.nameserver import control
from zones.nameserver.endpoint import endpoint
from zones.nameserver.errors import NameServerError
from zones.searching import likely, matching, spellings

LINES = 50
"""Lines of activity on a page."""
FOUND_ZONES, FOUND_RECORDS = 6, 12
ASKED_EVERY_S = 3
"""Seconds for which the answer of the name server is good for everybody."""


@login_required
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """What happens, and what needs somebody."""
    zones = visible_zones(request.user)
    states = dict(zones.order_by().values("sync_state").annotate(count=Count("pk")).values_list("sync_state", "count"))
    lines = activity.lines(request.user, activity.Wanted(kind="zones"), LINES)
    servers: dict[str, Any] = {}
    if request.user.has_perm("monitoring.view_health"):
        range_name = charts.chosen(request.GET.get("range"))
        servers = {
            "summary": summary(request.user),
            "chart": charts.drawn(charts.CHARTS["queries"], range_name),
            "ranges": [(name, each.label) for name, each in charts.RANGES.items()],
            "range": range_name,
        }
    return render(
        request,
        "activity/dashboard.html",
        {
            "section": "dashboard",
            "zone_count": sum(states.values()),
            "served_count": states.get(SyncState.SERVED, 0),
            "waiting_count": states.get(SyncState.PENDING, 0) + states.get(SyncState.PUSHING, 0),
            "failed_count": states.get(SyncState.FAILED, 0),
            "record_count": sum(sum(counts.values()) for counts in zones.values_list("record_counts", flat=True)),
            "unserved": zones.exclude(sync_state=SyncState.SERVED).order_by("sync_state", "name")[:8],
            "lines": lines,
            "verbs": activity.VERBS,
            "may_create": may_create_zones(request.user),
            **servers,
        },
    )


@login_required
@require_safe
def activity_page(request: HttpRequest) -> HttpResponse:
    """The log: `kind`, `zone`, `who`, and `before` (a position) for older lines."""
    kind = request.GET.get("kind", "")
    before = request.GET.get("before", "")
    wanted = activity.Wanted(
        kind=kind if kind in activity.KINDS else "",
        zone=request.GET.get("zone", "").strip().lower().rstrip("."),
        who=request.GET.get("who", "").strip(),
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None,
        everything=True,
    )
    lines = activity.lines(request.user, wanted, LINES + 1)
    older = request.GET.copy()
    if len(lines) > LINES:
        older["before"] = str(lines[LINES - 1].position)
    context: dict[str, Any] = {
        "section": "activity",
        "lines": lines[:LINES],
        "older": f"?{older.urlencode()}" if len(lines) > LINES else "",
        "wanted": wanted,
        "filtered": bool(wanted.kind or wanted.zone or wanted.who),
        "kinds": [(key, label) for key, (label, _) in activity.KINDS.items()],
        "people": activity.people(request.user),
        "verbs": activity.VERBS,
    }
    return render(request, "activity/activity.html", context)


@login_required
@never_cache
@require_safe
def search(request: HttpRequest) -> JsonResponse:
    """Zones and records for the top line, as JSON: `q` is part of a zone's name, of a record's, of its content or comment;
    of an internationalised name in whole labels. Comments for editors are found, and shown, only where one may edit."""
    query = request.GET.get("q", "").strip().lower().rstrip(".")[:255]
    if not query:
        return JsonResponse({"zones": [], "records": []})
    visible = visible_zones(request.user)
    texts, name = spellings(query), sought(query)
    zones = visible.filter(name__contains=name).order_by("name")[:FOUND_ZONES]
    narrowed = Record.rows.filter(
        Q(pk__in=likely(texts, visible.values("pk")).values("pk"))
        | Q(pk__in=Record.rows.filter(_by_whole_name(name), zone__in=visible).values("pk"))
    )
    records = (
        narrowed.annotate(shown=Q(private=False) | Q(zone__in=visible_zones(request.user, "edit")))
        .filter(matching(texts, private=False) | Q(comment__icontains=query, shown=True) | _by_whole_name(name))
        .select_related("zone")
        .order_by(_nearest_first(name), "zone__name", "name", "type")[:FOUND_RECORDS]
    )
    return JsonResponse(
        {
            "zones": [
                {"name": zone.name, "state": zone.sync_state, "url": reverse("zones:zone", args=[zone.name])}
                for zone in zones
            ],
            "records": [
                {
                    "zone": record.zone.name,
                    "name": record.name,
                    "type": record.type,
                    "content": record.content[:200],
                    "comment": record.comment[:200] if record.shown else "",
                    "url": f"{reverse('zones:zone', args=[record.zone.name])}#record-{record.pk}",
                }
                for record in records
            ],
        }
    )


def _nearest_first(query: str) -> Case:
    """The order of what was found: the name itself, what begins with it, what has it in the name, then in the content."""
    ranks = (_by_whole_name(query) | Q(name=query), Q(name__startswith=query), Q(name__contains=query))
    whens = [When(rank, then=Value(place)) for place, rank in enumerate(ranks)]
    return Case(*whens, default=Value(len(ranks)), output_field=IntegerField())


def _by_whole_name(query: str) -> Q:
    """Records by their whole domain name: `www.example.com` is `www` in `example.com`."""
    labels = query.split(".")
    whole = Q(name="@", zone__name=query)
    for cut in range(1, min(len(labels), 20)):
        whole |= Q(name=".".join(labels[:cut]), zone__name=".".join(labels[cut:]))
    return whole


@login_required
@never_cache
@require_safe
def name_server(request: HttpRequest) -> JsonResponse:
    """How the name server is, in words, as JSON; a request of its own, so that no page waits for a server that is down."""
    answer = cache.get("name-server")
    if answer is None:
        answer = _ask_name_server()
        cache.set("name-server", answer, ASKED_EVERY_S)
    return JsonResponse(answer)


def _ask_name_server() -> dict[str, str]:
    try:
        place = endpoint()
        status = control.status(place, timeout_s=2)
    except NameServerError as error:
        again = (
            "Changes are saved and will be pushed when it answers." if error.retry else "Somebody has to look after it."
        )
        return {
            "state": "failed",
            "words": "Does not answer",
            "details": f"{error.message[:1].upper()}{error.message[1:]}. {again}",
        }
    return {
        "state": "served",
        "words": "Answers",
        "details": f"BIND {status.version} at {place}, {status.zones} zone{pluralize(status.zones)}",
    }
