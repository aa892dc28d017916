"""Everything at once: people change zones, two processes push, the server is killed, stopped and frozen in between. In the
end what is served is what is wanted, and nothing was lost, doubled, or taken for somebody else's doing."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
from django.db import connection

from tests.nameserver.wishes import events, in_state, make_zone, until
from zones import pushing
from zones.changes import change_set
from zones.models import ChangeSet, Record, SyncState, Zone
from zones.nameserver.errors import NameServerError
from zones.nameserver.private import PrivateNamed
from zones.nameserver.rndc import Rndc
from zones.refusals import InvalidChange
from zones.synchronizer import Synchronizer

pytestmark = pytest.mark.django_db(transaction=True)


class People:
    """They change records of the zones at random, in change sets of one to four changes."""

    def __init__(self, zones: list[Zone], dice: random.Random) -> None:
        self.zones = zones
        self.dice = dice

    def change_something(self) -> None:
        zone = self.dice.choice(self.zones)
        records = list(Record.objects.filter(zone=zone).exclude(name="@"))
        try:
            with change_set(zone) as changes:
                for record in self.dice.sample(records, min(len(records), self.dice.randint(0, 2))):
                    if self.dice.random() < 0.4:
                        changes.delete(record)
                    else:
                        changes.update(record, ttl=self.dice.choice([60, 300, 900]))
                for _ in range(self.dice.randint(0, 2)):
                    kind, content = self.value()
                    changes.create(name=f"host{self.dice.randint(0, 9)}", type=kind, ttl=300, content=content)
        except InvalidChange:
            pass  # an alias beside other data, the same value twice: refused, as it should be

    def value(self) -> tuple[str, str]:
        kind = self.dice.choice(["A", "A", "A", "TXT", "CNAME", "MX"])
        number = self.dice.randint(1, 250)
        return kind, {
            "A": f"192.0.2.{number}",
            "TXT": f'"text {number}"',
            "CNAME": f"target{number}.example.net.",
            "MX": f"{number} mail.example.net.",
        }[kind]


class Trouble:
    """What happens to the server meanwhile."""

    def __init__(self, server: PrivateNamed, zones: list[Zone], dice: random.Random) -> None:
        self.server = server
        self.zones = zones
        self.dice = dice
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._make)

    def _make(self) -> None:
        try:
            while not self.over.wait(self.dice.uniform(0.1, 0.6)):
                self.dice.choice([self.killed, self.stopped, self.restarted, self.frozen])()
        finally:
            connection.close()

    def killed(self) -> None:
        assert self.server.pid
        os.kill(self.server.pid, signal.SIGKILL)
        self.server._process.wait()  # type: ignore[union-attr]
        time.sleep(self.dice.uniform(0, 0.5))
        self.server.restart()

    def stopped(self) -> None:
        assert self.server.pid
        os.kill(self.server.pid, signal.SIGSTOP)
        time.sleep(self.dice.uniform(0, 1))
        os.kill(self.server.pid, signal.SIGCONT)

    def restarted(self) -> None:
        self.server.restart()

    def frozen(self) -> None:
        endpoint = self.server.start()
        zone = self.dice.choice(self.zones)
        try:
            Rndc(endpoint).call(f"freeze {zone.name}")
            time.sleep(self.dice.uniform(0, 0.3))
        except NameServerError:
            return
        finally:
            try:
                Rndc(endpoint).call(f"thaw {zone.name}")
            except NameServerError:
                pass  # not there yet, or not frozen


def endure(server: PrivateNamed, *, seed: int, duration_s: float) -> None:
    dice = random.Random(seed)
    pushers = [Synchronizer(), Synchronizer()]
    for pusher in pushers:
        pusher.start()
    zones = [make_zone() for _ in range(3)]
    people, trouble = People(zones, dice), Trouble(server, zones, random.Random(seed + 1))
    trouble.thread.start()
    try:
        until_then = time.monotonic() + duration_s
        while time.monotonic() < until_then:
            people.change_something()
            for pusher in pushers:
                pusher.wake()
            time.sleep(dice.uniform(0, 0.1))
    finally:
        trouble.over.set()
        trouble.thread.join()
    try:
        for zone in zones:
            until(in_state(zone, SyncState.SERVED), timeout_s=60)
            until(lambda zone=zone: not Zone.objects.get(pk=zone.pk).lease)
    finally:
        for pusher in pushers:
            pusher.stop()
    for zone in zones:
        comparison = pushing.compare(zone)
        assert comparison.changes == ()
        assert comparison.serial == Zone.objects.get(pk=zone.pk).serial
        made = list(ChangeSet.objects.filter(zone=zone).order_by("id"))
        assert {each.state for each in made} == {SyncState.SERVED}
        serials = [each.serial for each in made]
        assert serials == sorted(serials)
        told = [pk for event in events(zone, "zone_synced") for pk in event["change_sets"]]
        assert sorted(told) == [each.pk for each in made if each.rrsets]
        assert events(zone, "zone_drift_detected") == []
        assert all(event["retrying"] for event in events(zone, "zone_sync_failed"))


def test_some_troubled_seconds_end_with_what_people_want(
    own_server: PrivateNamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "TIMEOUT_S", 2.0)
    endure(own_server, seed=1, duration_s=12)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 8))
def test_troubled_minutes(own_server: PrivateNamed, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(pushing, "TIMEOUT_S", 2.0)
    endure(own_server, seed=seed, duration_s=60)
