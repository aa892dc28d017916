"""Zones brought in by AXFR from other servers."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from zones.access import may, may_create_zones
from zones.api.peers import TsigField
from zones.api.transfer_views import ImportSerializer, shown_import
from zones.api.views import View
from zones.models import Zone
from zones.nameserver.errors import BadName
from zones.nameserver.peers import peer
from zones.transferring import transfer_zone


class TransferRequest(serializers.Serializer):
    """From where which zone is to be transferred. `replace`: a zone that exists may be changed."""

    name = serializers.CharField(max_length=1016)
    server = serializers.CharField(max_length=100, help_text="IP address.")
    port = serializers.IntegerField(min_value=1, max_value=65535, default=53)
    tsig = TsigField(required=False, allow_null=True)
    replace = serializers.BooleanField(default=False)
    comment = serializers.CharField(allow_blank=True, default="")


class TransferView(View):
    """Import over AXFR."""

    serializer_class = ImportSerializer
    http_method_names = ["post", "options"]

    @extend_schema(request=TransferRequest, responses={200: ImportSerializer, 201: ImportSerializer})
    def post(self, request: Request) -> Response:
        """Make a zone, or with `replace` change one, into what another server serves now. It becomes a primary zone here.
        Only for those who may make zones: the site speaks to the server that is named. What the other server answers
        instead of the zone is said in words: 502, or 503 when trying again may help."""
        if not may_create_zones(request.user):
            raise PermissionDenied("You may not make zones.")
        asked = self.valid(TransferRequest)
        try:
            server = peer(asked["server"], asked["port"])
        except BadName as error:
            raise serializers.ValidationError({"server": error.message}, code=error.code) from error
        name = asked["name"].strip().lower().removesuffix(".")
        zone = Zone.objects.living().filter(name=name).first()
        if zone is not None and not may(request.user, "edit", zone):
            raise PermissionDenied(f"You may not change {name}.")
        try:
            done = transfer_zone(
                name, server, asked.get("tsig"), user=request.user, replace=asked["replace"], comment=asked["comment"]
            )
        except BadName as error:
            raise serializers.ValidationError({"name": error.message}, code=error.code) from error
        return Response(shown_import(done), status=201 if done.new else 200)
