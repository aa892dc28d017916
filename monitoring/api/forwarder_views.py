"""The HTTP interface of forwarders."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api import forwarder_serializers as shapes
from monitoring.forwarding import changes
from monitoring.forwarding.trial import try_out
from monitoring.models import Forwarder
from zones.api.views import IF_MATCH, View, tagged


class ForwarderView(View):
    """A view for those who may see forwarders. permissions: what each method asks for beside that."""

    serializer_class = shapes.ForwarderSerializer
    permissions = {
        "POST": "monitoring.add_forwarder",
        "PATCH": "monitoring.change_forwarder",
        "PUT": "monitoring.change_forwarder",
        "DELETE": "monitoring.delete_forwarder",
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not request.user.has_perm("monitoring.view_forwarder"):
            raise PermissionDenied("You may not see forwarders.")
        needed = self.permissions.get(request.method or "")
        if needed and not request.user.has_perm(needed):
            raise PermissionDenied("You may see forwarders, but not change them.")

    def forwarder(self, pk: int) -> Forwarder:
        """The forwarder of the URL. Raises `Http404`."""
        found: Forwarder = get_object_or_404(Forwarder.objects.prefetch_related("targets"), pk=pk)
        return found

    def shown(self, pk: int, status: int = 200) -> Response:
        """A forwarder as an answer, with its version as `ETag`."""
        forwarder = self.forwarder(pk)
        headers = {"Location": f"/api/forwarders/{pk}/"} if status == 201 else None
        answer = Response(shapes.ForwarderSerializer(forwarder).data, status=status, headers=headers)
        return tagged(answer, forwarder.version)


class ForwardersView(ForwarderView):
    """All forwarders."""

    @extend_schema(operation_id="forwarders_list", responses=shapes.ForwarderSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = Forwarder.objects.prefetch_related("targets").order_by("domain")
        return self.page(rows, shapes.ForwarderSerializer)

    @extend_schema(request=shapes.ForwarderFields, responses={201: shapes.ForwarderSerializer})
    def post(self, request: Request) -> Response:
        """Add a forwarder. It is kept even when the name server does not take it; see `apply_error`."""
        asked = self.valid(shapes.ForwarderFields)
        targets = asked.pop("targets")
        return self.shown(changes.create(asked, targets).pk, status=201)


class OneForwarderView(ForwarderView):
    """One forwarder."""

    @extend_schema(responses=shapes.ForwarderSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return self.shown(pk)

    @extend_schema(request=shapes.ForwarderChange, parameters=[IF_MATCH], responses=shapes.ForwarderSerializer)
    def patch(self, request: Request, pk: int) -> Response:
        """Change some fields; `targets` are replaced as a whole. A stale `version` answers 409."""
        asked = self.valid(shapes.ForwarderChange)
        version = self.version(asked.pop("version", None))
        targets = asked.pop("targets", None)
        changes.change(self.forwarder(pk), asked, targets, version=version)
        return self.shown(pk)

    @extend_schema(request=shapes.ForwarderFields, parameters=[IF_MATCH], responses=shapes.ForwarderSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Change all that is given; the domain and the targets must be."""
        self.valid(shapes.ForwarderFields)
        return self.patch(request, pk)

    @extend_schema(parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Remove a forwarder."""
        changes.remove(self.forwarder(pk), version=self.version())
        return Response(status=204)


class TrialView(ForwarderView):
    """A test of a forwarder on demand."""

    permissions = {"POST": "monitoring.change_forwarder"}

    @extend_schema(request=None, responses=shapes.TrialSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Ask every target now, over UDP and TCP, or over TLS where that is what it is for."""
        return Response(try_out(self.forwarder(pk)))
