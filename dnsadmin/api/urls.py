"""Everything under `/api/` but the event system's own."""

from __future__ import annotations

from django.urls import include, path
from rest_framework_simplejwt.views import TokenRefreshView

from dnsadmin.api.documentation import DocumentationView, SchemaView
from dnsadmin.api.tokens import TokenView

urlpatterns = [
    path("token/", TokenView.as_view(), name="token"),
    path("token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocumentationView.as_view(), name="api-docs"),
    path("", include("zones.api.urls")),
    path("", include("monitoring.api.urls")),
]
