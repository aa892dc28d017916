"""Zone files brought into the site: everything or nothing, with history, events, and the name server behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models.signals import post_save

from realtime.actors import acting
from tests.zonefile.looking import events, push, rows, served
from zones import operations
from zones.changes import change_set
from zones.exporting import export_zone
from zones.importing import Cancelled, ZoneDiffers, import_zone, preview, summary
from zones.models import Change, ChangeSet, Operation, OperationState, Record, Zone
from zones.nameserver.endpoint import Endpoint
from zones.refusals import Outdated
from zones.rrsets import RR
from zones.zonefile.problems import ZoneFileError
from zones.zonefile.read import read_zone_file

pytestmark = pytest.mark.django_db

FILE = b"""\
$ORIGIN example.test.
$TTL 1h
@     SOA  ns Hostmaster 2026112201 1d 2h 4w 5m
@     NS   ns
@     MX   10 mail
ns    A    192.0.2.1
mail  A    192.0.2.2
www   300  A 192.0.2.3
www   300  A 192.0.2.4
"""


def test_a_new_zone_has_the_records_of_the_file() -> None:
    done = import_zone(FILE, "Example.TEST.")
    assert done.new
    assert done.zone.name == "example.test"
    assert {record.rr for record in Record.rows.filter(zone=done.zone)} == set(
        read_zone_file(FILE, "example.test").records
    )
    assert (done.records, done.created, done.updated, done.deleted) == (7, 7, 0, 0)


def test_the_preview_warns_of_what_would_change_and_of_nothing_else() -> None:
    odd = FILE + b"old_host A 192.0.2.5\nold A 192.0.2.5\nold MX 1 my_mail.example.org.\n"
    assert len(preview(odd, "example.test").warnings) == 2
    import_zone(odd, "example.test")
    assert preview(odd, "example.test").warnings == ()
    found = preview(odd + b"new_host A 192.0.2.6\nold A 192.0.2.6\n", "example.test").warnings
    assert ["new_host" in warning.reason for warning in found] == [True]


def test_it_is_one_change_set_by_whoever_brought_it() -> None:
    user = get_user_model().objects.create(username="olivia", is_superuser=True)
    done = import_zone(FILE, "example.test", user=user)
    made = ChangeSet.objects.get()
    assert made == done.change_set
    assert (made.origin, made.author, made.author_name) == ("import", user, "olivia")
    assert made.changes.count() == 7
    with acting(user, origin="api", address="192.0.2.77", trace_id="abc"):
        import_zone(FILE.replace(b"192.0.2.4", b"192.0.2.5"), "example.test", replace=True)
    assert ChangeSet.objects.first().origin == "import"
    assert ChangeSet.objects.first().author == user
    assert {event.trace_id for event in events("zone_imported")} >= {"abc"}


def test_it_is_announced_as_one_operation_and_not_record_by_record() -> None:
    done = import_zone(FILE, "example.test")
    assert [event.event_type for event in events()] == [
        "bulk_operation_started",
        "zone_created",
        "change_set_applied",
        "zone_imported",
        "bulk_operation_completed",
    ]
    imported = json.loads(events("zone_imported")[0].data)
    assert imported == {
        "zone": "example.test",
        "records": 7,
        "created": 7,
        "updated": 0,
        "deleted": 0,
        "serial": 2026112201,
        "change_set": done.change_set.pk,
    }
    completed = events("bulk_operation_completed")[0]
    assert completed.scope == done.zone.key
    operation = json.loads(completed.data)["operation"]
    assert operation == {"id": done.operation.pk, "kind": "zone_import", "done": 7, "total": 7, "errors": []}
    row = Operation.objects.get()
    assert (row.state, row.zone, row.done, row.total) == (OperationState.COMPLETED, done.zone, 7, 7)
    assert row.finished_at is not None


def test_what_is_imported_is_served_with_a_newer_serial(name_server: Endpoint) -> None:
    zone = import_zone(FILE, "example.test").zone
    push(zone)
    zone.refresh_from_db()
    assert served(name_server, "example.test") == rows(zone)
    assert zone.sync_state == "served"
    assert zone.serial == 2026112202, "the one in the file, and one more"


def test_an_rrset_of_more_than_a_hundred_records_is_served(name_server: Endpoint) -> None:
    """`named` has a limit of 100, which `named-compilezone` does not know of."""
    many = FILE + b"".join(b"many A 10.0.%d.%d\n" % divmod(number, 250) for number in range(600))
    zone = import_zone(many, "example.test").zone
    push(zone)
    with change_set(zone) as changes:
        changes.create(name="many", type="A", ttl=3600, content="10.9.9.9")
    push(zone)
    assert served(name_server, "example.test") == rows(zone)


def test_a_preview_writes_nothing() -> None:
    found = preview(FILE, "example.test")
    assert (found.new, found.records, found.serial) == (True, 7, 2026112201)
    assert summary(found.difference) == "6 RRsets added"
    assert "+ www 300 A 192.0.2.3" in list(found.difference.lines())
    assert not Zone.objects.exists()
    assert not Operation.objects.exists()
    assert events() == []


def test_a_preview_of_an_existing_zone_shows_the_difference() -> None:
    import_zone(FILE, "example.test")
    found = preview(FILE.replace(b"www   300  A 192.0.2.4", b"new TXT x").replace(b"2026112201", b"7"), "example.test")
    assert list(found.difference.lines()) == ['+ new 3600 TXT "x"', "- www 300 A 192.0.2.4"]
    assert not found.new


def test_a_preview_says_what_looks_wrong() -> None:
    found = preview(FILE + b"srv SRV 1 1 1 nowhere\nx.other. A 192.0.2.9\n", "example.test")
    reasons = [problem.reason for problem in found.warnings]
    assert "ignoring out-of-zone data (x.other)" in reasons
    assert "there is no nowhere.example.test. in this zone" in reasons


def test_the_same_file_again_changes_nothing() -> None:
    import_zone(FILE, "example.test")
    again = import_zone(FILE, "example.test")
    assert not again.new
    assert again.change_set is None
    assert ChangeSet.objects.count() == 1


def test_a_zone_that_differs_is_left_alone_unless_it_may_be_replaced() -> None:
    zone = import_zone(FILE, "example.test").zone
    before = rows(zone)
    with pytest.raises(
        ZoneDiffers, match=r"example\.test is there already with other records: 1 RRset removed"
    ) as differs:
        import_zone(FILE.replace(b"mail  A    192.0.2.2\n", b""), "example.test")
    assert differs.value.difference.removed[0].name == "mail"
    assert rows(zone) == before
    assert Operation.objects.latest("created_at").state == OperationState.FAILED


def test_replacing_makes_only_the_difference_in_one_change_set(name_server: Endpoint) -> None:
    zone = import_zone(FILE, "example.test").zone
    push(zone)
    kept = Record.rows.get(zone=zone, content="192.0.2.3")
    with change_set(zone) as changes:
        changes.update(kept, comment="the old web server")
    new = FILE.replace(b"192.0.2.4", b"192.0.2.5").replace(b"mail  A ", b"mail 60 A ") + b"x TXT y\n"
    done = import_zone(new.replace(b"2026112201", b"9"), "example.test", replace=True)
    assert (done.new, done.created, done.updated, done.deleted) == (False, 2, 1, 1)
    made = done.change_set
    assert sorted((entry["name"], entry["type"]) for entry in made.rrsets) == [
        ("mail", "A"),
        ("www", "A"),
        ("x", "TXT"),
    ]
    kept.refresh_from_db()
    assert kept.comment == "the old web server"
    push(zone)
    made.refresh_from_db()
    assert made.state == "served"
    assert served(name_server, "example.test") == rows(zone)


def test_a_refused_file_leaves_nothing_but_the_operation_that_says_why() -> None:
    with pytest.raises(ZoneFileError) as refused:
        import_zone(FILE + b"bad A 192.0.2.400\n$INCLUDE x\n", "example.test")
    assert refused.value.problems[0].line == 11
    assert not Zone.objects.exists()
    assert [event.event_type for event in events()] == ["bulk_operation_started", "bulk_operation_failed"]
    row = Operation.objects.get()
    assert row.state == OperationState.FAILED
    assert row.errors == ["line 11: $INCLUDE is not allowed: put the records into this file"]


def test_what_only_the_site_refuses_is_told_the_same_way() -> None:
    with pytest.raises(ZoneFileError, match="a comment has at most 2000 characters"):
        import_zone(FILE, "example.test", comment="x" * 2001)
    assert not Zone.objects.exists()


@pytest.mark.parametrize("name", [".", "*.example.test", "a..b", "x" * 64, "exa mple.test", r"a\;b.test", "-h.test"])
def test_a_name_that_no_zone_can_have_is_refused(name: str) -> None:
    with pytest.raises(ZoneFileError) as refused:
        import_zone(FILE, name)
    assert refused.value.problems[0].line is None


def test_the_records_of_a_secondary_zone_come_from_elsewhere() -> None:
    zone = import_zone(FILE, "example.test").zone
    Zone.objects.filter(pk=zone.pk).update(kind="secondary")
    for attempt in (preview, import_zone):
        with pytest.raises(ZoneFileError, match="is a secondary zone"):
            attempt(FILE, "example.test")


@pytest.mark.parametrize("statement", range(6))
def test_an_import_that_is_cut_off_leaves_nothing(statement: int) -> None:
    """Wherever the database gives up in the middle of the writing."""
    many = FILE + b"".join(b"h%d A 192.0.2.9\n" % number for number in range(1200))
    seen = 0

    def give_up(execute: Any, sql: str, parameters: Any, many_rows: bool, context: Any) -> Any:
        nonlocal seen
        if "zones_" in sql and sql.startswith("INSERT") and "zones_operation" not in sql:
            seen += 1
            if seen > statement:
                raise RuntimeError("the disk is full")
        return execute(sql, parameters, many_rows, context)

    with connection.execute_wrapper(give_up), pytest.raises(RuntimeError):
        import_zone(many, "example.test")
    assert not Zone.objects.exists()
    assert not Record.rows.exists()
    assert not Change.objects.exists()
    assert [event.event_type for event in events()] == ["bulk_operation_started", "bulk_operation_failed"]


def test_progress_is_told_now_and_then_and_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    clock = iter(range(10**9))

    def listen(event_type: str, payload: Any, scope: str | None = None) -> None:
        told.append((payload.operation.done, payload.operation.total))

    monkeypatch.setattr(operations, "stream", listen)
    monkeypatch.setattr(operations.time, "monotonic", lambda: next(clock) / 10)
    many = FILE + b"".join(b"h%d A 192.0.2.9\n" % number for number in range(4000))
    import_zone(many, "example.test")
    assert told[0] == (0, 4007)
    assert len(told) > 3
    assert told == sorted(told)
    assert {total for _, total in told} == {4007}


def test_an_import_that_is_cancelled_leaves_nothing() -> None:
    def cancel(instance: Operation, created: bool, **_: Any) -> None:
        if created:
            Operation.objects.filter(pk=instance.pk).update(cancel_requested=True)

    post_save.connect(cancel, sender=Operation)
    try:
        with pytest.raises(Cancelled):
            import_zone(FILE, "example.test")
    finally:
        post_save.disconnect(cancel, sender=Operation)
    assert not Zone.objects.exists()
    assert Operation.objects.get().state == OperationState.CANCELLED
    assert events()[-1].event_type == "bulk_operation_cancelled"


def test_an_export_comes_back_as_the_same_zone() -> None:
    zone = import_zone(FILE, "example.test").zone
    text = "".join(export_zone(zone))
    assert text.startswith("$ORIGIN example.test.\n@ ")
    assert not preview(text.encode(), "example.test").difference
    assert RR("www", "A", 300, "192.0.2.4") in read_zone_file(text.encode(), "example.test").records


def test_what_somebody_changed_after_the_preview_is_not_overwritten_unseen() -> None:
    zone = import_zone(FILE, "example.test").zone
    other = FILE.replace(b"192.0.2.4", b"192.0.2.5")
    seen = preview(other, "example.test")
    with change_set(zone) as changes:
        changes.create(name="theirs", type="A", ttl=60, content="192.0.2.7")

    with pytest.raises(Outdated):
        import_zone(other, "example.test", replace=True, based_on=seen.based_on)
    assert zone.records.filter(name="theirs").exists()
    assert not zone.records.filter(content="192.0.2.5").exists()

    import_zone(other, "example.test", replace=True, based_on=preview(other, "example.test").based_on)
    assert zone.records.filter(content="192.0.2.5").exists()
