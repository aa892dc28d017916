"""Requests that reach no view, or that a view fails at: people are shown a page, scripts under `/api/` a problem document."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from dnsadmin.api import problems


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _of_the_api(request):
        return problems.answer(400, "bad_request", "The request cannot be understood.")
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if _of_the_api(request):
        return problems.answer(404, "not_found", "There is nothing here. /api/docs/ has all that there is.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    if _of_the_api(request):
        detail = "The site failed at this. What had been saved before is safe; the log of the site says why."
        return problems.answer(500, "internal", detail)
    return defaults.server_error(request)


def _of_the_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")
