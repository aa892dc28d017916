"""The page that tries whether the site and its name server can work together: `nameserver_check` for the browser."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required, user_passes_test
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from zones.nameserver.diagnosis import diagnose


@login_required
@user_passes_test(lambda user: user.is_superuser)
@never_cache
@require_http_methods(["GET", "POST"])
def check_page(request: HttpRequest) -> HttpResponse:
    """GET explains; POST tries, which puts a zone on the server for a moment, and shows what it found."""
    findings = diagnose() if request.method == "POST" else None
    context = {
        "findings": findings,
        "failed_count": sum(finding.ok is False for finding in findings or ()),
    }
    return render(request, "name_server/check.html", context)
