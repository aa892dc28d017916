"""Find and replace, and TTLs, over several zones: all of it or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from realtime.models import LogEvent
from tests.zones.examples import Api, whole
from zones.changes import change_set
from zones.lifecycle import create_zone
from zones.models import ChangeSet, Operation, Record, Zone

PATH = "/api/bulk-edits/"
EDIT = {"zones": ["example.com", "example.org"], "find": "192.0.2.", "replace": "198.51.100."}


@pytest.fixture
def both(zone: Zone) -> list[Zone]:
    other = create_zone("example.org", nameservers=["ns.example.net"])
    with change_set(other) as changes:
        changes.create(name="a", type="A", ttl=300, content="192.0.2.1")
        changes.create(name="b", type="TXT", ttl=300, content='"192.0.2.1"')
    return [zone, other]


def contents(**query: Any) -> set[str]:
    return set(Record.objects.filter(**query).values_list("content", flat=True))


def test_it_is_previewed_and_then_made_as_one_change_set_per_zone(api: Api, olivia: User, both: list[Zone]) -> None:
    client, before = api(olivia), ChangeSet.objects.count()
    shown = client.post(PATH, EDIT | {"dry_run": True})
    assert (shown.status_code, shown.json()["change_count"], shown.json()["operation"]) == (200, 4, None)
    assert ChangeSet.objects.count() == before

    done = client.post(PATH, EDIT).json()

    assert [zone["change_count"] for zone in done["zones"]] == [2, 2]
    assert contents(type="A") == {"198.51.100.1", "198.51.100.2"}
    assert ChangeSet.objects.count() == before + 2
    operation = client.get(f"/api/operations/{done['operation']}/").json()
    assert (operation["state"], operation["done"], operation["total"]) == ("completed", 4, 4)
    result = whole(client.get(f"/api/operations/{done['operation']}/result/")).decode().splitlines()
    assert len(result) == 5
    assert result[1].split(",")[0::2][:2] == ["example.com", "update"]
    types = LogEvent.objects.order_by("pk").values_list("event_type", flat=True)
    assert [name for name in types if "bulk" in name] == ["bulk_operation_started", "bulk_operation_completed"]


def test_only_what_matches_in_type_and_name_and_case_is_changed(api: Api, olivia: User, both: list[Zone]) -> None:
    with change_set(both[1]) as changes:
        changes.create(name="c", type="TXT", ttl=300, content='"Word"')
        changes.create(name="d", type="TXT", ttl=300, content='"word"')
    edit = EDIT | {"find": "word", "replace": "other", "type": "TXT", "ttl": 60}
    assert api(olivia).post(PATH, edit).json()["change_count"] == 1
    assert contents(name__in="cd") == {'"Word"', '"other"'}
    assert list(Record.objects.filter(ttl=60).values_list("name", flat=True)) == ["d"]


def test_a_ttl_alone_is_set_for_all_that_match(api: Api, olivia: User, both: list[Zone]) -> None:
    edit = {"zones": ["example.org"], "type": "A", "ttl": 60}
    assert api(olivia).post(PATH, edit).status_code == 201
    assert list(Record.objects.filter(ttl=60).values_list("content", flat=True)) == ["192.0.2.1"]


def test_of_a_selection_nothing_else_is_changed(api: Api, olivia: User, both: list[Zone]) -> None:
    chosen = Record.objects.get(zone=both[1], name="b")
    assert api(olivia).post(PATH, EDIT | {"records": [chosen.pk]}).json()["change_count"] == 1
    assert contents(content__contains="198.51.100.") == {'"198.51.100.1"'}


def test_one_record_that_is_refused_keeps_all_zones_as_they_were(api: Api, olivia: User, both: list[Zone]) -> None:
    edit = EDIT | {"find": "192.0.2.1", "replace": "192.0.2.1000"}
    shown = api(olivia).post(PATH, edit | {"dry_run": True}).json()
    assert {problem["code"] for zone in shown["zones"] for problem in zone["problems"]} == {"invalid_content"}
    before = contents()
    assert api(olivia).post(PATH, edit).status_code == 400
    assert contents() == before
    assert Operation.objects.get().state == "failed"


def test_zones_that_one_may_not_edit_are_not_edited(api: Api, zoe: User, vera: User, both: list[Zone]) -> None:
    assert api(vera).post(PATH, EDIT).status_code == 403
    refused = api(zoe).post(PATH, EDIT)
    assert (refused.status_code, refused.json()["problems"][0]["code"]) == (400, "unknown_zone")
    assert api(zoe).post(PATH, EDIT | {"zones": ["example.com"]}).status_code == 201


def test_an_edit_has_to_say_what_it_does(api: Api, olivia: User, both: list[Zone]) -> None:
    assert api(olivia).post(PATH, {"zones": ["example.com"]}).status_code == 400


def test_nothing_is_changed_in_a_zone_that_somebody_changed_after_the_preview(
    api: Api, olivia: User, both: list[Zone]
) -> None:
    client, seen = api(olivia), contents(type="A")
    shown = client.post(PATH, EDIT | {"dry_run": True}).json()
    based_on = {zone["zone"]: zone["based_on"] for zone in shown["zones"]}
    with change_set(both[1]) as changes:
        changes.create(name="new", type="TXT", ttl=300, content='"192.0.2.9"')

    refused = client.post(PATH, EDIT | {"based_on": based_on})

    assert (refused.status_code, refused.json()["code"]) == (409, "outdated")
    assert refused.json()["zone"] == "example.org"
    assert contents(type="A") == seen
    assert client.post(PATH, EDIT).status_code == 201


def test_its_events_carry_the_trace_that_the_request_names(api: Api, olivia: User, both: list[Zone]) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    api(olivia).post(PATH, EDIT, headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    bulk = LogEvent.objects.filter(event_type__startswith="bulk_operation")
    assert {event.trace_id for event in bulk} == {trace}


def test_names_are_found_in_either_case_and_by_their_u_labels(api: Api, olivia: User, zone: Zone) -> None:
    with change_set(zone) as changes:
        changes.create(name="mail", type="MX", ttl=60, content="10 post.bücher")
        changes.create(name="text", type="TXT", ttl=60, content='"Post.Bücher"')
    client, edit = api(olivia), {"zones": ["example.com"], "find": "POST.Bücher.Example", "replace": "mx.grün.example"}
    assert client.post(PATH, edit).json()["change_count"] == 1
    assert contents(name="mail") == {"10 mx.xn--grn-ioa.example.com."}
    named = {"zones": ["example.com"], "find": "MAI", "replace": "e-mai", "field": "name", "name": "Mail"}
    assert client.post(PATH, named).json()["change_count"] == 1
    assert Record.objects.filter(name="e-mail").exists()
