"""The page of notifications, for administrators: where alerts may go, when they go on, and what was sent."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required, user_passes_test
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from realtime.notification_models import Delivery, EscalationStep, NotificationChannel

SHOWN = 100


@login_required
@user_passes_test(lambda user: user.is_superuser, login_url="dashboard", redirect_field_name=None)
@require_safe
def notifications(request: HttpRequest) -> HttpResponse:
    """Steps, channels, and the newest deliveries."""
    return render(
        request,
        "alerts/notifications.html",
        {
            "section": "alerts",
            "steps": EscalationStep.objects.select_related("group", "channel"),
            "channels": NotificationChannel.objects.all(),
            "deliveries": Delivery.objects.select_related("alert")[:SHOWN],
        },
    )
