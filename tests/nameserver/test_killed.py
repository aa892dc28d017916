"""The pushing process is killed for good, at the worst moments; the next one finds out what it had done."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.nameserver.wishes import change, events, in_state, make_zone, served, until
from zones import leases, pushing, synchronizer
from zones.models import ChangeSet, SyncState, Zone
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.hosting import zone_status

pytestmark = pytest.mark.django_db(transaction=True)

_PUSH_AND_DIE = """
import os, signal, sys
import django
django.setup()
from zones import pushing

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

getattr(pushing, sys.argv[2])  # a name that has moved is an error, not a push that lives
setattr(pushing, sys.argv[2], die)
pushing.push(int(sys.argv[1]))
"""


def push_and_die(zone: Zone, *, before: str) -> None:
    """Push in a process of its own, which is killed when it would call `before`."""
    # Only what the child needs; the environment of the tests is not the site's.
    environment = {
        "PATH": "/usr/bin:/bin:/usr/sbin",
        "DJANGO_SETTINGS_MODULE": "dnsadmin.settings",
        "DNSADMIN_DATA_DIR": str(settings.DATA_DIR),
        "DNSADMIN_DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "DNSADMIN_SECRET_KEY": "only-for-tests-" * 4,
    }
    root = Path(__file__).resolve().parents[2]
    child = subprocess.run(
        [sys.executable, "-c", _PUSH_AND_DIE, str(zone.pk), before], env=environment, cwd=root, timeout=60
    )
    assert child.returncode == -signal.SIGKILL


@pytest.fixture(autouse=True)
def _on_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the child process is given a database file")


def test_killed_before_the_update_was_sent(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    made = change(zone, "www", "192.0.2.2")
    push_and_die(zone, before="update")
    assert served(zone) == ["192.0.2.1"]
    Zone.objects.filter(pk=zone.pk).update(lease_until="2000-01-01T00:00:00Z")  # as if LEASE_S had passed
    pushing.push(zone.pk)
    assert served(zone) == ["192.0.2.2"]
    assert ChangeSet.objects.get(pk=made.pk).state == SyncState.SERVED


def test_killed_between_the_update_and_writing_it_down(server: Endpoint, running: None) -> None:
    """Also that the lease of the dead ends by itself."""
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    synchronizer.stop()
    made = change(zone, "www", "192.0.2.2")
    push_and_die(zone, before="record_served")
    serial = zone_status(server, zone.name).serial
    assert served(zone) == ["192.0.2.2"]
    assert ChangeSet.objects.get(pk=made.pk).state == SyncState.PENDING
    assert Zone.objects.get(pk=zone.pk).lease
    synchronizer.start()
    until(in_state(zone, SyncState.SERVED), timeout_s=leases.LEASE_S + 20)
    assert ChangeSet.objects.get(pk=made.pk).serial == serial == zone_status(server, zone.name).serial
    assert events(zone, "zone_sync_failed") == events(zone, "zone_drift_detected") == []


def test_killed_between_hosting_a_zone_and_writing_it_down(server: Endpoint) -> None:
    zone = make_zone()
    push_and_die(zone, before="record_served")
    assert served(zone) == ["192.0.2.1"]
    assert not Zone.objects.get(pk=zone.pk).hosted
    Zone.objects.filter(pk=zone.pk).update(lease_until="2000-01-01T00:00:00Z")
    pushing.push(zone.pk)
    assert in_state(zone, SyncState.SERVED)()
    assert served(zone) == ["192.0.2.1"]
