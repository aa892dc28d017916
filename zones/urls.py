"""The pages of zones. Names may hold slashes (RFC 2317 delegations), hence `path`."""

from __future__ import annotations

from django.urls import path

from zones import views

app_name = "zones"
urlpatterns = [
    path("zones/", views.zone_list, name="list"),
    path("zones/<path:name>/history/", views.zone_history, name="history"),
    path("zones/<path:name>/", views.zone_page, name="zone"),
]
