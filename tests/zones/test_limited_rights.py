"""Rights to some records of a zone: by name, type and action, the same for every way in."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from realtime.actors import acting
from tests.zones.examples import Api, Make, www
from zones import grants
from zones.access import Limits, checked_limits, editing
from zones.changes import change_set
from zones.models import Record, Zone

DEV = {"names": ["*.dev", "dev"], "types": ["A", "AAAA"], "actions": ["create", "update"]}


@pytest.fixture
def dora(person: Make, zone: Zone) -> User:
    """May add and change addresses at and below dev."""
    user = person("dora")
    grants.give(zone, level="edit", user=user, limits=checked_limits(**DEV))
    return user


def record(name: str, kind: str = "A", content: str = "192.0.2.9") -> dict[str, Any]:
    return {"name": name, "type": kind, "ttl": 60, "content": content}


def test_within_the_limits_one_edits(api: Api, dora: User, zone: Zone) -> None:
    client = api(dora)
    made = client.post("/api/zones/example.com/records/", record("a.dev"))
    assert made.status_code == 201
    path = f"/api/zones/example.com/records/{made.data['id']}/"
    assert client.patch(path, {"content": "192.0.2.10"}).status_code == 200


@pytest.mark.parametrize("body", [record("www2"), record("a.dev", "TXT", '"x"'), record("adev"), record("@")])
def test_outside_of_them_one_is_told_what_and_nothing_is_changed(
    api: Api, dora: User, zone: Zone, body: dict[str, Any]
) -> None:
    before = Record.objects.count()
    answer = api(dora).post("/api/zones/example.com/records/", body)
    assert answer.status_code == 403
    assert f"create {body['name']} {body['type']}" in answer.data["detail"]
    assert Record.objects.count() == before


def test_a_record_is_neither_moved_out_of_them_nor_in(api: Api, dora: User, zone: Zone) -> None:
    client = api(dora)
    made = client.post("/api/zones/example.com/records/", record("a.dev")).data
    assert client.patch(f"/api/zones/example.com/records/{made['id']}/", {"name": "www9"}).status_code == 403
    assert client.patch(f"/api/zones/example.com/records/{www(zone).pk}/", {"name": "b.dev"}).status_code == 403
    assert client.delete(f"/api/zones/example.com/records/{made['id']}/").status_code == 403


def test_one_forbidden_change_forbids_the_set(api: Api, dora: User, zone: Zone) -> None:
    changes = [{"op": "create", **record("a.dev")}, {"op": "create", **record("other")}]
    answer = api(dora).post("/api/zones/example.com/changes/", {"changes": changes})
    assert answer.status_code == 403
    assert not Record.objects.filter(name="a.dev").exists()


def test_an_import_or_a_revert_reaches_no_further(api: Api, dora: User, admin: User, zone: Zone) -> None:
    text = "@ 300 SOA ns.example.net. h.example.net. 1 2 3 4 5\n@ 300 NS ns.example.net.\n"
    client = api(dora)
    answer = client.generic("POST", "/api/zones/example.com/import/?replace=1", text, content_type="text/dns")
    assert answer.status_code == 403
    made = api(admin).post("/api/zones/example.com/changes/", {"changes": [{"op": "create", **record("other")}]}).data
    assert client.post(f"/api/zones/example.com/changes/{made['id']}/revert/", {}).status_code == 403
    assert Record.objects.filter(name="other").exists()


def test_python_code_on_somebodys_behalf_has_their_rights(dora: User, zone: Zone) -> None:
    with acting(dora, origin="command"), pytest.raises(PermissionDenied), change_set(zone) as changes:
        changes.create(**record("www7"))
    with change_set(zone) as changes:  # the system itself
        changes.create(**record("www7"))


def test_rights_add_up_and_end_one_by_one(api: Api, dora: User, admin: User, zone: Zone) -> None:
    manager = api(admin)
    txt = manager.post("/api/zones/example.com/grants/", {"user": "dora", "level": "edit", "types": ["txt"]})
    assert txt.status_code == 201, txt.data
    assert txt.data["types"] == ["TXT"]
    listed = manager.get("/api/zones/example.com/grants/").data["results"]
    assert [grant["names"] for grant in listed if grant["user"] == "dora"] == [["*.dev", "dev"], []]
    client = api(dora)
    assert client.post("/api/zones/example.com/records/", record("x", "TXT", '"x"')).status_code == 201
    assert manager.delete(f"/api/zones/example.com/grants/{txt.data['id']}/").status_code == 204
    assert client.post("/api/zones/example.com/records/", record("y", "TXT", '"x"')).status_code == 403
    assert client.post("/api/zones/example.com/records/", record("y.dev")).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"level": "view", "names": ["www"]},
        {"level": "manage", "types": ["A"]},
        {"level": "edit", "names": ["a b"]},
        {"level": "edit", "names": ["*a*b*"]},
        {"level": "edit", "actions": ["destroy"]},
        {"level": "edit", "types": ["A;B"]},
        {"level": "edit", "types": ["NOTYPE"]},
        {"level": "edit", "names": ["www."]},
        {"level": "edit", "names": ["bü*"]},
    ],
)
def test_limits_that_mean_nothing_are_refused(api: Api, admin: User, dora: User, zone: Zone, body: Any) -> None:
    assert api(admin).post("/api/zones/example.com/grants/", {"user": "dora", **body}).status_code == 400


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("*", "@", True),
        ("@", "@", True),
        ("@", "www", False),
        ("*.dev", "a.b.dev", True),
        ("*.dev", "dev", False),
        ("_acme-challenge*", "_acme-challenge.www", True),
        ("a.b", "axb", False),
    ],
)
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert Limits(names=(pattern,)).permit("create", name, "A") is fits


def test_a_role_or_a_whole_right_is_not_limited(admin: User, dora: User, zone: Zone) -> None:
    assert editing(admin, zone).everything
    assert not editing(dora, zone).everything
    grants.give(zone, level="manage", user=dora)
    assert editing(dora, zone).everything
