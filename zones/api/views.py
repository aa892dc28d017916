"""What the views about zones share.

They find what the asker may see, pass on what is asked to `zones.changes` and its neighbours, and show
the result. What one may not see answers 404, what one may see but not do 403.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.core.exceptions import PermissionDenied
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.response import Response

from zones import names
from zones.access import Level, may, visible_zone
from zones.api.acting import ActingView
from zones.models import Zone

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The `ETag` that the change starts from."
)


def tagged(response: Response, version: int) -> Response:
    """The answer with the `version` of what it shows as its `ETag` (RFC 9110, section 8.8.3)."""
    response["ETag"] = f'"{version}"'
    return response


class View(ActingView, GenericAPIView):
    """A view about something that the asker may see."""

    zone_kwarg = "zone_name"

    def zone(self, level: Level = "view") -> Zone:
        """The zone of the URL. Raises `Http404` unless one may see it, `PermissionDenied` unless one may `level` it."""
        try:
            name = names.zone_name(self.kwargs[self.zone_kwarg])
        except ValueError as error:
            raise Http404 from error
        zone: Zone | None = visible_zone(self.request.user, name)
        if zone is None:
            raise Http404
        if level != "view" and not may(self.request.user, level, zone):
            raise PermissionDenied(f"You may see {zone.name}, but not {level} it.")
        return zone

    def valid(self, serializer: Any, data: Any = None, **options: Any) -> dict[str, Any]:
        """What was sent, checked by a serializer. Raises `ValidationError`."""
        checked = serializer(data=self.request.data if data is None else data, **options)
        checked.is_valid(raise_exception=True)
        values: dict[str, Any] = checked.validated_data
        return values

    def version(self, sent: int | None = None) -> int | None:
        """The version that a change starts from, as the body or `If-Match` says; `None` when neither does."""
        tag = self.request.headers.get("If-Match", "").strip()
        if not tag or tag == "*":
            return sent
        number = tag.removeprefix("W/").strip('"')
        if not (number.isascii() and number.isdigit() and len(number) < 19):
            raise ValidationError({"If-Match": 'not an ETag of this resource, such as "3"'}, code="invalid")
        if sent not in (None, int(number)):
            raise ValidationError({"version": "differs from If-Match"}, code="invalid")
        return int(number)

    def page(self, rows: Any, serializer: Any, **context: Any) -> Response:
        """One page of `rows`."""
        found = self.paginate_queryset(rows) or []
        return self.get_paginated_response(serializer(found, many=True, context=context).data)

    def seen_by_asker(self, zone: Zone) -> dict[str, Any]:
        """What serializers of a zone's records need to know of the asker."""
        user = self.request.user
        rights = {"may_edit": may(user, "edit", zone), "may_manage": may(user, "manage", zone)}
        return {**rights, "zone": zone, "request": self.request}


def path_of(zone: Zone, rest: str = "") -> str:
    """The path of a zone in the API, with what its name has of slashes quoted."""
    return f"/api/zones/{quote(zone.name, safe='')}/{rest}"
