"""The paths of alerts under `/api/alerts/`."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from realtime.alerts_api import AcknowledgeView, AlertsView, AlertView, MuteView, ResolveView
from realtime.notifications_api import ChannelViewSet, DeliveryViewSet, StepViewSet

router = SimpleRouter()
router.register("channels", ChannelViewSet, basename="api-channels")
router.register("steps", StepViewSet, basename="api-steps")
router.register("deliveries", DeliveryViewSet, basename="api-deliveries")

urlpatterns = [
    *router.urls,
    path("", AlertsView.as_view(), name="api-alerts"),
    path("<int:alert_id>/", AlertView.as_view(), name="api-alert"),
    path("<int:alert_id>/acknowledge/", AcknowledgeView.as_view(), name="api-alert-acknowledge"),
    path("<int:alert_id>/resolve/", ResolveView.as_view(), name="api-alert-resolve"),
    path("<int:alert_id>/mute/", MuteView.as_view(), name="api-alert-mute"),
]
