"""Zone files over HTTP: a zone imported from one, a zone exported as one (`text/dns`, RFC 4027)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import PurePath
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from zones import names
from zones.access import may, may_create_zones, visible_zones
from zones.api.operation_views import OperationView
from zones.api.views import View
from zones.exporting import export_table, export_zone
from zones.importing import Import, Preview, import_zone, preview
from zones.models import OperationState, Zone
from zones.operations import result_lines
from zones.zonefile.guard import MAX_BYTES
from zones.zonefile.problems import Problem
from zones.zonefile.tables import Form, csv_lines, json_lines

MEDIA_TYPE = "text/dns"
_CHUNK = 64 * 1024
_IN_MEMORY = 1024 * 1024
"""Bytes of a file that are kept in memory; what is more goes to a temporary file."""


class ZoneFileParser(BaseParser):
    """The body as it is; what it holds is for `zones.zonefile` to judge. One octet more than allowed is enough to refuse."""

    media_type = MEDIA_TYPE

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return bytes(stream.read(MAX_BYTES + 1))


class PlainTextParser(ZoneFileParser):
    """The same, as `curl` and editors name it."""

    media_type = "text/plain"


class CsvParser(ZoneFileParser):
    """A table (`zones.zonefile.tables`)."""

    media_type = "text/csv"


class JsonTableParser(ZoneFileParser):
    """The same as JSON."""

    media_type = "application/json"


_FORMS: dict[str, Form] = {"text/csv": "csv", "application/json": "json"}
_SUFFIXES: dict[str, Form] = {".csv": "csv", ".json": "json"}


class ZoneFileRenderer(JSONRenderer):
    """Lets clients ask for `text/dns`. What goes through a renderer are problems only, and those are JSON."""

    media_type = MEDIA_TYPE
    format = "dns"


class CsvRenderer(ZoneFileRenderer):
    """Lets clients ask for `?format=csv`."""

    media_type = "text/csv"
    format = "csv"


class ProblemSerializer(serializers.Serializer):
    """Something in a zone file. `line` is null where it is about the zone as a whole."""

    line = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()


class RowSerializer(serializers.Serializer):
    """A record in a table."""

    name = serializers.CharField()
    type = serializers.CharField()
    ttl = serializers.IntegerField(required=False)
    content = serializers.CharField()
    comment = serializers.CharField(required=False)


class RRsetSerializer(serializers.Serializer):
    """Records of one name and type."""

    name = serializers.CharField()
    type = serializers.CharField()
    ttl = serializers.IntegerField()
    rdata = serializers.ListField(child=serializers.CharField())


class ChangedSerializer(serializers.Serializer):
    """An RRset before and after."""

    before = RRsetSerializer()
    after = RRsetSerializer()


class DifferenceSerializer(serializers.Serializer):
    """RRsets that come, go, or change: the first 5,000 of each, and how many there are."""

    added = RRsetSerializer(many=True)
    removed = RRsetSerializer(many=True)
    changed = ChangedSerializer(many=True)
    added_count = serializers.IntegerField()
    removed_count = serializers.IntegerField()
    changed_count = serializers.IntegerField()


class PreviewSerializer(serializers.Serializer):
    """What an import would do. `new`: the zone does not exist yet."""

    zone = serializers.CharField()
    new = serializers.BooleanField()
    records = serializers.IntegerField()
    serial = serializers.IntegerField(help_text="Of the SOA in the file.")
    difference = DifferenceSerializer()
    warnings = ProblemSerializer(many=True)
    based_on = serializers.IntegerField(help_text="The zone's newest change, for an import that shall do just this.")


class ImportSerializer(serializers.Serializer):
    """What an import did. `change_set` is null when the zone was like that already."""

    zone = serializers.CharField()
    new = serializers.BooleanField()
    records = serializers.IntegerField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    deleted = serializers.IntegerField()
    change_set = serializers.IntegerField(allow_null=True)
    operation = serializers.CharField()
    sync_state = serializers.CharField()
    warnings = ProblemSerializer(many=True)


def _flag(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.BOOL, description=description, default=False)


_FILE = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}


class ImportView(View):
    """A zone made what a zone file says."""

    serializer_class = ImportSerializer
    parser_classes = [ZoneFileParser, PlainTextParser, CsvParser, JsonTableParser, MultiPartParser]
    most_bytes = MAX_BYTES + 64 * 1024

    @extend_schema(
        request={
            MEDIA_TYPE: OpenApiTypes.STR,
            "text/plain": OpenApiTypes.STR,
            "text/csv": OpenApiTypes.STR,
            "application/json": RowSerializer(many=True),
            "multipart/form-data": _FILE,
        },
        parameters=[
            _flag("dry_run", "Only answer what would change."),
            _flag("replace", "A zone that exists may be changed."),
            _flag(
                "merge", "RRsets that the file does not name stay as they are; a zone file needs no SOA and NS then."
            ),
            OpenApiParameter("comment", OpenApiTypes.STR, description="For the history."),
            OpenApiParameter("based_on", OpenApiTypes.INT, description="Of the preview that this import shall do."),
        ],
        responses={
            200: OpenApiResponse(PreviewSerializer, description="The difference (`dry_run`), or what was changed."),
            201: ImportSerializer,
        },
    )
    def post(self, request: Request, zone_name: str) -> Response:
        """Import a zone file, or a table as CSV or JSON with the columns `name, type, ttl, content, comment`.

        Of a name that does not exist, a new zone is made: 201. A zone that exists with other records, more than its SOA and
        NS, answers 409 with the difference, unless `replace` or `merge` is given; afterwards it is what the file says. With
        `based_on`, one that somebody has changed since the preview answers 409, too. Tables may leave out SOA and NS. A file
        that `named` would not load, one with `$INCLUDE`, and one that is too large answer 400 with line and reason of each
        problem."""
        name = self._name(zone_name)
        text, form = self._text()
        merge = self._flag("merge")
        if self._flag("dry_run"):
            return Response(_preview(preview(text, name, form=form, merge=merge)))
        done = import_zone(
            text,
            name,
            user=request.user,
            form=form,
            replace=self._flag("replace") or merge,
            merge=merge,
            comment=request.query_params.get("comment", ""),
            based_on=self._based_on(),
        )
        return Response(shown_import(done), status=201 if done.new else 200)

    def _name(self, zone_name: str) -> str:
        """The zone that may be imported to. Raises what keeps the asker from it."""
        try:
            name = names.zone_name(zone_name)
        except ValueError as error:
            raise ValidationError({"name": str(error)}) from error
        if not Zone.objects.living().filter(name=name).exists():
            if not may_create_zones(self.request.user):
                raise Http404
            return name
        zone = self.zone("edit")
        return zone.name

    def _text(self) -> tuple[bytes, Form]:
        data = self.request.data
        if isinstance(data, bytes):
            sent = (self.request.content_type or "").partition(";")[0].strip().lower()
            return data, _FORMS.get(sent, "dns")
        file = self.request.FILES.get("file")
        if file is None:
            raise ValidationError({"file": "Send the zone file as the body (text/dns), or as the field “file”."})
        return bytes(file.read(MAX_BYTES + 1)), _SUFFIXES.get(PurePath(file.name or "").suffix.lower(), "dns")

    def _based_on(self) -> int | None:
        sent = self.request.query_params.get("based_on", "")
        if sent and not (sent.isascii() and sent.isdigit() and len(sent) < 19):
            raise ValidationError({"based_on": "not the number that a preview gave"}, code="invalid")
        return int(sent) if sent else None

    def _flag(self, name: str) -> bool:
        value = self.request.query_params.get(name, "")
        try:
            return serializers.BooleanField().to_internal_value(value) if value else False
        except serializers.ValidationError as error:
            raise ValidationError({name: error.detail}) from error


class ExportView(View):
    """A zone as a zone file, or as a table."""

    renderer_classes = [JSONRenderer, ZoneFileRenderer, CsvRenderer]

    @extend_schema(
        parameters=[OpenApiParameter("format", enum=["dns", "csv", "json"], default="dns")],
        responses={
            (200, MEDIA_TYPE): OpenApiTypes.STR,
            (200, "text/csv"): OpenApiTypes.STR,
            (200, "application/json"): RowSerializer(many=True),
        },
    )
    def get(self, request: Request, zone_name: str) -> HttpResponseBase:
        """The zone as a file that `named` loads, with the serial that is served; with `format` as a table, comments included.
        The same records give the same text."""
        zone = self.zone()
        form = request.query_params.get("format", "dns")
        try:
            if form == "dns":
                lines, kind, suffix = export_zone(zone), f"{MEDIA_TYPE}; charset=us-ascii", "zone"
            else:
                rows = export_table(zone, private=may(request.user, "edit", zone))
                lines = csv_lines(rows) if form == "csv" else json_lines(rows)
                kind, suffix = ("text/csv; charset=utf-8" if form == "csv" else "application/json"), form
        except ValueError as error:
            raise NotNow(str(error), "no_soa") from error
        return _file(lines, kind, f"{zone.name.replace('/', '-')}.{suffix}")


class NotNow(APIException):
    """What is asked for cannot be had in the present state."""

    status_code = 409


class OperationResultView(OperationView):
    """What a long operation made, to keep."""

    renderer_classes = [JSONRenderer, CsvRenderer]

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, operation_id: str) -> HttpResponseBase:  # type: ignore[override]  # a file
        """The changes as CSV: zone, change set, what was done, and the values before and after. 409 while it runs."""
        operation = self.operation(operation_id)
        if operation.state == OperationState.RUNNING:
            raise NotNow("The operation has not ended yet.", "running")
        lines = result_lines(operation, visible_zones(request.user))
        return _file(lines, "text/csv; charset=utf-8", f"{operation.kind}-{operation.pk}.csv")


def _file(lines: Iterable[str], kind: str, name: str) -> HttpResponseBase:
    """A file to keep, written before it is sent: it is whole or an error, and no slow reader holds the database."""
    file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # closed when it is sent
    for line in lines:
        file.write(line.encode())
    size = file.tell()
    file.seek(0)
    answer = StreamingHttpResponse(_pieces(cast("IO[bytes]", file)), content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Content-Length"] = str(size)
    return answer


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    """Asynchronous, because a server of ours would else collect them all first."""
    with file:
        while piece := file.read(_CHUNK):
            yield piece


def _problems(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [{"line": problem.line, "reason": problem.reason} for problem in problems]


def _preview(found: Preview) -> dict[str, Any]:
    return {
        "zone": found.zone,
        "new": found.new,
        "records": found.records,
        "serial": found.serial,
        "difference": found.difference.shown(),
        "warnings": _problems(found.warnings),
        "based_on": found.based_on,
    }


def shown_import(done: Import) -> dict[str, Any]:
    return {
        "zone": done.zone.name,
        "new": done.new,
        "records": done.records,
        "created": done.created,
        "updated": done.updated,
        "deleted": done.deleted,
        "change_set": done.change_set.pk if done.change_set else None,
        "operation": done.operation.pk,
        "sync_state": done.zone.sync_state,
        "warnings": _problems(done.warnings),
    }
