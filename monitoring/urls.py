"""The pages of monitoring."""

from __future__ import annotations

from django.urls import path

from monitoring import views

app_name = "monitoring"
urlpatterns = [
    path("monitoring/", views.monitoring_page, name="page"),
    path("forwarders/", views.forwarders_page, name="forwarders"),
]
