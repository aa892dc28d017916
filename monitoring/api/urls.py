"""Monitoring under `/api/`."""

from __future__ import annotations

from django.urls import path

from monitoring.api import views

urlpatterns = [
    path("monitoring/summary/", views.SummaryView.as_view(), name="api-monitoring-summary"),
    path("monitoring/series/", views.SeriesView.as_view(), name="api-monitoring-series"),
    path("monitoring/intervals/", views.IntervalsView.as_view(), name="api-monitoring-intervals"),
]
