"""What administrators do and ask over HTTP: the roll-out, figures, and the way of one event."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from realtime import rollout
from realtime.actors import acting


class Locked(APIException):
    """A step of the roll-out that cannot be made now."""

    status_code = 409
    default_code = "conflict"


class RolloutStep(serializers.Serializer):
    """A step of the roll-out."""

    action = serializers.ChoiceField(choices=list(rollout.STEPS))
    percent = serializers.FloatField(required=False, min_value=0, max_value=100)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class RolloutView(APIView):
    """The roll-out of the unified WebSocket: how it goes (GET), and its next step (POST)."""

    permission_classes = (IsAdminUser,)

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
