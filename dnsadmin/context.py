"""What every template may use."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """`position`: where the page stands in the event log. `demo`: whether to say that this is one. `site_name`."""
    return {
        "position": getattr(request, "position", ""),
        "demo": settings.SITE.demo,
        "site_name": "dnsadmin",
    }
