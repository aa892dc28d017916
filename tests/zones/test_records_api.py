"""Records over HTTP: what one sends, what comes back, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.zones.examples import Api, www
from zones.models import ChangeSet, Record, Zone

RECORDS = "/api/zones/example.com/records/"


def test_a_record_is_created_with_its_canonical_value(api: Api, olivia: User, zone: Zone) -> None:
    answer = api(olivia).post(RECORDS, {"name": "Mail", "type": "mx", "ttl": 600, "content": "10 WWW", "comment": "hi"})

    assert answer.status_code == 201, answer.data
    assert answer["Location"] == f"{RECORDS}{answer.data['id']}/"
    assert answer["ETag"] == '"1"'
    got = {name: answer.data[name] for name in ("name", "type", "ttl", "content", "comment", "version", "updated_by")}
    assert got == {
        "name": "mail",
        "type": "MX",
        "ttl": 600,
        "content": "10 www.example.com.",
        "comment": "hi",
        "version": 1,
        "updated_by": "olivia",
    }


def test_a_record_that_never_was_answers_404_and_one_that_is_gone_409(api: Api, olivia: User, zone: Zone) -> None:
    client = api(olivia)
    record = zone.records.filter(name="www").first()
    assert record is not None
    path = f"/api/zones/{zone.name}/changes/"
    for pk, status in ((record.pk, 201), (record.pk, 409), (10**9, 404)):
        answer = client.post(path, {"changes": [{"op": "delete", "id": pk}]}, format="json")
        assert answer.status_code == status, answer.data
    assert (answer.data["code"], answer.data["index"]) == ("not_found", 0)


def test_a_stale_version_answers_409_with_both_versions_and_changes_nothing(api: Api, olivia: User, zone: Zone) -> None:
    record, client = www(zone), api(olivia)
    first = client.patch(f"{RECORDS}{record.pk}/", {"content": "192.0.2.7", "version": 1})
    second = client.patch(f"{RECORDS}{record.pk}/", {"content": "192.0.2.8", "version": 1})

    assert (first.status_code, first.data["version"]) == (200, 2)
    assert second.status_code == 409
    assert second["Content-Type"] == "application/problem+json"
    assert second.data["code"] == "stale_version"
    assert second.data["current"]["content"] == "192.0.2.7"
    assert second.data["current"]["version"] == 2
    assert second.data["sent"]["content"] == "192.0.2.8"
    assert Record.objects.get(pk=record.pk).content == "192.0.2.7"


@pytest.mark.parametrize("verb", ["patch", "put", "delete"])
def test_if_match_works_like_a_version(api: Api, olivia: User, zone: Zone, verb: str) -> None:
    record, client = www(zone), api(olivia)
    body = {"name": "www", "type": "A", "ttl": 300, "content": "192.0.2.9"}
    stale = getattr(client, verb)(f"{RECORDS}{record.pk}/", body, HTTP_IF_MATCH='"7"')
    nonsense = getattr(client, verb)(f"{RECORDS}{record.pk}/", body, HTTP_IF_MATCH="seven")
    fresh = getattr(client, verb)(f"{RECORDS}{record.pk}/", body, HTTP_IF_MATCH='"1"')

    assert [stale.status_code, nonsense.status_code] == [409, 400]
    assert fresh.status_code == (204 if verb == "delete" else 200)


def test_errors_are_told_by_field_all_at_once(api: Api, olivia: User, zone: Zone) -> None:
    answer = api(olivia).post(RECORDS, {"name": "a" * 64, "type": "A", "ttl": 300, "content": "192.0.2.300"})

    assert answer.status_code == 400
    assert {"type", "title", "status", "detail", "code", "errors"} <= answer.data.keys()
    assert answer.data["errors"].keys() == {"name", "content"}
    assert "63" in answer.data["errors"]["name"][0]


@pytest.mark.parametrize("kind", ["AXFR", "TYPE0", "TYPE128", "nonsense"])
def test_what_is_no_type_of_records_is_refused(api: Api, olivia: User, zone: Zone, kind: str) -> None:
    answer = api(olivia).post(RECORDS, {"name": "a", "type": kind, "ttl": 60, "content": "\\# 0"})
    assert answer.status_code == 400
    assert list(answer.data["errors"]) == ["type"]


def test_missing_fields_are_named(api: Api, olivia: User, zone: Zone) -> None:
    answer = api(olivia).post(RECORDS, {"name": "x"})
    assert (answer.status_code, set(answer.data["errors"])) == (400, {"type", "content"})


def test_a_record_without_a_ttl_takes_that_of_its_rrset_or_of_the_zone(api: Api, olivia: User, zone: Zone) -> None:
    client, soa = api(olivia), Record.objects.get(zone=zone, type="SOA")
    client.patch(f"{RECORDS}{soa.pk}/", {"ttl": 7200})

    joins = client.post(RECORDS, {"name": "www", "type": "A", "content": "192.0.2.3"})
    stands_alone = client.post(RECORDS, {"name": "ftp", "type": "A", "content": "192.0.2.3"})
    changes = [
        {"op": "create", "name": "new", "type": "A", "content": "192.0.2.3"},
        {"op": "create", "name": "new", "type": "A", "ttl": 60, "content": "192.0.2.4"},
        *({"op": "delete", "id": record.pk} for record in zone.records.filter(name="www")),
        {"op": "create", "name": "www", "type": "A", "content": "192.0.2.5"},
    ]
    together = client.post("/api/zones/example.com/changes/", {"changes": changes})

    assert [joins.data["ttl"], stands_alone.data["ttl"]] == [300, 7200]
    assert joins.data["warnings"] == stands_alone.data["warnings"] == []
    made = {each["after"]["content"]: each["after"]["ttl"] for each in together.data["changes"] if each["after"]}
    assert made == {"192.0.2.3": 60, "192.0.2.4": 60, "192.0.2.5": 300}


def test_what_looks_wrong_is_saved_and_said(api: Api, olivia: User, zone: Zone) -> None:
    answer = api(olivia).post(RECORDS, {"name": "x", "type": "CNAME", "ttl": 300, "content": "nowhere"})
    assert answer.status_code == 201
    assert [warning["code"] for warning in answer.data["warnings"]] == ["dangling_target"]


def test_a_new_ttl_is_that_of_the_whole_rrset_and_says_so(api: Api, olivia: User, zone: Zone) -> None:
    answer = api(olivia).patch(f"{RECORDS}{www(zone).pk}/", {"ttl": 60})
    assert [warning["code"] for warning in answer.data["warnings"]] == ["ttl_of_rrset"]
    assert set(zone.records.filter(name="www").values_list("ttl", flat=True)) == {60}


def test_a_put_replaces_every_field(api: Api, olivia: User, zone: Zone) -> None:
    record, client = www(zone), api(olivia)
    client.patch(f"{RECORDS}{record.pk}/", {"comment": "old"})
    missing = client.put(f"{RECORDS}{record.pk}/", {"content": "192.0.2.5"})
    answer = client.put(f"{RECORDS}{record.pk}/", {"name": "www", "type": "A", "ttl": 300, "content": "192.0.2.5"})
    assert missing.status_code == 400
    assert (answer.data["content"], answer.data["comment"]) == ("192.0.2.5", "")


def test_a_deleted_record_is_gone_and_can_be_brought_back(api: Api, olivia: User, zone: Zone) -> None:
    record, client = www(zone), api(olivia)
    assert client.delete(f"{RECORDS}{record.pk}/").status_code == 204
    assert client.get(f"{RECORDS}{record.pk}/").status_code == 404

    made = ChangeSet.objects.first()
    undone = client.post(f"/api/zones/example.com/changes/{made.pk}/revert/")
    assert undone.status_code == 201, undone.data
    assert client.get(f"{RECORDS}{record.pk}/").data["version"] > record.version


def test_undo_of_what_somebody_changed_since_is_a_conflict(api: Api, olivia: User, zone: Zone) -> None:
    record, client = www(zone), api(olivia)
    made = client.patch(f"{RECORDS}{record.pk}/", {"content": "192.0.2.5"}).data["change_set"]
    client.patch(f"{RECORDS}{record.pk}/", {"content": "192.0.2.6"})

    answer = client.post(f"/api/zones/example.com/changes/{made}/revert/")
    assert (answer.status_code, answer.data["code"]) == (409, "conflict")
    assert answer.data["conflicts"][0]["expected"]["content"] == "192.0.2.5"
    assert answer.data["conflicts"][0]["current"]["content"] == "192.0.2.6"


def test_undo_leaves_what_others_changed_in_other_fields(api: Api, olivia: User, zone: Zone) -> None:
    record, client = www(zone), api(olivia)
    made = client.patch(f"{RECORDS}{record.pk}/", {"content": "192.0.2.5"}).data["change_set"]
    client.patch(f"{RECORDS}{record.pk}/", {"comment": "by somebody else"})
    assert client.post(f"/api/zones/example.com/changes/{made}/revert/").status_code == 201

    record.refresh_from_db()
    assert (record.content, record.comment) == ("192.0.2.1", "by somebody else")


def test_lists_are_pages_and_can_be_narrowed(api: Api, olivia: User, zone: Zone) -> None:
    client = api(olivia)
    page = client.get(f"{RECORDS}?page_size=2").data
    assert page.keys() == {"count", "next", "previous", "results"}
    assert (page["count"], len(page["results"])) == (4, 2)
    assert client.get(f"{RECORDS}?type=a").data["count"] == 2
    assert client.get(f"{RECORDS}?name=www.example.com.").data["count"] == 2
    assert client.get(f"{RECORDS}?search=192.0.2.2").data["count"] == 1
    assert client.get(f"{RECORDS}?page=77").status_code == 404


def test_a_change_set_is_all_or_nothing_and_blames_the_change(api: Api, olivia: User, zone: Zone) -> None:
    client, before = api(olivia), set(zone.records.values_list("content"))
    asked: list[dict[str, Any]] = [
        {"op": "create", "name": "new", "type": "A", "ttl": 300, "content": "192.0.2.3"},
        {"op": "create", "name": "www", "type": "CNAME", "ttl": 300, "content": "new"},
    ]
    refused = client.post("/api/zones/example.com/changes/", {"changes": asked})
    assert refused.status_code == 400
    assert refused.data["problems"][0]["index"] == 1
    assert refused.data["problems"][0]["code"] == "cname_and_other_data"
    assert set(zone.records.values_list("content")) == before

    asked += [{"op": "delete", "id": record.pk, "version": 1} for record in zone.records.filter(name="www")]
    made = client.post("/api/zones/example.com/changes/", {"changes": asked, "comment": "to an alias"})
    assert made.status_code == 201, made.data
    assert made.data.keys() >= {"id", "comment", "author", "created_at", "changes", "sync_state", "serial"}
    assert (made.data["author"], made.data["comment"], made.data["sync_state"]) == ("olivia", "to an alias", "pending")
    assert [change["op"] for change in made.data["changes"]] == ["delete", "delete", "create", "create"]
    assert client.get("/api/zones/example.com/changes/").data["results"][0]["id"] == made.data["id"]


def test_a_dry_run_tells_and_changes_nothing(api: Api, olivia: User, zone: Zone) -> None:
    asked = [{"op": "update", "id": www(zone).pk, "version": 1, "content": "192.0.2.77"}]
    count = ChangeSet.objects.count()
    answer = api(olivia).post("/api/zones/example.com/changes/", {"changes": asked, "dry_run": True})
    assert (answer.status_code, answer.data["id"]) == (200, None)
    assert answer.data["changes"][0]["after"]["content"] == "192.0.2.77"
    assert www(zone).version == 1
    assert ChangeSet.objects.count() == count


def test_saving_what_is_there_already_makes_no_change_set(api: Api, olivia: User, zone: Zone) -> None:
    count = ChangeSet.objects.count()
    answer = api(olivia).patch(f"{RECORDS}{www(zone).pk}/", {"content": " 192.0.2.1"})
    assert (answer.status_code, answer.data["version"], answer.data["change_set"]) == (200, 1, None)
    assert ChangeSet.objects.count() == count


def test_the_soa_shows_the_serial_that_is_served(api: Api, olivia: User, zone: Zone) -> None:
    Zone.objects.filter(pk=zone.pk).update(serial=2026112203)
    content = api(olivia).get(f"{RECORDS}?type=SOA").data["results"][0]["content"]
    assert content.split()[2] == "2026112203"

    record = zone.records.get(type="SOA")
    answer = api(olivia).patch(f"{RECORDS}{record.pk}/", {"content": content})
    assert answer.data["change_set"] is None, "a serial alone is no change: named keeps its own"


@pytest.mark.parametrize(
    "body",
    ['{"name": ', "[" * 100_000, '"text"', "[]", "null", '{"changes": 7}', '{"changes": [7]}', '{"changes": []}'],
)
def test_malformed_json_is_answered_400(api: Api, olivia: User, zone: Zone, body: str) -> None:
    answer = api(olivia).post("/api/zones/example.com/changes/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
