"""What administrators do and ask over HTTP: the roll-out, figures, and the way of one event."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from realtime import presence, rollout, tracing
from realtime.actors import acting
from realtime.administrators import IsAdministrator
from realtime.guard import LIVE
from realtime.models import MetricSample


class Locked(APIException):
    """A step of the roll-out that cannot be made now."""

    status_code = 409
    default_code = "conflict"


class RolloutStep(serializers.Serializer):
    """A step of the roll-out."""

    action = serializers.ChoiceField(choices=list(rollout.STEPS))
    percent = serializers.FloatField(required=False, min_value=0, max_value=100)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class StatsView(APIView):
    """Figures of every web process, as each last wrote them down, and of the site as a whole."""

    permission_classes = (IsAdministrator,)

    @extend_schema(responses={200: dict})
    def get(self, request: Request) -> Response:
        nodes: dict[str, dict[str, Any]] = {}
        samples = MetricSample.objects.filter(taken_at__gte=timezone.now() - LIVE).order_by("taken_at")
        for node, taken_at, figures in samples.values_list("node", "taken_at", "figures"):
            nodes[node] = {**figures, "taken_at": taken_at.isoformat()}
        connected = presence.everyone()
        total = {
            "connections": len(connected),
            "users": len({each["user"]["id"] for each in connected}),
            "by_client": dict(Counter(each["client"].rpartition(":")[0] or each["client"] for each in connected)),
            "nodes": len(nodes),
        }
        return Response({"total": total, "nodes": list(nodes.values())})


class TraceView(APIView):
    """The way of one event of the last hour."""

    permission_classes = (IsAdministrator,)

    @extend_schema(responses={200: dict})
    def get(self, request: Request, event_id: str) -> Response:
        try:
            return Response(tracing.trace(event_id))
        except tracing.Unknown as problem:
            raise NotFound(str(problem)) from None


class RolloutView(APIView):
    """The roll-out of the unified WebSocket: how it goes (GET), and its next step (POST)."""

    permission_classes = (IsAdministrator,)

    @extend_schema(responses={200: dict})
    def get(self, request: Request) -> Response:
        return Response(rollout.status())

    @extend_schema(request=RolloutStep, responses={200: dict})
    def post(self, request: Request) -> Response:
        step = RolloutStep(data=request.data)
        step.is_valid(raise_exception=True)
        given: dict[str, Any] = step.validated_data
        try:
            with acting(request.user, origin="api", address=request.META.get("REMOTE_ADDR")):
                rollout.STEPS[given["action"]](given.get("percent"), given["reason"])
        except rollout.Refused as problem:
            raise Locked(str(problem)) from None
        return Response(rollout.status())
