"""The pages of security."""

from __future__ import annotations

from django.urls import path

from security import views

app_name = "security"
urlpatterns = [
    path("security/", views.security_page, name="security"),
]
