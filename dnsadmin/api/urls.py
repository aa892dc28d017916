"""Everything under `/api/` but the event system's own."""

from __future__ import annotations

from django.urls import include, path

from dnsadmin.api.documentation import DocumentationView, SchemaView
from dnsadmin.api.personal_tokens import ApiTokensView, ApiTokenView
from dnsadmin.api.tokens import RefreshView, RevokeView, TokenView

urlpatterns = [
    path("token/", TokenView.as_view(), name="token"),
    path("token/refresh/", RefreshView.as_view(), name="token-refresh"),
    path("token/revoke/", RevokeView.as_view(), name="token-revoke"),
    path("tokens/", ApiTokensView.as_view(), name="api-tokens"),
    path("tokens/<int:token_id>/", ApiTokenView.as_view(), name="api-token"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocumentationView.as_view(), name="api-docs"),
    path("rpz/", include("security.api.urls")),
    path("", include("zones.api.urls")),
    path("", include("monitoring.api.urls")),
]
