"""The pages of monitoring."""

from __future__ import annotations

from django.urls import path

from monitoring import views
from monitoring.queries.pages import queries_page

app_name = "monitoring"
urlpatterns = [
    path("queries/", queries_page, name="queries"),
    path("monitoring/", views.monitoring_page, name="page"),
    path("forwarders/", views.forwarders_page, name="forwarders"),
]
