"""Who administers the site, over HTTP as on the socket: superusers. Staff may only come into Django's admin."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class IsAdministrator(BasePermission):
    """For those who may see and do everything."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user and request.user.is_active and request.user.is_superuser)
