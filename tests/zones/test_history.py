"""The history of a zone: looked through, and a zone taken back to what was served once."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.zones.examples import Api, www
from zones import grants
from zones.changes import InvalidChange, change_set, snapshot
from zones.lifecycle import create_zone, update_zone
from zones.models import Change, ChangeSet, SyncState, Zone
from zones.reverting import restore

PATH = "/api/zones/example.com/changes/"


@pytest.fixture
def served(zone: Zone) -> Zone:
    """As if the name server had served what there is, at serial 10."""
    serve(zone, 10)
    return zone


def serve(zone: Zone, serial: int) -> None:
    zone.change_sets.filter(serial=None).exclude(rrsets=[]).update(state=SyncState.SERVED, serial=serial)


def state(zone: Zone) -> set[tuple[str, str, int, str, str]]:
    return set(zone.records.values_list("name", "type", "ttl", "content", "comment"))


def test_a_zone_is_taken_back_to_a_serial_by_one_new_change_set(served: Zone) -> None:
    before, kept = state(served), www(served).pk
    with change_set(served) as changes:
        changes.update(kept, content="192.0.2.7", comment="moved")
        changes.create(name="new", type="A", ttl=60, content="192.0.2.8")
    serve(served, 11)
    with change_set(served) as changes:
        changes.delete(kept)
        changes.update(served.records.get(name="new"), ttl=90)
    serve(served, 12)
    count = ChangeSet.objects.count()

    changes = restore(served, serial=10)

    assert state(served) == before
    assert ChangeSet.objects.count() == count + 1
    assert changes.result is not None
    assert changes.result.comment == "back to serial 10"
    record = served.records.get(pk=kept)
    assert record.version > 2  # nobody who holds an older version can take it for his


def test_a_dry_run_only_says_what_going_back_would_do(api: Api, olivia: User, served: Zone) -> None:
    with change_set(served) as changes:
        changes.delete(www(served))
    before = state(served)
    answer = api(olivia).post("/api/zones/example.com/restore/", {"serial": 10, "dry_run": True})
    assert (answer.status_code, [change["op"] for change in answer.json()["changes"]]) == (200, ["create"])
    assert state(served) == before
    assert api(olivia).post("/api/zones/example.com/restore/", {"serial": 10}).status_code == 201


def test_a_serial_that_history_does_not_know_is_an_error(served: Zone) -> None:
    with pytest.raises(InvalidChange) as refused:
        restore(served, serial=9)
    assert [problem.code for problem in refused.value.problems] == ["unknown_serial"]


def test_history_is_narrowed_by_who_when_how_and_which_name(api: Api, olivia: User, served: Zone) -> None:
    client = api(olivia)
    record = {"name": "new", "type": "A", "ttl": 60, "content": "192.0.2.9"}
    made = client.post("/api/zones/example.com/records/", record).json()["change_set"]

    def found(**query: object) -> list[int]:
        return [each["id"] for each in client.get(PATH, query).json()["results"]]

    assert found(author="olivia") == found(origin="api") == found(name="new") == found(sync_state="pending") == [made]
    assert made not in found(serial=10)
    assert found(until=timezone.now().isoformat())[0] == made
    assert found(since=timezone.now().isoformat()) == []
    assert client.get(PATH, {"since": "yesterday"}).status_code == 400
    one = client.get(f"{PATH}{made}/").json()
    assert (one["id"], one["change_count"], one["changes"][0]["after"]["name"]) == (made, 1, "new")
    assert client.get(f"{PATH}999999/").status_code == 404


def test_what_the_pages_change_says_so(client, olivia: User, zone: Zone) -> None:
    client.force_login(olivia)
    record = {"name": "new", "type": "A", "ttl": 60, "content": "192.0.2.9"}
    client.post("/api/zones/example.com/records/", record, content_type="application/json")
    assert zone.change_sets.first().origin == "page"


def test_what_changes_the_zone_itself_is_in_its_history(api: Api, admin: User, zone: Zone, client: Client) -> None:
    asker = api(admin)
    assert asker.patch("/api/zones/example.com/", {"comment": "moves soon"}).status_code == 200
    made = asker.get(PATH).json()["results"][0]
    assert made["settings"] == [{"field": "comment", "old": "", "new": "moves soon"}]
    assert (made["changes"], made["sync_state"], made["address"]) == ([], "served", "127.0.0.1")
    client.force_login(admin)
    page = client.get("/zones/example.com/history/").content.decode()
    assert "comment: none → moves soon" in page
    assert "127.0.0.1" in page


def test_who_may_do_what_is_told_in_the_history_to_those_who_manage_the_zone(
    api: Api, admin: User, olivia: User, vera: User, zoe: User, zone: Zone, client: Client
) -> None:
    grant = {"field": "grant", "old": None, "new": "zoe: edit"}
    assert api(olivia).get(PATH).json()["results"][0]["settings"] == [grant]
    assert api(vera).get(PATH).json()["results"][0]["settings"] == [grant | {"new": None}]
    for user, seen in ((olivia, True), (vera, False)):
        client.force_login(user)
        page = client.get("/zones/example.com/history/").content.decode()
        assert ("zoe: edit" in page, "right" in page) == (seen, True)


def test_from_which_address_is_for_administrators(api: Api, olivia: User, zone: Zone) -> None:
    assert api(olivia).patch("/api/zones/example.com/", {"comment": "x"}).status_code == 200
    assert api(olivia).get(PATH).json()["results"][0]["address"] is None
    assert ChangeSet.objects.latest("id").address == "127.0.0.1"


def test_a_zone_goes_back_to_a_serial_whatever_changed_of_the_zone_itself_since(served: Zone) -> None:
    before = state(served)
    with change_set(served) as changes:
        changes.delete(www(served))
    update_zone(served, comment="meanwhile")
    serve(served, 11)
    restore(served, serial=10)
    assert state(served) == before


def test_a_thousand_change_sets_are_one_page_with_all_that_they_did(api: Api, olivia: User, zone: Zone) -> None:
    was = snapshot(www(zone))
    made = ChangeSet.objects.bulk_create(
        ChangeSet(zone=zone, origin="api", state=SyncState.SERVED, change_count=1) for _ in range(1000)
    )
    changes = (Change(change_set=one, op="update", record_id=was["id"], before=was, after=was) for one in made)
    Change.objects.bulk_create(changes)
    first, last = (api(olivia).get(PATH, {"page_size": 1000, "page": page}).json()["results"] for page in (1, 2))
    assert len(first) == 1000
    assert all(len(one["changes"]) == one["change_count"] > 0 for one in [*first, *last])


# -- settings --------------------------------------------------------------------------------------------------------------


def test_a_change_of_settings_is_taken_back(api: Api, olivia: User, zone: Zone) -> None:
    api(olivia).patch("/api/zones/example.com/", {"comment": "ours"})
    api(olivia).patch("/api/zones/example.com/", {"comment": "theirs"})
    made = ChangeSet.objects.filter(zone=zone).exclude(settings=[])[0]
    answer = api(olivia).post(f"{PATH}{made.pk}/revert/")
    assert answer.status_code == 201
    assert (answer.data["reverts"], answer.data["settings"]) == (
        made.pk,
        [{"field": "comment", "old": "theirs", "new": "ours"}],
    )
    zone.refresh_from_db()
    assert zone.comment == "ours"
    again = api(olivia).post(f"{PATH}{answer.data['id']}/revert/")
    assert (again.status_code, Zone.objects.get(pk=zone.pk).comment) == (201, "theirs")


def test_settings_that_were_changed_again_are_not_taken_back(api: Api, olivia: User, zone: Zone) -> None:
    for comment in ("ours", "theirs"):
        api(olivia).patch("/api/zones/example.com/", {"comment": comment})
    first = ChangeSet.objects.filter(zone=zone).exclude(settings=[]).earliest("id")
    answer = api(olivia).post(f"{PATH}{first.pk}/revert/")
    assert (answer.status_code, answer.data["code"]) == (409, "conflict")
    assert answer.data["conflicts"] == [{"expected": {"comment": "ours"}, "current": {"comment": "theirs"}}]
    assert Zone.objects.get(pk=zone.pk).comment == "theirs"


def test_rights_are_not_taken_back_by_the_history(api: Api, admin: User, zone: Zone, nils: User) -> None:
    api(admin).post("/api/zones/example.com/grants/", {"user": "nils", "level": "edit"})
    made = ChangeSet.objects.filter(zone=zone).exclude(settings=[]).latest("id")
    answer = api(admin).post(f"{PATH}{made.pk}/revert/")
    assert answer.status_code == 400
    assert "set it as it was among the zone's settings" in answer.data["detail"]
    assert zone.grants.filter(closed_at=None).count() == 1


def test_settings_are_taken_back_only_by_who_may_set_them(api: Api, admin: User, zoe: User, zone: Zone) -> None:
    secondary = create_zone("second.example", kind="secondary", servers=[{"address": "192.0.2.1", "port": 53}])
    grants.give(secondary, level="edit", user=zoe)
    path = "/api/zones/second.example/"
    assert api(admin).patch(path, {"primaries": [{"address": "192.0.2.2"}]}).status_code == 200
    made = ChangeSet.objects.filter(zone=secondary).latest("id")
    assert api(zoe).post(f"{path}changes/{made.pk}/revert/").status_code == 403
    assert api(admin).post(f"{path}changes/{made.pk}/revert/").status_code == 201
    secondary.refresh_from_db()
    assert [server["address"] for server in secondary.servers] == ["192.0.2.1"]
