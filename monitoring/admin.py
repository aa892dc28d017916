"""Forwarders in Django's admin, to look at: they are changed on their page, in the API and by `manage.py forwarders`."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from monitoring.models import Forwarder, ForwarderTarget
from realtime.read_only import ReadOnly


class TargetInline(ReadOnly, admin.TabularInline):
    """The servers that a forwarder leads to, in order."""

    model = ForwarderTarget
    fields = ("address", "port", "transport", "tls_name", "state", "reason", "latency_ms", "loss_percent", "in_use")
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("monitoring.view_forwarder"))


@admin.register(Forwarder)
class ForwarderAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("domain", "state", "reason", "enabled", "use", "comment", "updated_at")
    list_filter = ("state", "enabled")
    search_fields = ("domain", "comment")
    inlines = (TargetInline,)
