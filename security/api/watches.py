"""Which hits raise an alert, over HTTP: `/api/rpz/watches/`."""

from __future__ import annotations

from rest_framework import serializers, viewsets
from rest_framework.permissions import DjangoModelPermissions

from security.detection.models import HitWatch


class HitWatchSerializer(serializers.ModelSerializer):
    """Hits of a policy (null: of any) in a category (empty: in any) raise an alert of this severity."""

    class Meta:
        model = HitWatch
        fields = ("id", "policy", "category", "severity")


class MayView(DjangoModelPermissions):
    """Django's permissions, that to view included."""

    perms_map = DjangoModelPermissions.perms_map | {"GET": ["%(app_label)s.view_%(model_name)s"]}


class HitWatchViewSet(viewsets.ModelViewSet):
    """Which hits of response policies raise an alert."""

    queryset = HitWatch.objects.order_by("pk")
    serializer_class = HitWatchSerializer
    permission_classes = (MayView,)
