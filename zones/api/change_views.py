"""The history of a zone over HTTP: many changes at once, undone again, or a zone taken back."""

from __future__ import annotations

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from realtime.actors import current_actor
from zones import history
from zones.api import change_serializers as shapes
from zones.api.record_serializers import warnings
from zones.api.views import View
from zones.api.zone_views import refuse_settings
from zones.changes import BULK, Changes, change_set, newest_change
from zones.models import ChangeSet, Zone
from zones.reverting import restore, revert, takes_back


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
            refuse_settings(request.user, zone, [each["field"] for each in undone.settings])
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
    answer = {**data, "change_count": len(changes.done), "warnings": warnings(changes.warnings)}
    return Response(answer, status=201 if changes.result is not None else 200)
