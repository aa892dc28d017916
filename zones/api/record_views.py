"""The records of a zone over HTTP, and the types that they can have."""

from __future__ import annotations

from typing import Any

import msgspec
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from zones import listing, names, rdata
from zones.api import record_serializers as shapes
from zones.api.views import IF_MATCH, View, path_of, tagged
from zones.changes import Changes, change_set
from zones.models import Record, Zone
from zones.rrsets import APEX
from zones.searching import matching, spellings


class RecordTypesView(View):
    """The types that people make records of, the most usual first. Others are taken as RFC 3597 writes them."""

    serializer_class = shapes.RecordTypeSerializer
    pagination_class = None

    @extend_schema(operation_id="record_types_list", responses=shapes.RecordTypeSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(msgspec.to_builtins(rdata.catalogue()))


SitePages: Any = api_settings.DEFAULT_PAGINATION_CLASS


class RecordPages(SitePages):
    """Of a search that finds more than are counted, `count` is the least: `count_is_least`. `next` leads to all of them."""

    django_paginator_class = listing.Pages

    def get_paginated_response(self, data: Any) -> Response:
        answer: Response = super().get_paginated_response(data)
        if not self.page.paginator.exact:
            answer.data["count_is_least"] = True
        return answer


class RecordsView(View):
    """The records of a zone."""

    serializer_class = shapes.RecordSerializer
    pagination_class = RecordPages

    @extend_schema(
        operation_id="zones_records_list",
        parameters=[shapes.RecordFilter],
        responses=shapes.RecordSerializer(many=True),
    )
    def get(self, request: Request, zone_name: str) -> Response:
        zone = self.zone()
        wanted = self.valid(shapes.RecordFilter, request.query_params)
        context = self.seen_by_asker(zone)
        return self.page(_wanted(zone, wanted, may_edit=context["may_edit"]), shapes.RecordSerializer, **context)

    @extend_schema(request=shapes.RecordFields, responses={201: shapes.RecordSerializer})
    def post(self, request: Request, zone_name: str) -> Response:
        """Add a record."""
        zone = self.zone("edit")
        asked = self.valid(shapes.RecordFields)
        with change_set(zone) as changes:
            record = changes.create(**asked)
        answer = _record_answer(self, zone, record.pk, changes, status=201)
        answer["Location"] = path_of(zone, f"records/{record.pk}/")
        return answer


class RecordView(View):
    """One record."""

    serializer_class = shapes.RecordSerializer

    def get(self, request: Request, zone_name: str, record_id: int) -> Response:
        return _record_answer(self, self.zone(), record_id)

    @extend_schema(request=shapes.RecordChange, parameters=[IF_MATCH])
    def patch(self, request: Request, zone_name: str, record_id: int) -> Response:
        """Change some fields. A `version` (or `If-Match`) that is not the present one answers 409 with the record as it
        is now, and nothing is changed."""
        return self._change(record_id, partial=True)

    @extend_schema(request=shapes.RecordChange, parameters=[IF_MATCH])
    def put(self, request: Request, zone_name: str, record_id: int) -> Response:
        """Change all fields; what is not sent of comment and privacy is emptied."""
        return self._change(record_id, partial=False)

    @extend_schema(parameters=[IF_MATCH, OpenApiParameter("version", int)], responses={204: None})
    def delete(self, request: Request, zone_name: str, record_id: int) -> Response:
        """Delete the record."""
        zone = self.zone("edit")
        _there(zone, record_id)
        sent = request.data if isinstance(request.data, dict) else {}
        asked = self.valid(shapes.VersionSerializer, {**request.query_params.dict(), **sent})
        with change_set(zone) as changes:
            changes.delete(record_id, version=self.version(asked.get("version")))
        return Response(status=204)

    def _change(self, record_id: int, *, partial: bool) -> Response:
        zone = self.zone("edit")
        _there(zone, record_id)
        asked = self.valid(shapes.RecordChange, partial=partial)
        version = self.version(asked.pop("version", None))
        fields = asked if partial else {"comment": "", "private": False, **asked}
        with change_set(zone) as changes:
            changes.update(record_id, version=version, **fields)
        return _record_answer(self, zone, record_id, changes)


def _wanted(zone: Zone, wanted: dict[str, Any], *, may_edit: bool) -> listing.Listing:
    kind, query = wanted.get("type", "").upper(), wanted.get("search", "")
    if not (asked := wanted.get("name")):
        return listing.of(zone, query=query, kind=kind, private=may_edit)
    try:
        name = names.relative(asked, zone.name)
    except ValueError:
        name = None
    # By its rank too, a name is found in the index of the order, which would else be read from its beginning.
    at = {"name": name, **({"rank__lt": 3} if name == APEX else {"rank": 3})} if name else {"pk": None}
    records = zone.records.filter(**at, **{"type": kind} if kind else {})
    if query:
        records = records.filter(matching(spellings(query), private=may_edit))
    return listing.Listing(zone, records, "name", records.count())


def _there(zone: Zone, record_id: int) -> Record:
    record: Record = get_object_or_404(zone.records.select_related("updated_by"), pk=record_id)
    return record


def _record_answer(
    view: View, zone: Zone, record_id: int, changes: Changes | None = None, *, status: int = 200
) -> Response:
    """A record as an answer, with its version as `ETag`; after a change also what looks wrong, and where to undo it."""
    record = _there(zone, record_id)
    data: dict[str, Any] = shapes.RecordSerializer(record, context=view.seen_by_asker(zone)).data
    if changes is not None:
        made = changes.result
        data = {**data, "warnings": shapes.warnings(changes.warnings), "change_set": made.pk if made else None}
    return tagged(Response(data, status=status), record.version)
