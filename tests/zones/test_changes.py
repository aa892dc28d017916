"""The change mechanism: one transaction, one change set, one story in the log; or nothing at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.urls import Resolver404, resolve

from realtime.actors import acting
from realtime.models import LogEvent
from tests.zones.examples import Api, www
from zones.changes import Conflict, InvalidChange, StaleVersion, change_set
from zones.lifecycle import create_zone, delete_zone
from zones.models import Change, ChangeSet, Record, SyncState, Zone
from zones.reverting import revert
from zones.rrsets import RR, RRset, group

pytestmark = pytest.mark.django_db


def log() -> list[tuple[str, dict[str, Any]]]:
    """The events so far, oldest first."""
    return [(event.event_type, json.loads(event.data)) for event in LogEvent.objects.order_by("id")]


@pytest.fixture
def quiet_zone(zone: Zone) -> Zone:
    """example.com, with an empty log."""
    LogEvent.objects.all().delete()
    return zone


def test_an_update_tells_the_values_before_and_after(quiet_zone: Zone, olivia: User) -> None:
    LogEvent.objects.all().delete()
    with acting(olivia, origin="page"), change_set(quiet_zone, comment="renumber") as changes:
        changes.update(www(quiet_zone), version=1, content="192.0.2.9")

    (first, data), (second, summary) = log()
    assert (first, second) == ("record_updated", "change_set_applied")
    assert data["zone"] == "example.com"
    assert data["changes"] == [{"field": "content", "old": "192.0.2.1", "new": "192.0.2.9"}]
    assert {data["record"][name] for name in ("name", "type", "content")} == {"www", "A", "192.0.2.9"}
    assert data["record"]["version"] == 2
    assert (summary["updated"], summary["comment"]) == (1, "renumber")
    event = LogEvent.objects.first()
    assert (event.source_username, event.scope, event.origin) == ("olivia", quiet_zone.key, "page")
    made = ChangeSet.objects.get(pk=data["change_set"])
    assert (made.author, made.author_name, made.origin, made.state) == (olivia, "olivia", "page", "pending")


def test_a_rolled_back_change_leaves_nothing(quiet_zone: Zone) -> None:
    before = ChangeSet.objects.count(), list(quiet_zone.records.values())
    with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012  # raised at the end
        with change_set(quiet_zone) as changes:
            changes.create(name="new", type="A", ttl=1, content="192.0.2.3")
        assert len(log()) == 2
        raise RuntimeError
    assert (ChangeSet.objects.count(), list(quiet_zone.records.values())) == before
    assert log() == []


def test_an_exception_in_the_block_leaves_nothing(quiet_zone: Zone) -> None:
    with pytest.raises(RuntimeError), change_set(quiet_zone) as changes:  # noqa: PT012  # raised at the end
        changes.create(name="new", type="A", ttl=1, content="192.0.2.3")
        raise RuntimeError
    assert log() == []
    assert not quiet_zone.records.filter(name="new").exists()


def test_a_refused_change_leaves_nothing(quiet_zone: Zone) -> None:
    with pytest.raises(InvalidChange), change_set(quiet_zone) as changes:  # noqa: PT012  # raised at the end
        changes.create(name="new", type="A", ttl=1, content="192.0.2.3")
        changes.delete(quiet_zone.records.get(type="SOA"))
    assert log() == []
    assert not quiet_zone.records.filter(name="new").exists()


def test_a_change_set_names_the_rrsets_before_and_after(zone: Zone) -> None:
    with change_set(zone) as changes:
        changes.create(name="www", type="A", ttl=60, content="192.0.2.3")
        changes.create(name="new", type="MX", ttl=60, content="0 .")
    assert changes.result is not None
    assert changes.result.rrsets == [
        {"name": "new", "type": "MX", "before": None, "after": {"ttl": 60, "rdata": ["0 ."]}},
        {
            "name": "www",
            "type": "A",
            "before": {"ttl": 300, "rdata": ["192.0.2.1", "192.0.2.2"]},
            "after": {"ttl": 60, "rdata": ["192.0.2.1", "192.0.2.2", "192.0.2.3"]},
        },
    ]
    zone.refresh_from_db()
    assert zone.sync_state == SyncState.PENDING


def test_a_comment_is_history_but_nothing_for_the_name_server(zone: Zone) -> None:
    Zone.objects.filter(pk=zone.pk).update(sync_state=SyncState.SERVED, serial=7)
    zone.refresh_from_db()
    with change_set(zone) as changes:
        changes.update(www(zone), comment="web server")
    zone.refresh_from_db()
    assert changes.result is not None
    assert (changes.result.state, changes.result.serial, changes.result.rrsets) == (SyncState.SERVED, 7, [])
    assert zone.sync_state == SyncState.SERVED


def test_a_save_from_the_shell_goes_the_same_way(quiet_zone: Zone) -> None:
    record = Record(zone=quiet_zone, name="Shell", type="a", ttl=60, content="192.0.2.3")
    record.save()
    assert (record.name, record.type, record.version) == ("shell", "A", 1)
    record.content = "192.0.2.4"
    record.save()
    assert record.version == 2
    record.delete()
    names = [name for name, _ in log() if name.startswith("record")]
    assert names == ["record_created", "record_updated", "record_deleted"]
    assert ChangeSet.objects.filter(zone=quiet_zone).count() == 4  # the zone's own, and these


def test_a_stale_save_from_the_shell_is_refused(zone: Zone) -> None:
    mine, theirs = www(zone), www(zone)
    theirs.content = "192.0.2.8"
    theirs.save()
    mine.content = "192.0.2.9"
    with pytest.raises(StaleVersion):
        mine.save()


def test_bulk_writes_around_the_mechanism_are_refused(zone: Zone) -> None:
    for write in (
        lambda: Record.objects.filter(zone=zone).update(ttl=1),
        lambda: Record.objects.filter(zone=zone).delete(),
        lambda: zone.records.create(name="x", type="A", content="192.0.2.1"),
        lambda: Record.objects.bulk_create([]),
    ):
        with pytest.raises(TypeError, match="change_set"):
            write()


def test_an_import_is_one_event_and_keeps_what_stays(quiet_zone: Zone) -> None:
    kept = www(quiet_zone)
    wanted = [
        *(
            RRset(record.name, record.type, record.ttl, (record.content,))
            for record in quiet_zone.records.filter(name="@")
        ),
        *group([RR("www", "A", 300, "192.0.2.1"), RR("new", "A", 60, "192.0.2.3")]),
    ]
    with change_set(quiet_zone, comment="import") as changes:
        changes.replace(wanted)

    assert [(name, data.get("announced")) for name, data in log()] == [("change_set_applied", False)]
    assert {(change.op, change.record_id is not None) for change in changes.done} == {
        ("delete", True),
        ("create", True),
    }
    kept.refresh_from_db()
    assert kept.version == 1
    assert Change.objects.filter(change_set=changes.result).count() == 2
    assert sorted(quiet_zone.records.values_list("content", flat=True).filter(type="A")) == ["192.0.2.1", "192.0.2.3"]


def test_an_import_can_leave_other_rrsets_alone(zone: Zone) -> None:
    with change_set(zone) as changes:
        changes.replace([RRset("www", "A", 60, ("192.0.2.9",))], keep_others=True)
    assert [record.content for record in zone.records.filter(name="www")] == ["192.0.2.9"]
    assert zone.records.filter(type="SOA").exists()


def test_an_import_without_an_soa_is_refused(zone: Zone) -> None:
    with pytest.raises(InvalidChange), change_set(zone) as changes:
        changes.replace([RRset("www", "A", 60, ("192.0.2.9",))])


def test_ten_thousand_records_are_written_in_a_bounded_number_of_statements(
    zone: Zone, django_assert_max_num_queries: Any
) -> None:
    rrsets = group(RR(f"h{number}", "A", 300, f"10.0.{number >> 8}.{number & 255}") for number in range(10_000))
    with django_assert_max_num_queries(300), change_set(zone) as changes:
        changes.replace(rrsets, keep_others=True)
    assert zone.records.count() == 10_004
    with django_assert_max_num_queries(300):
        revert(changes.result)  # type: ignore[arg-type]
    assert zone.records.count() == 4


def test_undo_brings_back_ids_values_and_versions_that_only_rise(zone: Zone) -> None:
    before = {record.pk: (record.rr, record.version) for record in zone.records.all()}
    with change_set(zone) as changes:
        changes.update(www(zone), name="web", ttl=60, comment="moved")
        changes.delete(zone.records.get(content="192.0.2.2"))
        changes.create(name="new", type="A", ttl=60, content="192.0.2.3")
    assert changes.result is not None
    undone = revert(changes.result)

    after = {record.pk: (record.rr, record.version) for record in zone.records.all()}
    assert {pk: rr for pk, (rr, _) in after.items()} == {pk: rr for pk, (rr, _) in before.items()}
    assert all(after[pk][1] >= before[pk][1] for pk in before)
    assert undone.result is not None
    assert undone.result.reverts == changes.result
    assert log()[-1][0] == "change_set_reverted"

    redone = revert(undone.result)
    assert redone.result is not None
    assert zone.records.filter(name="new").exists(), "and an undo can be undone"
    with pytest.raises(Conflict):
        revert(undone.result)


def test_a_change_set_of_a_deleted_zone_is_refused(quiet_zone: Zone) -> None:
    delete_zone(quiet_zone)
    with pytest.raises(Zone.DoesNotExist), change_set(quiet_zone) as changes:
        changes.create(name="new", type="A", ttl=1, content="192.0.2.3")
    assert [name for name, _ in log()] == ["zone_deleted", "change_set_applied"]


def test_a_zone_is_created_with_what_it_needs_to_be_served(db: None) -> None:
    zone = create_zone("Example.ORG.", comment="ours")
    assert zone.name == "example.org"
    assert sorted(zone.records.values_list("name", "type")) == [("@", "NS"), ("@", "SOA")]
    assert [name for name, _ in log()] == ["zone_created", "change_set_applied"]
    assert ChangeSet.objects.get(zone=zone).state == SyncState.PENDING
    with pytest.raises(InvalidChange):
        create_zone("example.org")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a..b", "a b", "*.example.com", "a" * 64, "-", "a\nb", "ex\x00ample", "\ud800"]
)
def test_zone_names_that_no_name_server_can_host_are_refused(db: None, name: str) -> None:
    with pytest.raises(InvalidChange):
        create_zone(name)
    assert not Zone.objects.exists()


def test_paths_that_name_nothing_are_404(api: Api, admin: User, zone: Zone) -> None:
    client = api(admin)
    for path in (
        "zones/nowhere.example/",
        "zones/example.com/records/0/",
        "zones/example.com/records/99999999999999999999999999/",
        "zones/example.com/changes/99999999999999999999999999/revert/",
        "operations/x/",
        "zones/%00/",
        "zones/..%2f/",
        "zones/" + "a" * 300 + "/",
        "zones/xn--a/",
    ):
        verb = client.post if "revert" in path else client.get
        assert verb(f"/api/{path}").status_code == 404, path
    with pytest.raises(Resolver404):
        resolve("/api/zones/example.com/records/-1/")
