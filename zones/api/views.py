"""The HTTP interface of zones, records, their history, and who may do what with them.

Views find what the asker may see, pass on what is asked to `zones.changes` and its neighbours, and show
the result. What one may not see answers 404, what one may see but not do 403.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import msgspec
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from realtime.actors import current_actor
from zones import adoption, bulk_edits, history, listing, names, rdata
from zones.access import Level, editing, levels, may, may_create_zones, visible_zone, visible_zones
from zones.api import serializers as shapes
from zones.api.acting import ActingView
from zones.api.peers import with_servers
from zones.changes import BULK, Changes, change_set, newest_change
from zones.cloning import clone
from zones.lifecycle import create_zone, delete_zone, update_zone
from zones.models import ChangeSet, Operation, OperationState, Record, Zone, ZoneKind
from zones.reverting import restore, revert, takes_back
from zones.rrsets import APEX
from zones.searching import matching, spellings

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


# -- zones ---------------------------------------------------------------------------------------------------------------


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
        _refuse_settings(request.user, zone, asked)
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


def _refuse_settings(user: Any, zone: Zone, fields: Iterable[str]) -> None:
    """Refuse a change of these fields of a zone that `user` may not make."""
    if set(fields) - {"comment"} and not editing(user, zone).everything:
        raise PermissionDenied(f"Your rights to {zone.name} do not reach its settings.")
    if set(fields) - {"comment", "follows_addresses"} and not may_create_zones(user):
        raise PermissionDenied("Which servers a zone has to do with, only those may say who may make zones.")


def shown(zone: Zone, request: Request, **options: Any) -> Response:
    """A zone as an answer, with its version as `ETag`."""
    data = shapes.ZoneSerializer(zone, context={"levels": levels(request.user, [zone])}).data
    return tagged(Response(data, **options), zone.version)


class RecordTypesView(View):
    """The types that people make records of, the most usual first. Others are taken as RFC 3597 writes them."""

    serializer_class = shapes.RecordTypeSerializer
    pagination_class = None

    @extend_schema(operation_id="record_types_list", responses=shapes.RecordTypeSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(msgspec.to_builtins(rdata.catalogue()))


# -- records -------------------------------------------------------------------------------------------------------------


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


# -- change sets -----------------------------------------------------------------------------------------------------------


class ChangesView(View):
    """The history of a zone, newest first; and several changes at once."""

    serializer_class = shapes.ChangeSetSerializer

    @extend_schema(
        operation_id="zones_changes_list",
        parameters=[shapes.HistoryFilter],
        responses=shapes.ChangeSetSerializer(many=True),
    )
    def get(self, request: Request, zone_name: str) -> Response:
        zone = self.zone()
        wanted = self.valid(shapes.HistoryFilter, request.query_params)
        made = history.History(zone, history.Wanted(**wanted), shapes.CHANGES_SHOWN)
        return self.page(made, shapes.ChangeSetSerializer, **self.seen_by_asker(zone))

    @extend_schema(
        request=shapes.ChangeSetRequest,
        responses={201: shapes.ChangeSetSerializer, 200: shapes.ChangeSetSerializer},
    )
    def post(self, request: Request, zone_name: str) -> Response:
        """Make changes together or not at all: 201. With `dry_run`, or when nothing would change: 200, and no `id`."""
        zone = self.zone("edit")
        asked = self.valid(shapes.ChangeSetRequest)
        with change_set(zone, comment=asked["comment"], dry_run=asked["dry_run"]) as changes:
            for change in asked["changes"]:
                shapes.ask(changes, change)
        return _made(self, zone, changes, asked["comment"])


class ChangeSetView(View):
    """One change set of a zone."""

    serializer_class = shapes.ChangeSetSerializer

    def get(self, request: Request, zone_name: str, change_set_id: int) -> Response:
        """What it did, with at most a thousand of its changes."""
        zone = self.zone()
        try:
            found = history.History(zone, history.Wanted(), BULK).get(change_set_id)
        except ChangeSet.DoesNotExist as error:
            raise Http404 from error
        return Response(shapes.ChangeSetSerializer(found, context=self.seen_by_asker(zone)).data)


class RestoreView(View):
    """A zone taken back to an earlier state."""

    serializer_class = shapes.RestoreSerializer

    @extend_schema(
        request=shapes.RestoreRequest,
        responses={201: shapes.RestoreSerializer, 200: shapes.RestoreSerializer},
    )
    def post(self, request: Request, zone_name: str) -> Response:
        """Make the records what they were when `serial` was served, by a new change set. With `dry_run`, or when they are
        like that already: 200, and no `id`."""
        zone = self.zone("edit")
        asked = self.valid(shapes.RestoreRequest)
        based_on = newest_change(zone)  # read first: what comes meanwhile makes the answer outdated
        answer = _made(self, zone, restore(zone, **asked), asked["comment"])
        answer.data["based_on"] = based_on
        return answer


class RevertView(View):
    """Undo of a change set."""

    serializer_class = shapes.ChangeSetSerializer

    @extend_schema(
        request=shapes.RevertRequest,
        responses={201: shapes.ChangeSetSerializer, 200: shapes.ChangeSetSerializer},
    )
    def post(self, request: Request, zone_name: str, change_set_id: int) -> Response:
        """Take a change set back by a new one: of records or of the zone's settings, but not of rights. 409 when somebody has
        changed the same again since."""
        zone = self.zone("edit")
        undone = get_object_or_404(zone.change_sets, pk=change_set_id)
        undone.zone = zone
        if takes_back(undone.settings):
            _refuse_settings(request.user, zone, [each["field"] for each in undone.settings])
        asked = self.valid(shapes.RevertRequest)
        return _made(self, zone, revert(undone, **asked), asked["comment"])


def _made(view: View, zone: Zone, changes: Changes, comment: str) -> Response:
    """What a change set did, or would do, as an answer. It may be long: whoever asked for it knows how long."""
    made = changes.result or ChangeSet(
        zone=zone,
        comment=comment,
        author_name=view.request.user.get_username(),
        origin=current_actor().origin,
        state=zone.sync_state,
    )
    made.first_changes = changes.done  # type: ignore[attr-defined]
    data = shapes.ChangeSetSerializer(made, context=view.seen_by_asker(zone)).data
    answer = {**data, "change_count": len(changes.done), "warnings": shapes.warnings(changes.warnings)}
    return Response(answer, status=201 if changes.result is not None else 200)


# -- long operations ---------------------------------------------------------------------------------------------------------


class OperationView(View):
    """How far a long operation is."""

    serializer_class = shapes.OperationSerializer

    def get(self, request: Request, operation_id: str) -> Response:
        return Response(shapes.OperationSerializer(self.operation(operation_id)).data)

    def operation(self, operation_id: str) -> Operation:
        """The operation, if the asker started it or may see its zone. Raises `Http404` otherwise."""
        visible = Q(created_by=self.request.user) | Q(zone__in=visible_zones(self.request.user))
        found: Operation = get_object_or_404(
            Operation.objects.filter(visible).select_related("zone", "created_by"), pk=operation_id
        )
        return found


class CancelView(OperationView):
    """Ending a long operation before its time."""

    http_method_names = ["post", "options"]

    @extend_schema(request=None, responses={202: shapes.OperationSerializer})
    def post(self, request: Request, operation_id: str) -> Response:
        """Ask for it to stop; it does so at its next step, and nothing of it is kept. One that has ended stays as it is."""
        operation = self.operation(operation_id)
        is_mine = operation.created_by_id == request.user.pk
        if not is_mine and (operation.zone is None or not may(request.user, "edit", operation.zone)):
            raise PermissionDenied("Somebody else started it, and you may not edit the zone.")
        Operation.objects.filter(pk=operation.pk, state=OperationState.RUNNING).update(cancel_requested=True)
        return Response(shapes.OperationSerializer(self.operation(operation_id)).data, status=202)


class BulkEditsView(View):
    """Find and replace, and new TTLs, over one or several zones."""

    serializer_class = shapes.BulkEditSerializer

    @extend_schema(
        request=shapes.BulkEditRequest,
        responses={200: shapes.BulkEditSerializer, 201: shapes.BulkEditSerializer},
    )
    def post(self, request: Request) -> Response:
        """Change the records that match in all of `zones`, as one change set each; all of it or nothing: 201. With
        `dry_run`, or when nothing matches: 200. Others watch it as an operation, and who started it may cancel it."""
        asked = self.valid(shapes.BulkEditRequest)
        named = [names.zone_name(name) for name in asked.pop("zones")]
        zones = list(visible_zones(request.user).filter(name__in=named).order_by("name"))
        if missing := sorted(set(named) - {zone.name for zone in zones}):
            message = f"there is no zone {', '.join(missing)} that you may see"
            raise ValidationError({"zones": message}, code="unknown_zone")
        if locked := [zone.name for zone in zones if not may(request.user, "edit", zone)]:
            raise PermissionDenied(f"You may see {', '.join(locked)}, but not edit.")
        dry_run, how = asked.pop("dry_run"), {name: asked.pop(name) for name in ("comment", "based_on")}
        edit = bulk_edits.Edit(**asked)
        done = bulk_edits.preview(zones, edit) if dry_run else bulk_edits.carry_out(zones, edit, **how)
        data = shapes.BulkEditSerializer(done, context={"user": request.user}).data
        return Response(data, status=201 if done.operation else 200)
