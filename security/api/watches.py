"""Which hits raise an alert, over HTTP: `/api/rpz/watches/`."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework import serializers, viewsets
from rest_framework.permissions import DjangoModelPermissions

from realtime.broadcasting import emit
from realtime.events import EventType
from security.detection.models import HitWatch
from security.events import PolicyData, PolicyUpdate, WatchData


class HitWatchSerializer(serializers.ModelSerializer):
    """Hits of a policy (null: of any) in a category (empty: in any) raise an alert of this severity."""

    class Meta:
        model = HitWatch
        fields = ("id", "policy", "category", "severity")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        watch = self.instance or HitWatch()
        what = {field: attrs.get(field, getattr(watch, field)) for field in ("policy", "category")}
        if HitWatch.objects.filter(**what).exclude(pk=watch.pk).exists():
            raise serializers.ValidationError({"category": "These hits are watched already."}, code="exists")
        return attrs


class MayView(DjangoModelPermissions):
    """Django's permissions, that to view included."""

    perms_map = DjangoModelPermissions.perms_map | {"GET": ["%(app_label)s.view_%(model_name)s"]}


class HitWatchViewSet(viewsets.ModelViewSet):
    """Which hits of response policies raise an alert."""

    queryset = HitWatch.objects.select_related("policy").order_by("pk")
    serializer_class = HitWatchSerializer
    permission_classes = (MayView,)

    @transaction.atomic
    def perform_create(self, serializer: serializers.BaseSerializer) -> None:
        _tell(serializer.save(), "watched")

    @transaction.atomic
    def perform_update(self, serializer: serializers.BaseSerializer) -> None:
        _tell(serializer.save(), "watched")

    @transaction.atomic
    def perform_destroy(self, instance: HitWatch) -> None:
        _tell(instance, "unwatched")
        instance.delete()


def _tell(watch: HitWatch, what: str) -> None:
    policy = PolicyData.of(watch.policy) if watch.policy else None
    emit(EventType.RPZ_UPDATE, PolicyUpdate(policy=policy, what=what, watch=WatchData.of(watch)))
