"""Tokens: who gets one, how often one may try, and what one gets without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from rest_framework.test import APIClient

from realtime.models import LogEvent

pytestmark = pytest.mark.django_db

PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def _fresh_counts(settings: Any) -> Iterator[None]:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # what is counted here is attempts
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password=PASSWORD)


def sign_in(username: str = "alice", password: str = PASSWORD, address: str = "192.0.2.7") -> Any:
    return APIClient().post(
        "/api/token/", {"username": username, "password": password}, format="json", REMOTE_ADDR=address
    )


def test_a_token_opens_the_api_and_is_told_of(alice: User) -> None:
    pair = sign_in().data
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert client.get("/api/zones/").status_code == 200
    refreshed = client.post("/api/token/refresh/", {"refresh": pair["refresh"]}, format="json")
    assert "access" in refreshed.data
    told = LogEvent.objects.get(event_type="user_login")
    assert json.loads(told.data)["method"] == "token"
    assert told.subject_id == alice.pk
    assert PASSWORD not in told.data
    assert pair["access"] not in told.data


def test_what_is_done_with_a_token_has_an_author(admin: User) -> None:
    admin.set_password(PASSWORD)
    admin.save()
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {sign_in('admin').data['access']}")
    assert client.post("/api/zones/", {"name": "new.example"}, format="json").status_code == 201
    event = LogEvent.objects.get(event_type="zone_created")
    assert (event.source_username, event.origin) == ("admin", "api")


def test_thirty_correct_sign_ins_a_minute_then_429_with_a_time(alice: User) -> None:
    assert {sign_in().status_code for _ in range(30)} == {200}
    answer = sign_in()
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 61
    assert answer.data["code"] == "throttled"
    assert sign_in(address="192.0.2.8").status_code == 200, "from elsewhere one may"


def test_five_wrong_ones_lock_out_even_the_right_password(alice: User) -> None:
    assert [sign_in(password="wrong").status_code for _ in range(6)] == [401] * 5 + [429]
    assert sign_in().status_code == 429
    assert sign_in("ALICE").status_code == 429, "the same person in capitals"
    assert sign_in(address="192.0.2.8").status_code == 200, "nobody can lock alice out from elsewhere"


def test_the_answer_does_not_tell_whether_there_is_such_a_user(alice: User) -> None:
    assert sign_in(password="wrong").data == sign_in("nobody").data


def test_who_is_deactivated_gets_no_token_and_keeps_none(alice: User) -> None:
    pair = sign_in().data
    alice.is_active = False
    alice.save()
    assert sign_in().status_code == 401
    client = APIClient()
    assert client.post("/api/token/refresh/", {"refresh": pair["refresh"]}, format="json").status_code == 401
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access']}")
    assert client.get("/api/zones/").status_code == 401


@pytest.mark.parametrize(
    "body", [{}, [], "x", {"username": ["a"], "password": {}}, {"username": "a\x00", "password": "b"}]
)
def test_malformed_sign_ins_are_answered_400(body: Any) -> None:
    answer = APIClient().post("/api/token/", body, format="json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("token", ["x", "", "a.b.c"])
def test_a_bad_token_is_answered_401(token: str) -> None:
    answer = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}").get("/api/zones/")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.data["status"] == 401


def test_a_form_does_as_well_as_json(alice: User) -> None:
    form = f"username=alice&password={PASSWORD}"
    answer = APIClient().post("/api/token/", form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
