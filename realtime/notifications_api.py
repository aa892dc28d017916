"""Notifications over HTTP, for administrators: ways out, steps of escalation, and what was sent."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as ModelError
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from realtime import notifications
from realtime.administrators import IsAdministrator
from realtime.notification_models import Delivery, EscalationStep, NotificationChannel


class ChannelSerializer(serializers.ModelSerializer):
    """A way out. The secret is told once, when the channel is made; afterwards it can be replaced, not read."""

    class Meta:
        model = NotificationChannel
        fields = (
            *("id", "name", "kind", "target", "secret", "events", "least_severity"),
            *("whole", "allow_private", "enabled"),
        )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        fields = {name: getattr(self.instance, name) for name in ("kind", "target", "secret")} if self.instance else {}
        try:
            NotificationChannel(**(fields | attrs)).clean()
        except ModelError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return attrs

    def to_representation(self, instance: NotificationChannel) -> dict[str, Any]:
        values = super().to_representation(instance)
        if not self.context.get("made"):
            values["secret"] = None
        return values


class StepSerializer(serializers.ModelSerializer):
    """A step of escalation: after so many seconds, to the screens of a group (all without one) and to a channel."""

    class Meta:
        model = EscalationStep
        fields = ("id", "number", "after_s", "group", "channel")


class DeliverySerializer(serializers.ModelSerializer):
    """One notification on one way out."""

    title = serializers.CharField(source="alert.title", default=None, allow_null=True)

    class Meta:
        model = Delivery
        fields = (
            *("id", "event_type", "alert", "title", "step", "channel", "channel_name", "target", "state"),
            *("attempts", "error", "created_at", "due_at", "ended_at"),
        )


class ChannelViewSet(viewsets.ModelViewSet):
    """Ways out of the site: e-mail and signed webhooks."""

    queryset = NotificationChannel.objects.all()
    serializer_class = ChannelSerializer
    permission_classes = (IsAdministrator,)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        made = serializer.save()
        shown = ChannelSerializer(made, context={"made": True}).data
        return Response(shown, status=201)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str | None = None) -> Response:
        """Send a test. The delivery that is answered tells, when it is read again, how that went."""
        return Response(DeliverySerializer(notifications.test(self.get_object())).data, status=202)


class StepViewSet(viewsets.ModelViewSet):
    """Steps of escalation, in force at once."""

    queryset = EscalationStep.objects.all()
    serializer_class = StepSerializer
    permission_classes = (IsAdministrator,)


class DeliveryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """What was sent, newest first."""

    queryset = Delivery.objects.select_related("alert")
    serializer_class = DeliverySerializer
    permission_classes = (IsAdministrator,)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str | None = None) -> Response:
        """Let one that was given up wait again, under the same id."""
        row = self.get_object()
        notifications.revive(row)
        row.refresh_from_db()
        return Response(DeliverySerializer(row).data, status=202)
