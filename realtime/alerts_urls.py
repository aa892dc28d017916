"""The paths of alerts under `/api/alerts/`."""

from django.urls import path

from realtime.alerts_api import AcknowledgeView, AlertsView, AlertView, MuteView, ResolveView

urlpatterns = [
    path("", AlertsView.as_view(), name="api-alerts"),
    path("<int:alert_id>/", AlertView.as_view(), name="api-alert"),
    path("<int:alert_id>/acknowledge/", AcknowledgeView.as_view(), name="api-alert-acknowledge"),
    path("<int:alert_id>/resolve/", ResolveView.as_view(), name="api-alert-resolve"),
    path("<int:alert_id>/mute/", MuteView.as_view(), name="api-alert-mute"),
]
