"""Every URL of the site."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

from realtime import health
from realtime.api import AsyncApiView

handler400 = "dnsadmin.failures.bad_request"
handler404 = "dnsadmin.failures.not_found"
handler500 = "dnsadmin.failures.server_error"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/realtime/", include("realtime.urls")),
    path("api/alerts/", include("realtime.alerts_urls")),
    path("api/asyncapi.json", AsyncApiView.as_view(), name="asyncapi"),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("health/realtime", health.realtime),
    path("metrics", health.exposition),
]
for module, prefix in (
    ("dnsadmin.api.urls", "api/"),
    ("zones.urls", ""),
    ("security.urls", ""),
    ("monitoring.urls", ""),
    ("dnsadmin.pages", ""),
):
    if find_spec(module):
        urlpatterns.append(path(prefix, include(module)))
