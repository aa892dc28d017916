"""Zones in Django's admin, to look at: they are changed on their pages and in the API, where rules and history are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from realtime.read_only import ReadOnly
from zones import grants
from zones.access import may
from zones.models import ChangeSet, Operation, Record, Zone, ZoneGrant


@admin.register(Zone)
class ZoneAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "kind", "sync_state", "serial", "updated_at", "deleted_at")
    list_filter = ("sync_state", "kind")
    search_fields = ("name",)


@admin.register(Record)
class RecordAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("name", "zone", "type", "ttl", "content", "updated_at")
    list_filter = ("type",)
    list_select_related = ("zone",)
    search_fields = ("name", "content")

    def get_exclude(self, request: HttpRequest, obj: Record | None = None) -> list[str]:
        """A private comment is for those who edit the zone, here as well."""
        hidden = obj is not None and obj.private and not may(request.user, "edit", obj.zone)
        return ["comment"] if hidden else []


@admin.register(ChangeSet)
class ChangeSetAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "zone", "comment", "author_name", "origin", "created_at", "state", "serial")
    list_filter = ("state", "origin")
    list_select_related = ("zone",)
    search_fields = ("zone__name", "author_name", "comment")


@admin.register(Operation)
class OperationAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("id", "kind", "zone", "state", "done", "total", "created_by", "created_at")
    list_filter = ("state", "kind")
    list_select_related = ("zone", "created_by")


@admin.register(ZoneGrant)
class ZoneGrantAdmin(admin.ModelAdmin):
    """Grants can be given and ended here; both go the way that tells the people concerned."""

    list_display = ("zone", "user", "group", "level", "created_at", "closed_at")
    list_filter = ("level",)
    list_select_related = ("zone", "user", "group")
    search_fields = ("zone__name", "user__username", "group__name")
    autocomplete_fields = ("zone", "user")
    fields = ("zone", "user", "group", "level")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: ZoneGrant, form: Any, change: bool) -> None:
        made = grants.give(obj.zone, level=obj.level, user=obj.user, group=obj.group)
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: ZoneGrant) -> None:
        grants.close(obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for grant in queryset:
            grants.close(grant)
