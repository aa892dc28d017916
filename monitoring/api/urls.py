"""Monitoring under `/api/`."""

from __future__ import annotations

from django.urls import path

from monitoring.api import control_views, forwarder_views, views
from monitoring.queries import api as queries

urlpatterns = [
    path("queries/", queries.QueriesView.as_view(), name="api-queries"),
    path("queries/stats/", queries.StatisticsView.as_view(), name="api-query-statistics"),
    path("queries/export/", queries.ExportView.as_view(), name="api-query-export"),
    path("monitoring/summary/", views.SummaryView.as_view(), name="api-monitoring-summary"),
    path("monitoring/series/", views.SeriesView.as_view(), name="api-monitoring-series"),
    path("monitoring/intervals/", views.IntervalsView.as_view(), name="api-monitoring-intervals"),
    path("monitoring/name-server/<str:action>/", control_views.ControlView.as_view(), name="api-name-server"),
    path("forwarders/", forwarder_views.ForwardersView.as_view(), name="api-forwarders"),
    path("forwarders/<int:pk>/", forwarder_views.OneForwarderView.as_view(), name="api-forwarder"),
    path("forwarders/<int:pk>/test/", forwarder_views.TrialView.as_view(), name="api-forwarder-test"),
]
