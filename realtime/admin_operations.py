"""The roll-out, the figures and the way of one event in Django's admin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone

from realtime import rollout
from realtime.actors import acting
from realtime.events import EventType
from realtime.guard import LIVE
from realtime.models import LogEvent, MetricSample, Rollout, RolloutFlag
from realtime.read_only import ReadOnly

CHARTED = timedelta(hours=6)
MOST_POINTS = 120
HISTORY = 20
WIDTH, HEIGHT = 300, 60


class StepForm(forms.Form):
    """A step of the roll-out."""

    action = forms.ChoiceField(choices=[(name, name) for name in rollout.STEPS])
    percent = forms.FloatField(required=False, min_value=0, max_value=100, help_text="start and advance only")
    reason = forms.CharField(required=False, max_length=1000)


class OnePage(ReadOnly, admin.ModelAdmin):
    """A page in place of the list of a model's rows."""


@admin.register(Rollout)
class RolloutAdmin(OnePage):
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = StepForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            if not request.user.has_perm("realtime.change_rollout"):
                raise PermissionDenied
            self._step(request, form.cleaned_data)
            return HttpResponseRedirect(request.path)
        steps = LogEvent.objects.filter(event_type=EventType.ROLLOUT_CHANGED).order_by("-pk")[:HISTORY]
        context = {
            **self.admin_site.each_context(request),
            "title": "Rollout",
            "opts": self.opts,
            "status": rollout.status(),
            "form": form,
            "may_change": request.user.has_perm("realtime.change_rollout"),
            "history": [(row, json.loads(row.data)) for row in steps],
            "charts": charts(),
        }
        return TemplateResponse(request, "admin/realtime/rollout.html", context)

    def _step(self, request: HttpRequest, given: dict[str, Any]) -> None:
        try:
            with acting(request.user, origin="page", address=request.META.get("REMOTE_ADDR")):
                rollout.STEPS[given["action"]](given["percent"], given["reason"])
        except rollout.Refused as problem:
            messages.error(request, str(problem))
        else:
            messages.success(request, f"{given['action']}: done")


@admin.register(RolloutFlag)
class TestersAdmin(admin.ModelAdmin):
    """Who is on whatever the percentage. The percentage itself is moved on the page of the roll-out, which records it."""

    list_display = ("name", "everyone", "percent")
    fields = ("users", "groups")
    filter_horizontal = ("users", "groups")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(MetricSample)
class FiguresAdmin(OnePage):
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        samples = MetricSample.objects.filter(taken_at__gte=timezone.now() - LIVE).order_by("taken_at")
        latest: dict[str, dict[str, Any]] = dict(samples.values_list("node", "figures"))  # of each node its last
        names = [name for figures in latest.values() for name, value in figures.items() if not isinstance(value, dict)]
        context = {
            **self.admin_site.each_context(request),
            "title": "Statistics",
            "opts": self.opts,
            "nodes": list(latest),
            "rows": [(name, [f.get(name) for f in latest.values()]) for name in dict.fromkeys(names) if name != "node"],
            "charts": charts(),
        }
        return TemplateResponse(request, "admin/realtime/statistics.html", context)


def charts() -> list[dict[str, Any]]:
    """The key figures of the last hours, all processes together, as lines for SVG."""
    rows = MetricSample.objects.filter(taken_at__gte=timezone.now() - CHARTED).order_by("taken_at")
    minutes: dict[str, dict[str, dict[str, Any]]] = {}
    for node, taken_at, figures in rows.values_list("node", "taken_at", "figures"):
        minutes.setdefault(f"{taken_at:%Y-%m-%d %H:%M}", {})[node] = figures
    moments = list(minutes.values())[-MOST_POINTS:]

    def summed(name: str) -> list[float]:
        return [sum(float(figures.get(name) or 0) for figures in nodes.values()) for nodes in moments]

    unified = [sum(f["connections_by_system"].get("unified", 0) for f in nodes.values()) for nodes in moments]
    legacy = [sum(f["connections_by_system"].get("legacy", 0) for f in nodes.values()) for nodes in moments]
    slowest = [max((f["p99_s"] * 1000 for f in nodes.values() if f["p99_s"]), default=None) for nodes in moments]
    return [
        _chart("Connections, unified", unified, ""),
        _chart("Connections, old system", legacy, ""),
        _chart("Commit to browser, 99 %", slowest, "ms"),
        _chart("Memory", [value / 1e6 for value in summed("memory_bytes")], "MB"),
        _chart("Unconfirmed", [value / 1e3 for value in summed("unconfirmed_bytes")], "kB"),
    ]


def _chart(title: str, values: Sequence[float | None], unit: str) -> dict[str, Any]:
    """One line. `None`: nothing was measured in that minute."""
    top = max((value for value in values if value is not None), default=None)
    step = WIDTH / max(1, len(values) - 1)
    points = " ".join(
        f"{place * step:.1f},{HEIGHT - (value or 0) / (top or 1) * (HEIGHT - 4):.1f}"
        for place, value in enumerate(values)
    )

    def shown(value: float | None) -> str:
        return "–" if value is None else f"{value:,.0f} {unit}".strip()

    now = shown(values[-1]) if values else "no figures yet"
    return {"title": title, "points": points, "now": now, "top": shown(top), "w": WIDTH, "h": HEIGHT}
