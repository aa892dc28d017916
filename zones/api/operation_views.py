"""Long operations over HTTP, how far they are and their end, and the edits of several zones that are such."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from zones import bulk_edits, names
from zones.access import may, visible_zones
from zones.api import operation_serializers as shapes
from zones.api.views import View
from zones.models import Operation, OperationState


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
