"""Every route of the API has an answer to every method, with whatever little is sent: never a failure of the server."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

ODD = dict.fromkeys(("q", "search", "name", "zone", "type", "sort", "metric", "user"), "\ud7ff\u202e%00'")
ODD |= {
    "page": "x",
    "limit": "-1",
    "from": "yesterday",
    "to": "-",
    "step": "0",
    "since": "x:y",
    "cursor": "?",
    "id": "x",
}
"""What somebody may write behind the question mark."""

PLACES = {"int": "999999999", "str": "nothing.example", "slug": "nothing", "path": "nothing", "uuid": "0" * 32}


def routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    """The paths below `resolver`, with something for each parameter that does not exist."""
    for each in resolver.url_patterns:
        path = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from routes(each, path)
        elif isinstance(each, URLPattern):
            yield "/" + re.sub(r"<(?:(\w+):)?\w+>", lambda found: PLACES.get(found[1] or "str", "nothing"), path)


API = sorted({path for path in routes(get_resolver()) if path.startswith("/api/")})


@pytest.mark.django_db
@pytest.mark.parametrize("path", API)
def test_a_route_answers_every_method_that_it_does_not_know_what_to_do_with(path: str) -> None:
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(User.objects.create_superuser("root"))
    for method in ("get", "put", "patch", "delete", "post"):
        answer = getattr(client, method)(path, {}, format="json") if method != "get" else client.get(path, ODD)
        assert answer.status_code != 500, method
        if answer.status_code >= 400:
            problem = answer.json()
            assert answer["Content-Type"] == "application/problem+json", method
            assert {"type", "title", "detail", "code"} < problem.keys(), method
            assert problem["status"] == answer.status_code
            assert isinstance(problem.get("errors", {}), dict), method
    assert client.get(path, dict.fromkeys(ODD, "\x00")).status_code != 500


@pytest.mark.django_db
def test_what_is_not_there_is_a_problem_document_for_scripts_and_a_page_for_people() -> None:
    nothing, page = Client().get("/api/nothing/"), Client().get("/nothing/")
    assert (nothing.status_code, nothing["Content-Type"]) == (404, "application/problem+json")
    assert nothing.json()["code"] == "not_found"
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_there_are_routes() -> None:
    assert len(API) > 60


PAGES = sorted({path for path in routes(get_resolver()) if not path.startswith(("/api/", "/admin/", "/static/"))})


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_a_page_answers_an_administrator_and_a_stranger(path: str, client: Client) -> None:
    client.raise_request_exception = False
    assert client.get(path).status_code != 500
    client.force_login(User.objects.create_superuser("root"))
    assert client.get(path, ODD).status_code != 500
    assert client.get(path, ODD | {"q": "\x00"}).status_code in (400, 405), "PostgreSQL would fail at it"
    assert client.post(path, {}).status_code != 500
