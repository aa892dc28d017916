"""The event system in Django's admin: the log, who is connected, and what processors failed at."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from realtime import (
    admin_operations,  # noqa: F401  # registers its pages
    doorbell,
    notifications,
    processors,
    tracing,
)
from realtime.alert_models import Alert, AlertEntry, AlertMute
from realtime.models import DeadLetter, LogEvent, Presence
from realtime.notification_models import Delivery, EscalationStep, NotificationChannel
from realtime.read_only import ReadOnly
from realtime.registry import VIEW_CLIENT_ADDRESSES, VIEW_THREAT_EVIDENCE


@admin.register(LogEvent)
class EventLogAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("position", "moment", "event_type", "severity", "source_username", "origin", "scope")
    list_filter = ("event_type", "severity", "origin")
    search_fields = ("event_id", "trace_id", "source_username", "scope")
    date_hierarchy = "timestamp"
    ordering = ("-position",)
    show_full_result_count = False

    def get_list_display(self, request: HttpRequest) -> Any:
        return (*self.list_display, "way") if request.user.is_superuser else self.list_display

    def get_urls(self) -> list[Any]:
        own = path("<str:event_id>/trace/", self.admin_site.admin_view(self.trace), name="realtime_trace")
        return [own, *super().get_urls()]

    @admin.display(description="time", ordering="timestamp")
    def moment(self, row: LogEvent) -> str:
        return f"{timezone.localtime(row.timestamp):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="trace")
    def way(self, row: LogEvent) -> str:
        return format_html('<a href="{}">Trace</a>', reverse("admin:realtime_trace", args=[row.event_id]))

    def trace(self, request: HttpRequest, event_id: str) -> HttpResponse:
        """Who got the event, and who did not and why."""
        if not request.user.is_superuser:
            raise PermissionDenied
        try:
            traced = tracing.trace(event_id)
        except tracing.Unknown as problem:
            raise Http404(str(problem)) from None
        context = {**self.admin_site.each_context(request), "title": "Trace", "opts": self.opts, "traced": traced}
        return TemplateResponse(request, "admin/realtime/trace.html", context)


class ConnectionActionForm(ActionForm):
    """The choice of an action, with what some of them say."""

    message = forms.CharField(required=False, max_length=500)


@admin.register(Presence)
class ConnectionAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("user", "client", "node", "address", "since", "last_seen", "user_agent")
    list_filter = ("client", "node")
    search_fields = ("user__username", "connection_id", "address")
    ordering = ("-pk",)
    actions = ("disconnect", "tell", "reauthenticate")
    action_form = ConnectionActionForm

    @admin.action(description="Send the message", permissions=["act"])
    def tell(self, request: HttpRequest, queryset: QuerySet[Presence]) -> None:
        words = request.POST.get("message", "").strip()[:500]
        if not words:
            messages.error(request, "Write a message first.")
            return
        for connection_id in queryset.values_list("connection_id", flat=True):
            doorbell.control("tell", connection=connection_id, message=words)
        messages.success(request, "It is shown on their pages.")

    @admin.action(description="Have them sign in anew", permissions=["act"])
    def reauthenticate(self, request: HttpRequest, queryset: QuerySet[Presence]) -> None:
        for connection_id in queryset.values_list("connection_id", flat=True):
            doorbell.control("reauthenticate", connection=connection_id)
        messages.info(request, "They come back with a fresh token, or with a session that still holds.")

    @admin.action(description="Disconnect", permissions=["act"])
    def disconnect(self, request: HttpRequest, queryset: QuerySet[Presence]) -> None:
        for connection_id in queryset.values_list("connection_id", flat=True):
            doorbell.control("disconnect", connection=connection_id)
        messages.info(request, "They are told to go, and not to come back by themselves.")


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("processor", "event_type", "event_id", "attempts", "failed_at")
    list_filter = ("processor", "event_type")
    search_fields = ("event_id", "error")
    ordering = ("-pk",)
    actions = ("retry", "discard")

    @admin.action(description="Try again", permissions=["act"])
    def retry(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        for letter in queryset.order_by("pk"):
            try:
                processors.retry(letter)
            except Exception as error:  # noqa: BLE001  # whatever the processor raises is for the person to read
                messages.error(request, f"{letter}: {error}")
            else:
                messages.success(request, f"{letter}: done")

    @admin.action(description="Discard", permissions=["act"])
    def discard(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> None:
        queryset.delete()


class EntryInline(ReadOnly, admin.TabularInline):
    model = AlertEntry
    fields = ("at", "deed", "who", "text")


@admin.register(Alert)
class AlertAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("raised_at", "severity", "event_type", "title", "state", "count", "acknowledged_by", "zone")
    list_filter = ("state", "severity", "event_type", "muted")
    search_fields = ("title", "zone")
    inlines = (EntryInline,)

    def get_exclude(self, request: HttpRequest, obj: Alert | None = None) -> list[str]:
        """As events and the API: who may not see evidence and addresses does not see them here."""
        may = {"evidence": VIEW_THREAT_EVIDENCE, "client": VIEW_CLIENT_ADDRESSES}
        return ["key", *(field for field, permission in may.items() if not request.user.has_perm(permission))]


@admin.register(AlertMute)
class AlertMuteAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("title", "until", "who", "reason")
    ordering = ("-until",)
    actions = ("end",)

    @admin.action(description="End the mute", permissions=["act"])
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

    @admin.action(description="Send a test", permissions=["change"])
    def test(self, request: HttpRequest, queryset: QuerySet[NotificationChannel]) -> None:
        for channel in queryset:
            notifications.test(channel)
        messages.info(request, "Tests are on their way; the deliveries tell how they went.")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("created_at", "event_type", "step", "channel_name", "target", "state", "attempts", "error")
    list_filter = ("state", "channel_name", "event_type")
    search_fields = ("id", "error")
