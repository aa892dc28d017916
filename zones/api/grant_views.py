"""Who may see or change a zone beyond what roles give: shown, given and ended by those who manage it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from zones import grants
from zones.access import ACTIONS, checked_limits
from zones.api.views import View
from zones.models import GrantLevel, ZoneGrant


class GrantSerializer(serializers.ModelSerializer):
    """A right to a zone, of a user or a group. `names`, `types`, `actions`: what a right to edit is limited to."""

    user = serializers.CharField(source="user.username", allow_null=True, default=None)
    group = serializers.CharField(source="group.name", allow_null=True, default=None)
    granted_by = serializers.CharField(source="granted_by.username", allow_null=True, default=None)
    names = serializers.SerializerMethodField()
    types = serializers.SerializerMethodField()
    actions = serializers.SerializerMethodField()

    class Meta:
        model = ZoneGrant
        fields = ("id", "user", "group", "level", "names", "types", "actions", "granted_by", "created_at")
        read_only_fields = fields

    def get_names(self, grant: ZoneGrant) -> list[str]:
        return grant.names.split()

    def get_types(self, grant: ZoneGrant) -> list[str]:
        return grant.types.split()

    def get_actions(self, grant: ZoneGrant) -> list[str]:
        return grant.actions.split()


class NewGrantSerializer(serializers.Serializer):
    """Whom to give which right: `user` or `group`, by name. It takes the place of theirs with the same limits.

    A right to edit may be limited: `names` are patterns relative to the zone (`@`, `www`, `*.dev`), with `types` and
    `actions` (create, update, delete). Several such rights add up."""

    user = serializers.SlugRelatedField(
        slug_field="username", queryset=get_user_model().objects.filter(is_active=True), required=False
    )
    group = serializers.SlugRelatedField(slug_field="name", queryset=Group.objects.all(), required=False)
    level = serializers.ChoiceField(choices=GrantLevel.choices)
    names = serializers.ListField(child=serializers.CharField(max_length=255), default=list, max_length=20)
    types = serializers.ListField(child=serializers.CharField(max_length=16), default=list, max_length=40)
    actions = serializers.ListField(child=serializers.ChoiceField(choices=ACTIONS), default=list, max_length=3)

    def validate(self, grant: dict[str, Any]) -> dict[str, Any]:
        if ("user" in grant) == ("group" in grant):
            raise serializers.ValidationError("Name a user or a group.", code="user_or_group")
        given = {field: grant.pop(field) for field in ("names", "types", "actions")}
        try:
            grant["limits"] = checked_limits(**given)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="invalid") from error
        if any(given.values()) and grant["level"] != GrantLevel.EDIT:
            message = "Only the right to change records can be limited to names, types or actions."
            raise serializers.ValidationError({"level": message}, code="unlimited")
        if sum(map(len, given["names"])) > 900 or sum(map(len, given["types"])) > 400:
            raise serializers.ValidationError("Too many words for one right; give several.", code="too_long")
        return grant


class GrantsView(View):
    """Who has a right to this zone beyond what roles give."""

    serializer_class = GrantSerializer

    @extend_schema(operation_id="zones_grants_list", responses=GrantSerializer(many=True))
    def get(self, request: Request, zone_name: str) -> Response:
        open_grants = self.zone("manage").grants.filter(closed_at=None)
        return self.page(open_grants.select_related("user", "group", "granted_by"), GrantSerializer)

    @extend_schema(request=NewGrantSerializer, responses={201: GrantSerializer})
    def post(self, request: Request, zone_name: str) -> Response:
        """Give a user or a group a right."""
        zone = self.zone("manage")
        asked = self.valid(NewGrantSerializer)
        return Response(GrantSerializer(grants.give(zone, **asked)).data, status=201)


class GrantView(View):
    """One grant."""

    serializer_class = GrantSerializer

    @extend_schema(responses={204: None})
    def delete(self, request: Request, zone_name: str, grant_id: int) -> Response:
        """End it: within moments the user sees nothing more of the zone by it."""
        grants.close(get_object_or_404(self.zone("manage").grants.filter(closed_at=None), pk=grant_id))
        return Response(status=204)
