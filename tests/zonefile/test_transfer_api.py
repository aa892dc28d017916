"""Zone files over HTTP, as a script or the page's dialog sends and fetches them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from tests.zonefile.looking import events
from tests.zones.examples import whole
from zones import grants
from zones.importing import import_zone
from zones.models import ChangeSet, Operation, Record, Zone
from zones.zonefile.guard import MAX_BYTES
from zones.zonefile.read import read_zone_file

pytestmark = pytest.mark.django_db

FILE = b"""\
$TTL 1h
@     SOA  ns hostmaster 2026112201 1d 2h 4w 5m
@     NS   ns
ns    A    192.0.2.1
www   A    192.0.2.3
"""


def someone(username: str, *roles: str) -> Any:
    user = get_user_model().objects.create(username=username)
    user.groups.set([Group.objects.get(name=role) for role in roles])
    return user


def client(user: Any) -> APIClient:
    http = APIClient()
    http.force_authenticate(user)
    return http


@pytest.fixture
def operator() -> APIClient:
    return client(someone("olivia", "DNS operators"))


def post(http: APIClient, text: bytes, query: str = "", zone: str = "example.test", **options: Any) -> Any:
    return http.post(f"/api/zones/{zone}/import/{query}", text, content_type="text/dns", **options)


def test_a_file_in_the_body_becomes_a_zone(operator: APIClient) -> None:
    answer = post(operator, FILE)
    assert answer.status_code == 201
    body = answer.json()
    made = ChangeSet.objects.get()
    assert body == {
        "zone": "example.test",
        "new": True,
        "records": 4,
        "created": 4,
        "updated": 0,
        "deleted": 0,
        "change_set": made.pk,
        "operation": Operation.objects.get().pk,
        "sync_state": "pending",
        "warnings": [],
    }
    assert (made.origin, made.author_name) == ("import", "olivia")
    assert events("zone_imported")[0].source_username == "olivia"


def test_a_file_as_an_upload_becomes_a_zone(operator: APIClient) -> None:
    upload = {"file": SimpleUploadedFile("db.example", FILE)}
    assert operator.post("/api/zones/example.test/import/", upload, format="multipart").status_code == 201
    assert operator.post("/api/zones/other.test/import/", {"name": "x"}, format="multipart").status_code == 400


def test_a_dry_run_answers_the_difference_and_changes_nothing(operator: APIClient) -> None:
    post(operator, FILE)
    changed = (
        FILE.replace(b"192.0.2.3", b"192.0.2.4").replace(b"2026112201", b"3") + b"new TXT x\nx.other. A 192.0.2.1\n"
    )
    answer = post(operator, changed, "?dry_run=1")
    assert answer.status_code == 200
    assert answer.json() == {
        "zone": "example.test",
        "new": False,
        "records": 5,
        "serial": 3,
        "difference": {
            "added": [{"name": "new", "type": "TXT", "ttl": 3600, "rdata": ['"x"']}],
            "removed": [],
            "changed": [
                {
                    "before": {"name": "www", "type": "A", "ttl": 3600, "rdata": ["192.0.2.3"]},
                    "after": {"name": "www", "type": "A", "ttl": 3600, "rdata": ["192.0.2.4"]},
                }
            ],
            "added_count": 1,
            "removed_count": 0,
            "changed_count": 1,
        },
        "warnings": [{"line": 7, "reason": "ignoring out-of-zone data (x.other)"}],
        "based_on": ChangeSet.objects.get().pk,
    }
    assert ChangeSet.objects.count() == 1


def test_a_refused_file_answers_each_line_and_reason(operator: APIClient) -> None:
    answer = post(operator, FILE + b"bad A 192.0.2.400\nwww CNAME ns\n")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == "invalid_zone_file"
    assert body["problems"] == [
        {"line": 6, "message": "near '192.0.2.400': bad dotted quad"},
        {"line": 7, "message": "www.example.test: CNAME and other data"},
    ]
    assert body["errors"] == {
        "": ["line 6: near '192.0.2.400': bad dotted quad", "line 7: www.example.test: CNAME and other data"]
    }
    assert not Zone.objects.exists()


@pytest.mark.parametrize("text", [b"$INCLUDE /etc/passwd\n", b" $include ../../etc/shadow", b'"$Include" x\n'])
def test_no_other_file_is_read(operator: APIClient, text: bytes) -> None:
    for query in ("", "?dry_run=1", "?replace=1"):
        answer = post(operator, FILE + text, query)
        assert answer.status_code == 400
        assert answer.json()["problems"][0] == {
            "line": 6,
            "message": "$INCLUDE is not allowed: put the records into this file",
        }
        assert "root" not in answer.content.decode()


def test_a_zone_that_is_there_with_other_records_answers_409_until_it_may_be_replaced(operator: APIClient) -> None:
    post(operator, FILE)
    changed = FILE.replace(b"www   A    192.0.2.3\n", b"")
    answer = post(operator, changed)
    assert answer.status_code == 409
    assert answer.json()["code"] == "zone_differs"
    assert answer.json()["difference"]["removed"][0]["name"] == "www"
    assert Record.rows.filter(name="www").exists()
    replaced = post(operator, changed, "?replace=1&comment=no+web+any+more")
    assert replaced.status_code == 200
    assert replaced.json()["deleted"] == 1
    assert ChangeSet.objects.first().comment == "no web any more"


def test_a_zone_that_was_only_made_takes_a_file_at_once(operator: APIClient) -> None:
    operator.post("/api/zones/", {"name": "example.test"}, format="json")
    assert post(operator, FILE).status_code == 200
    assert Record.rows.filter(name="www").exists()


def test_who_may_import() -> None:
    zone = import_zone(FILE, "example.test").zone
    editor, looker, nobody, analyst = (someone(name) for name in ("edna", "luke", "nils", "sam"))
    analyst.groups.set([Group.objects.get(name="Security analysts")])
    grants.give(zone, level="edit", user=editor)
    grants.give(zone, level="view", user=looker)
    changed = FILE + b"x TXT y\n"
    for query in ("?dry_run=1", "?replace=1"):
        assert post(client(nobody), changed, query).status_code == 404
        assert post(client(looker), changed, query).status_code == 403
        assert post(client(analyst), changed, query).status_code == 403
        assert post(client(editor), changed, query).status_code == 200
        assert post(client(editor), changed, query, zone="new.test").status_code == 404
    assert APIClient().post("/api/zones/example.test/import/", FILE, content_type="text/dns").status_code == 401


def test_a_file_that_is_too_large_is_refused_before_it_is_read(operator: APIClient) -> None:
    answer = post(operator, b"", CONTENT_LENGTH=str(MAX_BYTES + 100_000))
    assert answer.status_code == 413


def test_other_content_is_not_taken_for_a_zone_file(operator: APIClient) -> None:
    path = "/api/zones/example.test/import/"
    assert operator.post(path, FILE, content_type="application/xml").status_code == 415
    assert post(operator, FILE, "?dry_run=perhaps").status_code == 400
    assert post(operator, FILE, zone="exa mple").status_code == 400


def test_an_export_is_a_zone_file(operator: APIClient) -> None:
    zone = import_zone(FILE, "example.test").zone
    answer = operator.get("/api/zones/example.test/export/")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/dns; charset=us-ascii"
    assert answer["Content-Disposition"] == 'attachment; filename="example.test.zone"'
    text = whole(answer)
    assert set(read_zone_file(text, "example.test").records) == {record.rr for record in Record.rows.filter(zone=zone)}
    assert read_zone_file(text, "example.test").serial == 2026112201
    assert operator.get("/api/zones/example.test/export/", headers={"Accept": "text/dns"}).status_code == 200
    assert events("zone_exported")[0].scope == zone.key


def test_who_may_export() -> None:
    zone = import_zone(FILE, "example.test").zone
    looker, nobody = someone("luke"), someone("nils")
    grants.give(zone, level="view", user=looker)
    assert whole(client(looker).get("/api/zones/example.test/export/"))
    answer = client(nobody).get("/api/zones/example.test/export/", headers={"Accept": "text/dns"})
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
