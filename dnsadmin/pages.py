"""The URLs of the pages that are about the whole site, and of signing in and out."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path

from dnsadmin import alerts_page, documents, name_server, notifications_page, tokens_page, views
from dnsadmin.password_page import PasswordPage
from dnsadmin.sign_in_page import SignIn

urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("activity/", views.activity_page, name="activity"),
    path("alerts/", alerts_page.alerts_page, name="alerts"),
    path("alerts/notifications/", notifications_page.notifications, name="notifications"),
    path("alerts/export/", alerts_page.export, name="alerts-export"),
    path("search/", views.search, name="search"),
    path("name-server/", views.name_server, name="name-server"),
    path("name-server/check/", name_server.check_page, name="name-server-check"),
    path("accounts/tokens/", tokens_page.tokens_page, name="tokens"),
    path("accounts/tokens/<int:token_id>/end/", tokens_page.end_token, name="token-end"),
    path("accounts/password/", PasswordPage.as_view(), name="password"),
    path("docs/", documents.document, name="documents"),
    path("docs/<path:name>", documents.document, name="document"),
    path("accounts/login/", SignIn.as_view(), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
]
