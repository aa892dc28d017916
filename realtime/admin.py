"""The event system in Django's admin: the log, who is connected, and what processors failed at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from realtime import doorbell, notifications, processors
from realtime.alert_models import Alert, AlertEntry, AlertMute
from realtime.models import DeadLetter, LogEvent, Presence
from realtime.notification_models import Delivery, EscalationStep, NotificationChannel


class ReadOnly(admin.ModelAdmin):
    """Shows rows; nobody types them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LogEvent)
class EventLogAdmin(ReadOnly):
    list_display = ("position", "timestamp", "event_type", "severity", "source_username", "origin", "scope")
    list_filter = ("event_type", "severity", "origin")
    search_fields = ("event_id", "trace_id", "source_username", "scope")
    date_hierarchy = "timestamp"
    ordering = ("-position",)
    show_full_result_count = False


@admin.register(Presence)
class ConnectionAdmin(ReadOnly):
    list_display = ("user", "client", "node", "address", "since", "last_seen", "user_agent")
    list_filter = ("client", "node")
    search_fields = ("user__username", "connection_id", "address")
    ordering = ("-pk",)
    actions = ("disconnect",)

    @admin.action(description="Disconnect")
    def disconnect(self, request: HttpRequest, queryset: QuerySet[Presence]) -> None:
        for connection_id in queryset.values_list("connection_id", flat=True):
            doorbell.control("disconnect", connection=connection_id)
        messages.info(request, "They are told to go, and not to come back by themselves.")


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnly):
    list_display = ("processor", "event_type", "event_id", "attempts", "failed_at")
    list_filter = ("processor", "event_type")
    search_fields = ("event_id", "error")
    ordering = ("-pk",)
    actions = ("retry", "discard")

    @admin.action(description="Try again")
    def retry(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        for letter in queryset.order_by("pk"):
            try:
                processors.retry(letter)
            except Exception as error:  # noqa: BLE001  # whatever the processor raises is for the person to read
                messages.error(request, f"{letter}: {error}")
            else:
                messages.success(request, f"{letter}: done")

    @admin.action(description="Discard")
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        queryset.delete()


class EntryInline(admin.TabularInline):
    model = AlertEntry
    extra = 0
    can_delete = False
    fields = ("at", "deed", "who", "text")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Alert)
class AlertAdmin(ReadOnly):
    list_display = ("raised_at", "severity", "event_type", "title", "state", "count", "acknowledged_by", "zone")
    list_filter = ("state", "severity", "event_type", "muted")
    search_fields = ("title", "zone")
    inlines = (EntryInline,)
    exclude = ("key",)


@admin.register(AlertMute)
class AlertMuteAdmin(ReadOnly):
    list_display = ("title", "until", "who", "reason")
    ordering = ("-until",)
    actions = ("end",)

    @admin.action(description="End the mute")
    def end(self, request: HttpRequest, queryset: QuerySet[AlertMute]) -> None:
        queryset.delete()


@admin.register(EscalationStep)
class EscalationStepAdmin(admin.ModelAdmin):
    """In force at once: the steps are read anew each second."""

    list_display = ("number", "after_s", "group", "channel")
    list_editable = ("after_s", "group", "channel")
    list_select_related = ("group", "channel")


@admin.register(NotificationChannel)
class NotificationChannelAdmin(admin.ModelAdmin):
    list_display = ("name", "kind", "target", "events", "least_severity", "whole", "enabled")
    list_filter = ("kind", "enabled")
    actions = ("test",)

    @admin.action(description="Send a test")
    def test(self, request: HttpRequest, queryset: QuerySet[NotificationChannel]) -> None:
        for channel in queryset:
            notifications.test(channel)
        messages.info(request, "Tests are on their way; the deliveries tell how they went.")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    list_display = ("created_at", "event_type", "step", "channel_name", "target", "state", "attempts", "error")
    list_filter = ("state", "channel_name", "event_type")
    search_fields = ("id", "error")
