"""Django's admin under our name, without what we have no use for."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class Administration(AdminConfig):
    """Of django-waffle it shows one flag, the roll-out's."""

    def ready(self) -> None:
        super().ready()
        from django.contrib import admin
        from waffle.models import Sample, Switch

        admin.site.site_header = admin.site.site_title = "dnsadmin"
        admin.site.unregister([Sample, Switch])
