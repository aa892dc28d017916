"""The paths of the event system under `/api/realtime/`."""

from django.urls import path

from realtime.api import ConnectionsView, DisconnectView, EventsView, EventTypesView
from realtime.operations import RolloutView, StatsView, TraceView

urlpatterns = [
    path("events/", EventsView.as_view(), name="realtime-events"),
    path("event-types/", EventTypesView.as_view(), name="realtime-event-types"),
    path("connections/", ConnectionsView.as_view(), name="realtime-connections"),
    path("connections/<str:connection_id>/disconnect/", DisconnectView.as_view(), name="realtime-disconnect"),
    path("stats/", StatsView.as_view(), name="realtime-stats"),
    path("trace/<str:event_id>/", TraceView.as_view(), name="realtime-trace"),
    path("rollout/", RolloutView.as_view(), name="realtime-rollout"),
]
