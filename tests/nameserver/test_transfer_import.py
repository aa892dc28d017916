"""`POST /api/zones/transfer/`: a zone brought in from another server by AXFR, signed with a key or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from realtime.models import LogEvent
from tests.nameserver.conftest import HostedZone
from zones.models import ChangeSet, Record, Zone
from zones.nameserver.endpoint import Endpoint

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/api/zones/transfer/"


@pytest.fixture
def client() -> APIClient:
    made = APIClient()
    made.default_format = "json"  # type: ignore[attr-defined]
    made.force_authenticate(User.objects.create_superuser("admin"))
    return made


@pytest.fixture
def ask(client: APIClient, zone: HostedZone) -> Callable[..., Any]:
    """Ask for the zone on the server that the tests share, with its key."""
    where = zone.endpoint
    tsig = {"name": where.tsig.name, "algorithm": where.tsig.algorithm, "secret": where.tsig.secret}
    usual = {"name": zone.name, "server": where.host, "port": where.port, "tsig": tsig}

    def post(**values: Any) -> Any:
        return client.post(PATH, {**usual, **values}, format="json")

    return post


def test_a_zone_comes_in_with_its_serial_as_one_change_set(ask: Callable[..., Any], zone: HostedZone) -> None:
    answer = ask()
    assert answer.status_code == 201, answer.data
    assert (answer.data["zone"], answer.data["records"], answer.data["new"]) == (zone.name, 4, True)
    made = Zone.objects.get(name=zone.name)
    assert made.kind == "primary"
    assert made.serial == 7
    assert Record.objects.get(zone=made, name="www").content == "192.0.2.1"
    (change_set,) = ChangeSet.objects.filter(zone=made)
    assert change_set.author and change_set.author.username == "admin"
    assert LogEvent.objects.filter(event_type="zone_imported", scope=made.key).exists()
    assert not LogEvent.objects.filter(data__contains=zone.endpoint.tsig.secret).exists()


def test_again_with_other_records_it_asks_first(ask: Callable[..., Any], zone: HostedZone) -> None:
    ask()
    zone.nsupdate(f"update add new.{zone.name}. 60 A 192.0.2.9")
    refused = ask()
    assert (refused.status_code, refused.data["code"]) == (409, "zone_differs")
    assert ask(replace=True).status_code == 200
    assert Record.objects.filter(zone__name=zone.name, name="new").exists()


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"tsig": None}, 502, "does not let us transfer"),
        ({"tsig": {"name": "stranger", "secret": "c2VjcmV0c2VjcmV0c2VjcmV0"}}, 502, "does not know the TSIG key"),
        ({"tsig": {"name": "x", "secret": "no base64"}}, 400, "not base64"),
        ({"tsig": {"name": "x", "algorithm": "hmac-md5", "secret": "c2VjcmV0"}}, 400, "hmac-sha256"),
        ({"name": "nowhere.test"}, 502, "has no zone nowhere.test"),
        ({"name": 'a"b.test'}, 400, "not a domain name"),
        ({"port": 1}, 503, "cannot be reached"),
        ({"server": "ns.example.net"}, 400, "not an IP address"),
        ({"server": "file:///etc/passwd"}, 400, "not an IP address"),
        ({"port": 0}, 400, "greater than or equal to 1"),
    ],
)
def test_what_goes_wrong_is_said(ask: Callable[..., Any], values: dict[str, Any], status: int, words: str) -> None:
    answer = ask(**values)
    assert answer.status_code == status, answer.data
    assert words in str(answer.data)
    assert not Zone.objects.exists()


def test_a_key_with_another_secret_is_told_from_one_that_is_not_known(
    ask: Callable[..., Any], endpoint: Endpoint
) -> None:
    answer = ask(tsig=f"{endpoint.tsig.algorithm}:{endpoint.tsig.name}:c2VjcmV0c2VjcmV0c2VjcmV0")
    assert answer.status_code == 502
    assert "another secret" in answer.data["detail"]


def test_only_who_may_make_zones_lets_the_site_speak_to_other_servers(
    ask: Callable[..., Any], client: APIClient
) -> None:
    client.force_authenticate(User.objects.create_user("nils"))
    assert ask().status_code == 403
