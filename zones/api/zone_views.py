"""Zones over HTTP: listed, made, changed, deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from zones import adoption, names
from zones.access import editing, levels, may, may_create_zones, visible_zones
from zones.api import zone_serializers as shapes
from zones.api.peers import with_servers
from zones.api.views import IF_MATCH, View, path_of, tagged
from zones.cloning import clone
from zones.lifecycle import create_zone, delete_zone, update_zone
from zones.models import Zone, ZoneKind


class ZonesView(View):
    """The zones that one may see."""

    serializer_class = shapes.ZoneSerializer

    @extend_schema(
        operation_id="zones_list", parameters=[shapes.ZoneFilter], responses=shapes.ZoneSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        wanted = self.valid(shapes.ZoneFilter, request.query_params)
        zones = visible_zones(request.user)
        if search := wanted.pop("search", None):
            zones = zones.filter(name__contains=names.sought(search.lower().rstrip(".")))
        found = self.paginate_queryset(zones.filter(**wanted).order_by("name")) or []
        context = {"levels": levels(request.user, list(found))}
        return self.get_paginated_response(shapes.ZoneSerializer(found, many=True, context=context).data)

    @extend_schema(request=shapes.NewZoneSerializer, responses={201: shapes.ZoneSerializer})
    def post(self, request: Request) -> Response:
        """Make a zone. A primary one gets an SOA and NS; without `nameservers` they name this machine. A secondary one needs
        `primaries`, a forward one `forwarders`. A clone is an operation, which others watch, and which may be cancelled."""
        if not may_create_zones(request.user):
            raise PermissionDenied("You may not make zones.")
        asked = self.valid(shapes.NewZoneSerializer)
        kind = asked["kind"]
        name, source = asked.pop("name"), asked.pop("clone_of", None)
        if source is not None:
            made = self._cloned(source, name, asked["comment"])
        else:
            with transaction.atomic():
                made = create_zone(name, **with_servers(asked, kind))
        zone = Zone.objects.get(pk=made.pk)
        return shown(zone, request, status=201, headers={"Location": path_of(zone)})

    def _cloned(self, source: str, name: str, comment: str) -> Zone:
        zone = visible_zones(self.request.user).filter(name=names.sought(source.lower().removesuffix("."))).first()
        if zone is None or zone.kind == ZoneKind.FORWARD:
            message = f"there is no zone {source} with records that you may see"
            raise ValidationError({"clone_of": message}, code="unknown_zone")
        return clone(zone, name, comment=comment, private=may(self.request.user, "edit", zone))


class ZoneView(View):
    """One zone."""

    serializer_class = shapes.ZoneSerializer

    def get(self, request: Request, zone_name: str) -> Response:
        return shown(self.zone(), request)

    @extend_schema(request=shapes.ZoneChangeSerializer, parameters=[IF_MATCH])
    def patch(self, request: Request, zone_name: str) -> Response:
        """Change the zone's own fields. Which servers it has to do with, only those may say who may make zones."""
        zone = self.zone("edit")
        asked = self.valid(shapes.ZoneChangeSerializer)
        version = self.version(asked.pop("version", None))
        refuse_settings(request.user, zone, asked)
        watched = asked.pop("watched", zone.watched)
        with transaction.atomic():
            update_zone(zone, version=version, **with_servers(asked, zone.kind, zone))
        if watched != zone.watched:
            (adoption.watch if watched else adoption.take_charge)(zone)
        return shown(self.zone(), request)

    @extend_schema(parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, zone_name: str) -> Response:
        """Delete the zone; the name server forgets it."""
        delete_zone(self.zone("manage"), version=self.version())
        return Response(status=204)


def refuse_settings(user: Any, zone: Zone, fields: Iterable[str]) -> None:
    """Refuse a change of these fields of a zone that `user` may not make."""
    if set(fields) - {"comment"} and not editing(user, zone).everything:
        raise PermissionDenied(f"Your rights to {zone.name} do not reach its settings.")
    if set(fields) - {"comment", "follows_addresses"} and not may_create_zones(user):
        raise PermissionDenied("Which servers a zone has to do with, only those may say who may make zones.")


def shown(zone: Zone, request: Request, **options: Any) -> Response:
    """A zone as an answer, with its version as `ETag`."""
    data = shapes.ZoneSerializer(zone, context={"levels": levels(request.user, [zone])}).data
    return tagged(Response(data, **options), zone.version)
