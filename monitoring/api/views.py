"""The HTTP interface of monitoring: how everything is, figures over time, how often they are measured."""

from __future__ import annotations

from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import intervals, series
from monitoring.api import serializers as shapes
from monitoring.metrics import find
from monitoring.summary import summary
from zones.api.acting import ActingView


class MonitoringView(ActingView):
    """A view for those who may see the health of things. permissions: what each method asks for beside that."""

    permissions: dict[str, str] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not request.user.has_perm("monitoring.view_health"):
            raise PermissionDenied("You may not see the health of the servers.")
        needed = self.permissions.get(request.method or "")
        if needed and not request.user.has_perm(needed):
            raise PermissionDenied("You may see this, but not do it.")


class SummaryView(MonitoringView):
    """How everything is now."""

    @extend_schema(responses={200: dict})
    def get(self, request: Request) -> Response:
        return Response(summary(request.user))


class SeriesView(MonitoringView):
    """One metric over time."""

    @extend_schema(
        parameters=[
            OpenApiParameter("metric", str, required=True, description="Such as `cpu_percent` or `dns_queries`."),
            OpenApiParameter("from", str, description="ISO 8601, or seconds before now, as `-3600` (the default)."),
            OpenApiParameter("to", str, description="The end, not included; now, unless given."),
            OpenApiParameter("step", int, description="Seconds of each point, a multiple of 10."),
        ],
        responses=shapes.SeriesSerializer,
    )
    def get(self, request: Request) -> Response:
        asked = shapes.SeriesRequest(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        metric, start, end, step = (asked.validated_data[name] for name in ("metric", "from", "to", "step"))
        declared = find(metric)
        points = [msgspec.structs.asdict(point) for point in series.read(metric, start, end, step)]
        document = {
            "metric": metric,
            "title": declared.title,
            "unit": declared.unit,
            "counted": declared.counted,
            "step": step,
            "from": series.begin(start, step),
            "to": end,
            "points": points,
        }
        return Response(document)


class IntervalsView(MonitoringView):
    """How often metrics are measured."""

    permissions = {"PATCH": "monitoring.change_measuringinterval"}

    @extend_schema(responses=shapes.IntervalsSerializer)
    def get(self, request: Request) -> Response:
        return Response(intervals.chosen())

    @extend_schema(request=shapes.IntervalsSerializer, responses=shapes.IntervalsSerializer)
    def patch(self, request: Request) -> Response:
        """Change some intervals, in seconds; they hold from the next measurement on."""
        asked = shapes.IntervalsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return Response(intervals.choose(asked.validated_data))
