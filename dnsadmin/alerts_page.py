"""The page of alerts: what needs somebody, what was done about it, and the same as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from realtime import alerts, audience
from realtime.alert_models import Alert, AlertState
from realtime.alerts_api import as_values
from realtime.audience import Audience
from realtime.events import SEVERITIES, EventSeverity, EventType
from realtime.plain import cell

PAGE_SIZE = 50
MOST_EXPORTED = 10_000

STATES = [("unresolved", "Not over"), *AlertState.choices, ("all", "All")]
KINDS = [
    (EventType.SECURITY_ALERT.value, "Security"),
    (EventType.HEALTH_ALERT.value, "Health"),
    (EventType.PERFORMANCE_ALERT.value, "Performance"),
]
MUTES = [(3600, "1 hour"), (8 * 3600, "8 hours"), (86_400, "1 day"), (7 * 86_400, "1 week")]
COLUMNS = (
    *("id", "raised_at", "kind", "severity", "state", "title", "detail", "zone", "client", "count"),
    *("acknowledged_by", "acknowledged_at", "resolved_by", "resolved_at", "evidence"),
)


@login_required
@require_safe
def alerts_page(request: HttpRequest) -> HttpResponse:
    """The alerts that one may see: `state`, `severity`, `kind`, `muted`, `q` (part of title or zone), `page`."""
    viewer = audience.of(request.user, "zone")
    wanted = _wanted(request)
    page = Paginator(_found(viewer, wanted), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(
        request,
        "alerts/list.html",
        {
            "section": "alerts",
            "page": page,
            "cards": [_card(viewer, alert) for alert in page],
            "wanted": wanted,
            "filtered": wanted != _DEFAULT,
            "states": STATES,
            "kinds": KINDS,
            "severities": SEVERITIES[::-1],
            "mutes": MUTES,
            "query": request.GET.urlencode(),
        },
    )


@login_required
@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """The same alerts as CSV, the newest ten thousand at most."""
    viewer = audience.of(request.user, "zone")
    found = _found(viewer, _wanted(request))[:MOST_EXPORTED]
    answer = HttpResponse(_rows(viewer, list(found)), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="alerts.csv"'
    return answer


class _Line:
    """What a CSV writer writes to: it hands each line on."""

    def write(self, line: str) -> str:
        return line


def _rows(viewer: Audience, found: list[Alert]) -> Iterator[str]:
    writer: Any = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    for alert in found:
        values = as_values(viewer, alert)
        yield writer.writerow([_cell(values[name]) for name in COLUMNS])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return cell(json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value)


_DEFAULT = {"state": "unresolved", "severity": "", "kind": "", "q": "", "muted": ""}


def _wanted(request: HttpRequest) -> dict[str, str]:
    """What the address asks for; what it cannot mean counts as left out."""
    allowed = {
        "state": {value for value, _ in STATES},
        "severity": {each.value for each in EventSeverity},
        "kind": {value for value, _ in KINDS},
        "muted": {"yes", "no"},
    }
    wanted = {name: request.GET.get(name, default) for name, default in _DEFAULT.items()}
    kept = {name: value if value in allowed[name] else _DEFAULT[name] for name, value in wanted.items() if name != "q"}
    return kept | {"q": wanted["q"].replace("\0", "").strip()[:200]}


def _found(viewer: Audience, wanted: dict[str, str]) -> Any:
    rows = alerts.matching(
        alerts.visible_to(viewer),
        state="" if wanted["state"] == "all" else wanted["state"],
        severity=wanted["severity"],
        kind=wanted["kind"],
        search=wanted["q"],
        muted={"yes": True, "no": False}.get(wanted["muted"]),
    )
    return rows.prefetch_related("entries")


def _card(viewer: Audience, alert: Alert) -> dict[str, Any]:
    values = as_values(viewer, alert)
    proofs = [(name.replace("_", " "), _lines(value)) for name, value in (values["evidence"] or {}).items()]
    return values | {
        "kind_label": dict(KINDS).get(alert.event_type, alert.event_type),
        "proofs": proofs,
        "hidden": "evidence" in values["redacted"],
        "mark": f"{alert.state}-{alert.count}-{len(values['timeline'])}",
        "raised": alert.raised_at,
        "seen": alert.seen_at,
        "entries": sorted(alert.entries.all(), key=lambda entry: -entry.pk),
    }


def _lines(value: Any) -> list[str]:
    """A piece of evidence as lines of text."""
    if value is None:
        return ["not shown to you"]
    if isinstance(value, list):
        return [line for each in value[:50] for line in _lines(each)]
    if isinstance(value, dict):
        return [", ".join(f"{name} {_lines(each)[0]}" for name, each in value.items() if each is not None)]
    return [str(value)]
