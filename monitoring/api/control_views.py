"""The name server, started, stopped and told to read anew, over HTTP."""

from __future__ import annotations

from typing import Any, get_args

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring import nameserver
from monitoring.api.views import MonitoringView
from monitoring.summary import name_server_shown
from zones.nameserver.control import Action


class ControlView(MonitoringView):
    """`start`, `stop`, `reload` or `reconfig`."""

    permissions = {"POST": "monitoring.control_nameserver"}

    @extend_schema(request=None, responses={200: dict})
    def post(self, request: Request, action: Any) -> Response:
        """Do it, and answer when it is done. The configuration is checked before it is read: 502 with what is wrong."""
        if action not in get_args(Action):
            raise Http404
        nameserver.ask(request.user, action)
        return Response({"done": action, "name_server": name_server_shown()})
