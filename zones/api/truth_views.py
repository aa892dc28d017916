"""What is really served: by whom, at which serial, what else than wanted, and what becomes of that."""

from __future__ import annotations

from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from zones import adoption, mirroring, pushing
from zones.access import editing, may_create_zones
from zones.api.views import View
from zones.api.zone_serializers import ZoneSerializer
from zones.api.zone_views import shown
from zones.changes import newest_change
from zones.models import ZoneKind
from zones.nameserver.endpoint import endpoint
from zones.nameserver.errors import BadName
from zones.nameserver.transfer import transfer
from zones.plan import pend
from zones.serving import servers

MOST_SHOWN = 5000
"""RRsets in an answer."""


class ServerSerializer(serializers.Serializer[Any]):
    """A server that should have the zone. `role`: `this`, `secondary` or `primary`."""

    server = serializers.CharField()
    role = serializers.CharField()
    serial = serializers.IntegerField(allow_null=True)
    has_serial = serializers.BooleanField()
    error = serializers.CharField(allow_blank=True)


class ServersView(View):
    """Which servers have the serial of a zone."""

    serializer_class = ServerSerializer

    @extend_schema(operation_id="zones_servers_list", responses=ServerSerializer(many=True))
    def get(self, request: Request, zone_name: str) -> Response:
        """Asked now, all at once, each for at most two seconds."""
        return Response(msgspec.to_builtins(servers(self.zone())))


class ServedSerializer(serializers.Serializer[Any]):
    """A zone as it is served. `generated`: what the server made by itself to sign it (DNSSEC)."""

    serial = serializers.IntegerField()
    rrsets = serializers.JSONField()
    generated = serializers.JSONField()
    count = serializers.IntegerField()
    generated_count = serializers.IntegerField()


class ServedView(View):
    """A zone as the name server serves it."""

    serializer_class = ServedSerializer

    def get(self, request: Request, zone_name: str) -> Response:
        """By a transfer, now: the first 5,000 RRsets of each kind."""
        zone = self.zone()
        served = transfer(endpoint(), zone.name)
        return Response(
            {
                "serial": served.serial,
                "rrsets": msgspec.to_builtins(served.rrsets[:MOST_SHOWN]),
                "generated": msgspec.to_builtins(served.generated[:MOST_SHOWN]),
                "count": len(served.rrsets),
                "generated_count": len(served.generated),
            }
        )


class DriftSerializer(serializers.Serializer[Any]):
    """What is served otherwise than wanted: RRsets with both values, null where there is none. `gives_up`: the change sets
    that wait to be pushed, and that accepting would make void: `[{change_set, author, comment, rrsets}]`. `based_on`: the
    zone's newest change, of an accepting that shall do just this."""

    serial = serializers.IntegerField()
    count = serializers.IntegerField()
    differences = serializers.JSONField()
    waiting = serializers.BooleanField(
        help_text="Changes are still on their way, so that differences are to be expected."
    )
    gives_up = serializers.JSONField()
    based_on = serializers.IntegerField()


class ResolutionSerializer(serializers.Serializer[Any]):
    """How a difference is to end."""

    resolution = serializers.ChoiceField(
        choices=[
            ("accept", "what is served is taken into the database"),
            ("overwrite", "what the database says is pushed"),
        ]
    )
    seen = serializers.IntegerField(
        required=False, help_text="The serial of the difference that was looked at: with another one nothing is done."
    )
    based_on = serializers.IntegerField(
        required=False,
        help_text="The newest change that was looked at: with a newer one nothing is accepted, as that would give it up.",
    )


class DriftView(View):
    """The difference between a zone as served and as wanted."""

    serializer_class = DriftSerializer

    @extend_schema(responses=DriftSerializer)
    def get(self, request: Request, zone_name: str) -> Response:
        """Compared now, by a transfer."""
        zone = self.zone()
        based_on = newest_change(zone)  # read first: what comes meanwhile makes the answer outdated
        if zone.kind == ZoneKind.FORWARD:
            nothing = {"serial": 0, "count": 0, "differences": [], "waiting": False, "gives_up": []}
            return Response(nothing | {"based_on": based_on})
        found = pushing.compare(zone)
        return Response(
            {
                "serial": found.serial,
                "count": len(found.changes),
                "differences": msgspec.to_builtins([pushing.difference(each) for each in found.changes[:MOST_SHOWN]]),
                "waiting": found.waiting,
                "gives_up": msgspec.to_builtins(mirroring.given_up(zone)[:MOST_SHOWN]),
                "based_on": based_on,
            }
        )

    @extend_schema(request=ResolutionSerializer, responses=ZoneSerializer)
    def post(self, request: Request, zone_name: str) -> Response:
        """End it, either way with an entry in the history. Accepting takes the right to each record that differs,
        overwriting the right to all."""
        zone = self.zone("edit")
        asked = self.valid(ResolutionSerializer)
        if asked["resolution"] == "accept":
            pushing.accept(zone.pk, seen=asked.get("seen"), based_on=asked.get("based_on"))
        elif not editing(request.user, zone).everything:
            raise PermissionDenied(f"Your rights to {zone.name} do not reach all of its records.")
        else:
            pushing.repair(zone.pk, seen=asked.get("seen"))
        return shown(self.zone(), request)


class RetryView(View):
    """Trying again now."""

    serializer_class = ZoneSerializer
    http_method_names = ["post", "options"]

    @extend_schema(request=None, responses={202: ZoneSerializer})
    def post(self, request: Request, zone_name: str) -> Response:
        """Push what waits now, instead of at the next attempt."""
        zone = self.zone("edit")
        pend(zone)
        return shown(zone, request, status=202)


# -- zones of a server that was there before ------------------------------------------------------------------------------


class FoundSerializer(serializers.Serializer[Any]):
    """A zone that the name server has and that is not managed here."""

    name = serializers.CharField()
    kind = serializers.CharField()
    serial = serializers.IntegerField()


class AdoptSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=1016)


class AdoptView(View):
    """Zones of the name server that are not managed here."""

    serializer_class = FoundSerializer

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not may_create_zones(request.user):
            raise PermissionDenied("You may not make zones.")

    @extend_schema(operation_id="zones_adopt_list", responses=FoundSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List them, as the statistics channel does."""
        return Response(msgspec.to_builtins(adoption.found()))

    @extend_schema(request=AdoptSerializer, responses={201: ZoneSerializer})
    def post(self, request: Request) -> Response:
        """Show one here as it is served, and follow every change of it. `PATCH …/zones/{name}/ {"watched": false}` takes it
        over."""
        try:
            made = adoption.adopt(self.valid(AdoptSerializer)["name"])
        except BadName as error:
            raise serializers.ValidationError({"name": error.message}, code=error.code) from error
        self.kwargs["zone_name"] = made.name
        return shown(self.zone(), request, status=201)
