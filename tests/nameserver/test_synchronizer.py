"""What people want reaches the server, whatever happens to the server, the site, or the zone in between."""

from __future__ import annotations

import json
import os
import signal
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from tests.nameserver.conftest import HostedZone
from tests.nameserver.wishes import change, events, in_state, make_zone, served, until
from zones import leases, pushing, standing, synchronizer
from zones.changes import change_set
from zones.lifecycle import create_zone, delete_zone
from zones.models import ChangeSet, Record, SyncState, Zone
from zones.nameserver.endpoint import Endpoint, new_key, write_secret
from zones.nameserver.hosting import zone_status
from zones.nameserver.private import PrivateNamed
from zones.nameserver.rndc import Rndc
from zones.rrsets import RRset

pytestmark = pytest.mark.django_db(transaction=True)

# -- the ordinary way --------------------------------------------------------------------------------------------------


def test_a_new_zone_and_its_changes_are_served_and_said_to_be(server: Endpoint, running: None) -> None:
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    assert served(zone) == ["192.0.2.1"]
    made = change(zone, "www", "192.0.2.2")
    until(lambda: ChangeSet.objects.get(pk=made.pk).state == SyncState.SERVED)
    assert served(zone) == ["192.0.2.2"]
    zone.refresh_from_db()
    assert zone.hosted
    assert zone.serial == ChangeSet.objects.get(pk=made.pk).serial == zone_status(server, zone.name).serial
    synced = events(zone, "zone_synced")
    assert [event["change_sets"] for event in synced][-1] == [made.pk]
    assert synced[-1] == {
        "zone": zone.name,
        "serial": zone.serial,
        "change_sets": [made.pk],
        "state": "served",
        "error": "",
        "drift": "",
    }


def test_a_deleted_zone_leaves_the_server(server: Endpoint, running: None) -> None:
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    delete_zone(zone)
    until(lambda: not Zone.objects.get(pk=zone.pk).hosted)
    assert served(zone) == []


def test_a_name_that_is_used_again_serves_the_new_zone(server: Endpoint, running: None) -> None:
    old = make_zone()
    until(in_state(old, SyncState.SERVED))
    delete_zone(old)
    rrsets = [RRset("www", "A", 300, ("198.51.100.1",))]
    new = create_zone(old.name, rrsets=rrsets, nameservers=["ns.example.net"])
    until(in_state(new, SyncState.SERVED))
    assert served(new) == ["198.51.100.1"]
    assert served(new, "mail") == []


