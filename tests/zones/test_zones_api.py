"""Zones over HTTP, long operations, and the description of it all."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from realtime.models import LogEvent
from tests.zones.examples import Api, www
from zones.changes import change_set
from zones.lifecycle import create_zone
from zones.models import Operation, Zone
from zones.rrsets import RR, group


def test_a_zone_tells_what_is_served_and_what_one_may_do(api: Api, olivia: User, zone: Zone) -> None:
    answer = api(olivia).get("/api/zones/Example.COM./")
    got = {
        name: answer.data[name]
        for name in ("name", "kind", "serial", "sync_state", "sync_error", "record_count", "access")
    }
    assert got == {
        "name": "example.com",
        "kind": "primary",
        "serial": None,
        "sync_state": "pending",
        "sync_error": "",
        "record_count": 4,
        "access": "manage",
    }
    assert answer["ETag"] == f'"{answer.data["version"]}"'


def test_a_zone_is_made_changed_and_deleted(api: Api, olivia: User, db: None) -> None:
    client = api(olivia)
    made = client.post(
        "/api/zones/", {"name": "New.Example.", "comment": "a", "nameservers": ["ns1.x.org", "ns2.x.org."]}
    )
    assert (made.status_code, made["Location"]) == (201, "/api/zones/new.example/")
    servers = client.get("/api/zones/new.example/records/?type=NS").data["results"]
    assert [server["content"] for server in servers] == ["ns1.x.org.", "ns2.x.org."]

    changed = client.patch("/api/zones/new.example/", {"comment": "b", "version": 1})
    assert (changed.data["comment"], changed.data["version"]) == ("b", 2)
    stale = client.patch("/api/zones/new.example/", {"comment": "c", "version": 1})
    assert (stale.status_code, stale.data["current"]["comment"]) == (409, "b")
    assert client.delete("/api/zones/new.example/", HTTP_IF_MATCH='"1"').status_code == 409

    assert client.delete("/api/zones/new.example/").status_code == 204
    assert client.get("/api/zones/new.example/").status_code == 404
    assert client.get("/api/zones/").data["count"] == 0
    names = list(LogEvent.objects.order_by("id").values_list("event_type", flat=True))
    assert [name for name in names if name.startswith("zone")] == ["zone_created", "zone_updated", "zone_deleted"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "a..b"}, "name"),
        ({"name": "example.com"}, "name"),
        ({"name": "new.example", "kind": "hint"}, "kind"),
        ({"name": "new.example", "kind": "secondary"}, "primaries"),
        ({"name": "new.example", "nameservers": ["a..b"]}, "nameservers"),
    ],
)
def test_what_is_wrong_with_a_new_zone_is_told_by_field(
    api: Api, olivia: User, zone: Zone, body: Any, field: str
) -> None:
    answer = api(olivia).post("/api/zones/", body)
    assert (answer.status_code, list(answer.data["errors"])) == (400, [field])
    assert Zone.objects.count() == 1


def test_what_a_page_costs_does_not_depend_on_how_much_it_shows(api: Api, olivia: User, zoe: User, zone: Zone) -> None:
    paths = [
        "/api/zones/",
        "/api/zones/example.com/",
        "/api/zones/example.com/records/",
        "/api/zones/example.com/changes/",
    ]

    def costs() -> dict[str, int]:
        found = {}
        for user in (olivia, zoe):
            for path in paths:
                client = api(user)
                with CaptureQueriesContext(connection) as queries:
                    assert client.get(path).status_code == 200
                found[f"{user} {path}"] = len(queries)
        return found

    costs()  # the first answer of all makes the head of the log
    few = costs()
    for number in range(12):
        create_zone(f"z{number}.example")
        with change_set(zone) as changes:
            changes.create(name=f"h{number}", type="A", ttl=60, content="192.0.2.3")
            changes.update(www(zone), comment=str(number))
    assert costs() == few
    assert max(few.values()) <= 14


def test_what_a_change_costs_does_not_depend_on_the_size_of_the_zone(api: Api, olivia: User, zone: Zone) -> None:
    def cost(name: str) -> int:
        client = api(olivia)
        with CaptureQueriesContext(connection) as queries:
            body = {"name": name, "type": "MX", "ttl": 60, "content": "10 www"}
            assert client.post("/api/zones/example.com/records/", body).status_code == 201
        return len(queries)

    small = cost("a")
    with change_set(zone) as changes:
        changes.replace(group(RR(f"h{number}", "A", 60, "192.0.2.3") for number in range(2000)), keep_others=True)
    assert cost("b") == small


def test_an_operation_is_seen_and_cancelled_by_those_concerned(
    api: Api, olivia: User, vera: User, nils: User, zone: Zone
) -> None:
    operation = Operation.objects.create(kind="import", zone=zone, total=100, done=7, created_by=olivia)
    path = f"/api/operations/{operation.pk}/"
    seen = api(vera).get(path).data
    assert {name: seen[name] for name in ("id", "kind", "zone", "state", "done", "total")} == {
        "id": operation.pk,
        "kind": "import",
        "zone": "example.com",
        "state": "running",
        "done": 7,
        "total": 100,
    }
    assert api(nils).get(path).status_code == 404
    assert api(nils).post(f"{path}cancel/").status_code == 404
    assert api(vera).post(f"{path}cancel/").status_code == 403
    assert api(olivia).post(f"{path}cancel/").data["cancel_requested"] is True


@pytest.mark.django_db
def test_the_description_of_the_api_is_complete_and_without_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Client().get("/api/schema/?format=json")
    assert answer.status_code == 200
    described = answer.json()["paths"]
    assert {"/api/zones/", "/api/zones/{zone_name}/records/{record_id}/", "/api/token/"} <= described.keys()
    assert capsys.readouterr().err == "", "drf-spectacular says there what it could not make out"


@pytest.mark.django_db
def test_the_browsable_description_runs_no_inline_script() -> None:
    answer = Client().get("/api/docs/")
    policy = answer["Content-Security-Policy"]
    scripts = next(part for part in policy.split(";") if part.strip().startswith("script-src"))
    assert "unsafe" not in scripts
    html = answer.content.decode()
    assert "<style" not in html
    assert "<script>" not in html
    assert "unsafe" not in Client().get("/accounts/login/")["Content-Security-Policy"]
