"""Alerts over HTTP: those that one may see, and what one does about them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from realtime import alerts, audience
from realtime.actors import acting, current_actor
from realtime.alert_models import Alert, AlertState
from realtime.audience import Audience
from realtime.events import EventSeverity, EventType

MUTE_AT_MOST = timedelta(days=90)


class EntrySerializer(serializers.Serializer):
    """A line of what became of an alert."""

    at = serializers.DateTimeField()
    deed = serializers.CharField()
    who = serializers.CharField()
    text = serializers.CharField()


class AlertSerializer(serializers.Serializer):
    """An alert as the asker may see it. `redacted` names what is masked as null."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField([str(each) for each in EventType if each in alerts.RAISING])
    severity = serializers.ChoiceField([str(each) for each in EventSeverity])
    state = serializers.ChoiceField(AlertState.choices)
    title = serializers.CharField()
    detail = serializers.CharField()
    zone = serializers.CharField(allow_null=True)
    client = serializers.CharField(allow_null=True)
    evidence = serializers.DictField(allow_null=True)
    count = serializers.IntegerField()
    muted = serializers.BooleanField()
    raised_at = serializers.DateTimeField()
    seen_at = serializers.DateTimeField()
    acknowledged_by = serializers.CharField(allow_null=True)
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    resolved_by = serializers.CharField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    timeline = EntrySerializer(many=True)
    redacted = serializers.ListField(child=serializers.CharField())


class CommentSerializer(serializers.Serializer):
    """Words for the timeline."""

    comment = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=alerts.LONGEST_COMMENT, trim_whitespace=True
    )


class MuteSerializer(CommentSerializer):
    """For how long, in seconds, nobody is to be told of the same."""

    seconds = serializers.IntegerField(min_value=60, max_value=int(MUTE_AT_MOST.total_seconds()))


class WantedSerializer(serializers.Serializer):
    """Which alerts: all that is given must fit. `search` in title and the name of the zone."""

    state = serializers.ChoiceField([*AlertState.choices, ("unresolved", "Unresolved")], required=False)
    severity = serializers.ChoiceField([str(each) for each in EventSeverity], required=False)
    kind = serializers.ChoiceField([str(each) for each in EventType if each in alerts.RAISING], required=False)
    muted = serializers.BooleanField(required=False, allow_null=True, default=None)
    search = serializers.CharField(required=False, max_length=200)


class Overtaken(APIException):
    status_code = 409
    default_code = "conflict"


def as_values(viewer: Audience, alert: Alert) -> dict[str, Any]:
    """An alert as an audience sees it."""
    seen = alerts.as_seen_by(viewer, alert)
    more = ("comment", "step", "group", "channel", "muted_until", "alert")
    return {
        **{name: value for name, value in seen.event.data.items() if name not in more},
        "id": alert.pk,
        "muted": alert.muted,
        "seen_at": alert.seen_at.isoformat(),
        "timeline": [
            {"at": entry.at.isoformat(), "deed": entry.deed, "who": entry.who, "text": entry.text}
            for entry in sorted(alert.entries.all(), key=lambda entry: entry.pk)
        ],
        "redacted": list(seen.redacted),
    }


class AlertsView(GenericAPIView):
    """The alerts that one may see, newest first."""

    serializer_class = AlertSerializer

    @extend_schema(operation_id="alerts_list", parameters=[WantedSerializer], responses=AlertSerializer(many=True))
    def get(self, request: Request) -> Response:
        viewer = audience.asking(request)
        wanted = WantedSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        rows = alerts.matching(alerts.visible_to(viewer), **wanted.validated_data).prefetch_related("entries")
        found = self.paginate_queryset(rows) or []
        return self.get_paginated_response([as_values(viewer, alert) for alert in found])


class AlertView(GenericAPIView):
    """One alert."""

    serializer_class = AlertSerializer

    def get(self, request: Request, alert_id: int) -> Response:
        viewer = audience.asking(request)
        return Response(as_values(viewer, self.alert(viewer, alert_id)))

    def alert(self, viewer: Audience, alert_id: int) -> Alert:
        """The alert, if the audience may see it. Raises `Http404`."""
        if alert_id >= 2**63:
            raise Http404
        alert: Alert = get_object_or_404(alerts.visible_to(viewer).prefetch_related("entries"), pk=alert_id)
        return alert


class ActionView(AlertView):
    """Something that one does about an alert, on behalf of whoever the token or the session names."""

    http_method_names = ["post", "options"]
    request_serializer: type[serializers.Serializer] = CommentSerializer

    def post(self, request: Request, alert_id: int) -> Response:
        user, viewer = request.user, audience.asking(request)
        alert = self.alert(viewer, alert_id)
        if not user.has_perm(alerts.ACKNOWLEDGE):
            raise PermissionDenied("You may see alerts, but not acknowledge them.")
        asked = self.request_serializer(data=request.data)
        asked.is_valid(raise_exception=True)
        trace = current_actor().trace_id or None
        with acting(user, origin="api", address=request.META.get("REMOTE_ADDR"), trace_id=trace):
            try:
                self.act(alert, asked.validated_data)
            except alerts.AlertIsResolved as error:
                raise Overtaken(str(error)) from None
        return Response(as_values(viewer, self.alert(viewer, alert_id)))

    def act(self, alert: Alert, asked: dict[str, Any]) -> None:
        raise NotImplementedError


@extend_schema(request=CommentSerializer, responses=AlertSerializer)
class AcknowledgeView(ActionView):
    """Say that one looks after it. Its escalation ends, and all who see it hear of it. Again does nothing."""

    def act(self, alert: Alert, asked: dict[str, Any]) -> None:
        alerts.acknowledge(alert, asked["comment"])


@extend_schema(request=CommentSerializer, responses=AlertSerializer)
class ResolveView(ActionView):
    """Say that it is over. When the same comes back, it is a new alert. Again does nothing."""

    def act(self, alert: Alert, asked: dict[str, Any]) -> None:
        alerts.end(alert, asked["comment"])


@extend_schema(request=MuteSerializer, responses=AlertSerializer)
class MuteView(ActionView):
    """Acknowledge it, and tell nobody of the same for some time."""

    request_serializer = MuteSerializer

    def act(self, alert: Alert, asked: dict[str, Any]) -> None:
        alerts.mute(alert, timedelta(seconds=asked["seconds"]), asked["comment"])
