"""Security in Django's admin."""

from __future__ import annotations

from django.contrib import admin

from security.detection.models import HitWatch


@admin.register(HitWatch)
class HitWatchAdmin(admin.ModelAdmin):
    """Which hits of policies raise an alert; in force at once."""

    list_display = ("policy", "category", "severity")
    list_display_links = ("policy", "category")
    list_select_related = ("policy",)