def test_changes_are_served_in_the_order_in_which_they_were_made(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    made = [change(zone, "www", f"192.0.2.{number}") for number in range(2, 12)]
    pushing.push(zone.pk)
    assert served(zone) == ["192.0.2.11"]
    serials = [ChangeSet.objects.get(pk=each.pk).serial for each in made]
    assert serials == sorted(serials)
    assert len(set(serials)) == 10


def test_a_push_that_finds_nothing_to_do_says_that_the_zone_is_served(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    Zone.objects.filter(pk=zone.pk).update(sync_state=SyncState.PENDING)
    pushing.push(zone.pk)
    assert in_state(zone, SyncState.SERVED)()


# -- the server is away ------------------------------------------------------------------------------------------------


def test_changes_made_while_the_server_is_down_wait_with_a_reason_and_are_served_when_it_returns(
    own_server: PrivateNamed, running: None
) -> None:
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    own_server.stop()
    made = change(zone, "www", "192.0.2.2")
    until(lambda: Zone.objects.get(pk=zone.pk).sync_error)
    zone.refresh_from_db()
    assert zone.sync_state == SyncState.PENDING
    assert "cannot be reached" in zone.sync_error
    new = make_zone()
    until(lambda: Zone.objects.get(pk=new.pk).sync_error)
    own_server.start()
    until(in_state(zone, SyncState.SERVED))
    until(in_state(new, SyncState.SERVED))
    assert served(zone) == ["192.0.2.2"]
    assert served(new) == ["192.0.2.1"]
    assert Zone.objects.get(pk=zone.pk).sync_error == ""
    assert ChangeSet.objects.get(pk=made.pk).state == SyncState.SERVED


def test_the_same_reason_is_told_once_however_often_it_is_tried(own_server: PrivateNamed) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    own_server.stop()
    change(zone, "www", "192.0.2.2")
    for _ in range(3):
        pushing.push(zone.pk)
    (told,) = events(zone, "zone_sync_failed")
    assert told["retrying"]
    assert told["state"] == "pending"
    assert told["code"] == "unreachable"
    assert Zone.objects.get(pk=zone.pk).attempts == 3


def test_a_server_that_hangs_is_waited_for_without_end_but_never_blocks(
    own_server: PrivateNamed, running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "TIMEOUT_S", 0.5)
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    assert own_server.pid
    os.kill(own_server.pid, signal.SIGSTOP)
    change(zone, "www", "192.0.2.2")
    until(lambda: "no answer" in Zone.objects.get(pk=zone.pk).sync_error)
    assert in_state(zone, SyncState.PENDING)()
    os.kill(own_server.pid, signal.SIGCONT)
    until(in_state(zone, SyncState.SERVED))
    assert served(zone) == ["192.0.2.2"]


def test_zones_and_changes_are_still_served_after_the_server_was_killed(
    own_server: PrivateNamed, running: None
) -> None:
    zone = make_zone()
    change(zone, "www", "192.0.2.2")
    until(in_state(zone, SyncState.SERVED))
    assert own_server.pid
    os.kill(own_server.pid, signal.SIGKILL)
    own_server._process.wait()  # type: ignore[union-attr]
    change(zone, "www", "192.0.2.3")
    own_server.restart()
    until(in_state(zone, SyncState.SERVED))
    assert served(zone) == ["192.0.2.3"]
    assert events(zone, "zone_drift_detected") == []


def test_a_server_that_has_lost_a_zone_gets_it_back(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    Rndc(server).call(f"delzone -clean {zone.name}")
    change(zone, "www", "192.0.2.2")
    pushing.push(zone.pk)
    assert served(zone) == ["192.0.2.2"]


def test_a_lost_zone_is_noticed_without_a_change(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    before = Zone.objects.get(pk=zone.pk).serial
    Rndc(server).call(f"delzone -clean {zone.name}")
    assert zone.pk in synchronizer.drifting()
    pushing.examine(zone.pk)
    assert served(zone) == ["192.0.2.1"]
    zone.refresh_from_db()
    assert before
    assert zone.serial == before + 1
    assert zone.pk not in synchronizer.drifting()


# -- the server refuses ------------------------------------------------------------------------------------------------


def test_a_frozen_zone_waits_with_the_reason_and_is_served_when_it_is_thawed(server: Endpoint, running: None) -> None:
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    Rndc(server).call(f"freeze {zone.name}")
    change(zone, "www", "192.0.2.2")
    until(lambda: "frozen" in Zone.objects.get(pk=zone.pk).sync_error)
    Rndc(server).call(f"thaw {zone.name}")
    until(in_state(zone, SyncState.SERVED))
    assert served(zone) == ["192.0.2.2"]


def test_a_wrong_key_fails_with_the_reason_and_without_the_secret(own_server: PrivateNamed) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    saved = own_server.directory / "endpoint.json"
    right, wrong = own_server.start().tsig.secret, new_key("x").secret
    saved.write_text(saved.read_text().replace(right, wrong))
    change(zone, "www", "192.0.2.2")
    pushing.push(zone.pk)
    zone.refresh_from_db()
    assert zone.sync_state == SyncState.FAILED
    assert "another secret" in zone.sync_error
    (told,) = events(zone, "zone_sync_failed")
    assert (told["code"], told["retrying"], told["state"]) == ("key_wrong", False, "failed")
    assert wrong not in json.dumps(told)
    write_secret(saved, saved.read_text().replace(wrong, right))
    pushing.push(zone.pk)
    assert in_state(zone, SyncState.SERVED)()


def test_a_zone_of_that_name_that_is_not_ours_is_not_taken_over(server: Endpoint) -> None:
    zone = make_zone()
    file = server.zone_dir / "theirs.db"
    file.write_text("@ 300 SOA ns h 1 2 3 4 5\n@ 300 NS ns.example.net.\nwww 300 A 203.0.113.1\n")
    Rndc(server).call(f'addzone {zone.name} {{ type primary; file "{file}"; update-policy local; }};')
    pushing.push(zone.pk)
    zone.refresh_from_db()
    assert zone.sync_state == SyncState.FAILED
    assert "was not put there by this site" in zone.sync_error
    assert served(zone) == ["203.0.113.1"]
    delete_zone(zone)
    pushing.push(zone.pk)
    assert served(zone) == ["203.0.113.1"]


def test_a_change_that_was_overtaken_at_the_server_fails_and_holds_up_only_its_own_name(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    HostedZone(server, zone.name).nsupdate(f"update add www.{zone.name}. 300 A 192.0.2.99")
    overtaken, after_it = change(zone, "www", "192.0.2.2"), change(zone, "www", "192.0.2.3")
    other = change(zone, "mail", "192.0.2.26")
    pushing.push(zone.pk)
    states = {each.pk: each.state for each in ChangeSet.objects.filter(zone=zone)}
    assert states[overtaken.pk] == SyncState.FAILED
    assert states[after_it.pk] == SyncState.PENDING
    assert states[other.pk] == SyncState.SERVED
    assert served(zone, "mail") == ["192.0.2.26"]
    assert served(zone) == ["192.0.2.1", "192.0.2.99"]
    zone.refresh_from_db()
    assert zone.sync_state == SyncState.FAILED
    assert "expected 192.0.2.1 (TTL 300), found 192.0.2.1, 192.0.2.99 (TTL 300)" in zone.sync_error
    one_more = change(zone, "mail", "192.0.2.27")
    pushing.push(zone.pk)
    told = events(zone, "zone_synced")[-1]
    assert (told["change_sets"], told["state"], told["error"]) == ([one_more.pk], SyncState.FAILED, zone.sync_error)
    assert in_state(zone, SyncState.FAILED)()
    pushing.repair(zone.pk)
    assert served(zone) == ["192.0.2.3"]
    assert set(ChangeSet.objects.filter(zone=zone).values_list("state", flat=True)) == {SyncState.SERVED}
    assert in_state(zone, SyncState.SERVED)()


def add(zone: Zone, name: str, kind: str, content: str) -> ChangeSet:
    with change_set(zone) as changes:
        changes.create(name=name, type=kind, ttl=300, content=content)
    assert changes.result
    return changes.result


@pytest.mark.parametrize("kind", ["TYPE58", "TYPE65534"], ids=["refused", "accepted and ignored"])
def test_what_was_refused_is_put_right_by_a_later_change_of_the_same_name(server: Endpoint, kind: str) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    with change_set(zone) as changes:  # as a whole zone brings them, of which single values are not asked for
        changes.replace(
            [
                RRset("new", "TXT", 300, ('"served at once where the other is ignored"',)),
                RRset("new", kind, 300, ("\\# 4 01020304",)),
            ],
            keep_others=True,
        )
    pushing.push(zone.pk)
    assert in_state(zone, SyncState.FAILED)()
    add(zone, "new", "A", "192.0.2.9")
    pushing.push(zone.pk)
    assert in_state(zone, SyncState.FAILED)()
    with change_set(zone) as changes:
        for record in Record.objects.filter(zone=zone, name="new").exclude(type="A"):
            changes.delete(record)
    pushing.push(zone.pk)
    assert in_state(zone, SyncState.SERVED)()
    assert not ChangeSet.objects.waiting(zone).exists()
    assert served(zone, "new") == ["192.0.2.9"]
    assert pushing.compare(zone).changes == ()


# -- crashes and races -------------------------------------------------------------------------------------------------


def test_a_push_that_was_cut_off_after_the_update_is_recognised(server: Endpoint, monkeypatch: Any) -> None:
    """As when the process is killed between the server's answer and writing it down."""
    zone = make_zone()
    pushing.push(zone.pk)
    made = change(zone, "www", "192.0.2.2")

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pushing, "record_served", killed)
        with pytest.raises(KeyboardInterrupt):
            pushing.push(zone.pk)
    serial = zone_status(server, zone.name).serial
    assert served(zone) == ["192.0.2.2"]
    assert ChangeSet.objects.get(pk=made.pk).state == SyncState.PENDING
    pushing.push(zone.pk)
    assert ChangeSet.objects.get(pk=made.pk).serial == serial
    assert in_state(zone, SyncState.SERVED)()


def test_a_zone_that_was_put_there_unrecorded_is_recognised_with_the_changes_made_since(
    server: Endpoint, monkeypatch: Any
) -> None:
    zone = make_zone()

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pushing, "record_served", killed)
        with pytest.raises(KeyboardInterrupt):
            pushing.push(zone.pk)
    assert served(zone) == ["192.0.2.1"]
    assert not Zone.objects.get(pk=zone.pk).hosted
    change(zone, "www", "192.0.2.2")
    pushing.push(zone.pk)
    assert served(zone) == ["192.0.2.2"]
    assert in_state(zone, SyncState.SERVED)()


def test_a_zone_that_another_process_pushes_is_left_to_it_until_its_lease_ends(server: Endpoint) -> None:
    zone = make_zone()
    soon, past = timezone.now() + timedelta(seconds=10), timezone.now() - timedelta(seconds=1)
    Zone.objects.filter(pk=zone.pk).update(lease="another", lease_until=soon)
    assert zone.pk not in dict(synchronizer.due(besides=[], limit=100))
    pushing.push(zone.pk)
    assert served(zone) == []
    Zone.objects.filter(pk=zone.pk).update(lease_until=past)
    assert zone.pk in dict(synchronizer.due(besides=[], limit=100))
    pushing.push(zone.pk)
    assert served(zone) == ["192.0.2.1"]


def test_a_lease_is_kept_up_while_the_work_lasts(server: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.05)
    zone = make_zone()
    with standing.lease(zone.pk) as held:
        assert held
        first = held.lease_until
        until(lambda: Zone.objects.get(pk=zone.pk).lease_until > first)
        with standing.lease(zone.pk) as second:
            assert second is None
    with standing.lease(zone.pk) as again:
        assert again


def test_one_that_lost_its_lease_writes_nothing_down(server: Endpoint) -> None:
    zone = make_zone()
    with standing.lease(zone.pk) as held:
        assert held
        Zone.objects.filter(pk=zone.pk).update(lease="another")
        pushing._push(held, pushing.endpoint())
    zone.refresh_from_db()
    assert (zone.hosted, zone.lease) == (False, "another")
    assert events(zone, "zone_synced") == []


def test_two_pushers_at_once_serve_each_change_once(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    for number in range(2, 22):
        change(zone, "www", f"192.0.2.{number}")
    before = zone_status(server, zone.name).serial
    assert before

    def work() -> None:
        try:
            for _ in range(5):
                pushing.push(zone.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert served(zone) == ["192.0.2.21"]
    assert zone_status(server, zone.name).serial == before + 20
    told = [pk for event in events(zone, "zone_synced") for pk in event["change_sets"]]
    assert sorted(told) == sorted(set(told))
    assert events(zone, "zone_sync_failed") == []


def test_many_zones_changed_at_once_are_all_served(server: Endpoint, running: None) -> None:
    zones = [make_zone() for _ in range(15)]
    for zone in zones:
        change(zone, "www", "192.0.2.2")
    for zone in zones:
        until(in_state(zone, SyncState.SERVED))
        assert served(zone) == ["192.0.2.2"]


def test_a_zone_that_is_stuck_holds_up_no_other(
    server: Endpoint, running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = make_zone()
    until(in_state(stuck, SyncState.SERVED))
    released = threading.Event()
    really = pushing.update

    def hangs_for_one(where: Endpoint, name: str, *args: Any, **options: Any) -> int:
        if name == stuck.name:
            released.wait(20)
        return really(where, name, *args, **options)

    monkeypatch.setattr(pushing, "update", hangs_for_one)
    change(stuck, "www", "192.0.2.2")
    until(lambda: Zone.objects.get(pk=stuck.pk).lease)
    other = make_zone()
    until(in_state(other, SyncState.SERVED))
    change(other, "www", "192.0.2.2")
    until(in_state(other, SyncState.SERVED))
    assert in_state(stuck, SyncState.PENDING)()
    released.set()
    until(in_state(stuck, SyncState.SERVED))


def test_a_failure_nobody_foresaw_does_not_end_the_synchronizer(
    server: Endpoint, running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    really, tried = pushing.update, threading.Event()

    def fails_once(*args: Any, **options: Any) -> int:
        if not tried.is_set():
            tried.set()
            raise RuntimeError("nobody foresaw this")
        return really(*args, **options)

    monkeypatch.setattr(pushing, "update", fails_once)
    change(zone, "www", "192.0.2.2")
    until(in_state(zone, SyncState.SERVED))
    assert tried.is_set()


# -- drift ---------------------------------------------------------------------------------------------------------------


def test_a_change_behind_our_back_is_found_and_told_once(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    assert zone.pk not in synchronizer.drifting()
    HostedZone(server, zone.name).nsupdate(
        f"update delete www.{zone.name}. A",
        f"update add www.{zone.name}. 60 A 203.0.113.5",
        f"update add new.{zone.name}. 60 TXT hello",
    )
    for _ in range(3):
        for pk in synchronizer.drifting():
            pushing.examine(pk)
    (told,) = events(zone, "zone_drift_detected")
    assert told["count"] == 2
    assert told["differences"] == [
        {"name": "new", "type": "TXT", "wanted": None, "served": {"ttl": 60, "rdata": ['"hello"']}},
        {
            "name": "www",
            "type": "A",
            "wanted": {"ttl": 300, "rdata": ["192.0.2.1"]},
            "served": {"ttl": 60, "rdata": ["203.0.113.5"]},
        },
    ]
    zone.refresh_from_db()
    assert zone.sync_state == SyncState.FAILED
    assert zone.sync_error == "changed at the name server: new TXT, www A"
    assert zone.serial == zone_status(server, zone.name).serial


def test_drift_is_found_by_the_running_synchronizer(
    server: Endpoint, running: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synchronizer, "DRIFT_EVERY_S", 0.1)
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    HostedZone(server, zone.name).nsupdate(f"update add new.{zone.name}. 60 TXT hello")
    until(lambda: events(zone, "zone_drift_detected"))


def test_a_serial_that_moved_without_a_difference_is_taken_over_quietly(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    behind_our_back = HostedZone(server, zone.name)
    behind_our_back.nsupdate(f"update add new.{zone.name}. 60 TXT hello")
    behind_our_back.nsupdate(f"update delete new.{zone.name}. TXT")
    for pk in synchronizer.drifting():
        pushing.examine(pk)
    zone.refresh_from_db()
    assert zone.sync_state == SyncState.SERVED
    assert zone.serial == zone_status(server, zone.name).serial
    assert events(zone, "zone_drift_detected") == []


def test_a_drifted_zone_stays_marked_after_other_changes_and_until_it_is_in_step_again(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    behind_our_back = HostedZone(server, zone.name)
    behind_our_back.nsupdate(f"update add new.{zone.name}. 60 TXT hello")
    pushing.examine(zone.pk)
    made = change(zone, "www", "192.0.2.2")
    pushing.push(zone.pk)
    assert ChangeSet.objects.get(pk=made.pk).state == SyncState.SERVED
    zone.refresh_from_db()
    assert zone.sync_state == SyncState.FAILED
    assert zone.sync_error == "changed at the name server: new TXT"
    behind_our_back.nsupdate(f"update delete new.{zone.name}. TXT")
    change(zone, "www", "192.0.2.3")
    pushing.push(zone.pk)
    assert in_state(zone, SyncState.SERVED)()


def test_a_zone_with_changes_on_their_way_is_not_taken_for_drifted(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    change(zone, "www", "192.0.2.2")
    Zone.objects.filter(pk=zone.pk).update(sync_state=SyncState.SERVED)  # as read just before the change
    pushing.examine(zone.pk)
    assert events(zone, "zone_drift_detected") == []
