"""What stands behind the question mark of an address and can be no text."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest


class QueryStringMiddleware:
    """Answers 400 where a page's parameter has a NUL (U+0000) in it: no text of PostgreSQL may, so the query would fail.
    Forms, and the API with words of its own, refuse it by themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/") and any(
            "\x00" in word for name in request.GET for word in (name, *request.GET.getlist(name))
        ):
            return HttpResponseBadRequest("A parameter has a NUL in it.", content_type="text/plain; charset=utf-8")
        return self._get_response(request)
