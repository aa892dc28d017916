"""The pages of monitoring: how everything is and was, and the forwarders."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from monitoring import charts, intervals
from monitoring.metrics import GROUPS
from monitoring.models import Forwarder, ForwarderUse, NameServerState, Transport
from monitoring.summary import summary
from monitoring.supervisor import overview


@login_required
@permission_required("monitoring.view_health", raise_exception=True)
@require_safe
def monitoring_page(request: HttpRequest) -> HttpResponse:
    """Health, the name server, charts over `range`, the collectors, and how often is measured."""
    range_name = charts.chosen(request.GET.get("range"))
    chosen = intervals.chosen()
    return render(
        request,
        "monitoring/page.html",
        {
            "section": "monitoring",
            "summary": summary(request.user),
            "name_server": NameServerState.objects.first(),
            "charts": [charts.drawn(chart, range_name) for chart in charts.CHARTS.values()],
            "ranges": [(name, each.label) for name, each in charts.RANGES.items()],
            "range": range_name,
            "collecting": overview(),
            "intervals": [(group, title, chosen[group]) for group, (title, _) in GROUPS.items()],
            "shortest_s": intervals.SHORTEST_S,
            "longest_s": intervals.LONGEST_S,
        },
    )


@login_required
@permission_required("monitoring.view_forwarder", raise_exception=True)
@require_safe
def forwarders_page(request: HttpRequest) -> HttpResponse:
    """The forwarders with their targets, and charts of their latency over `range`."""
    range_name = charts.chosen(request.GET.get("range"))
    forwarders = list(Forwarder.objects.prefetch_related("targets").order_by("domain"))
    context: dict[str, Any] = {
        "section": "forwarders",
        "forwarders": [
            {
                "row": forwarder,
                "targets": list(forwarder.targets.all()),
                "chart": charts.of_forwarder(forwarder, range_name),
            }
            for forwarder in forwarders
        ],
        "ranges": [(name, each.label) for name, each in charts.RANGES.items()],
        "range": range_name,
        "uses": ForwarderUse.choices,
        "transports": Transport.choices,
    }
    return render(request, "forwarders/page.html", context)
