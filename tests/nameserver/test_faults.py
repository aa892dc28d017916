"""What goes wrong between the site and its name server: the page says it in words, nothing is lost, and it is served as
soon as it can be.

The ordinary run waits with patience, because the machine may be busy; `make soak` holds it to seconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import dns.message
import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.nameserver.swallowing import SwallowingServer
from tests.nameserver.wishes import change, events, in_state, make_zone, served, until
from zones import pushing
from zones.changes import change_set
from zones.models import ChangeSet, Record, SyncState, Zone
from zones.nameserver import rndc
from zones.nameserver.endpoint import new_key, read_key, save, saved, write_secret
from zones.nameserver.private import PrivateNamed
from zones.nameserver.rndc import Rndc

pytestmark = pytest.mark.django_db(transaction=True)


class Patience(NamedTuple):
    """Seconds until the words are on the page, and until all is served after the fault."""

    words_s: float
    served_s: float


SHORT, STRICT = Patience(30, 60), Patience(5, 30)
SOAK = pytest.mark.soak
EITHER = pytest.mark.parametrize("patience", [SHORT, pytest.param(STRICT, marks=SOAK)], ids=["short", "strict"])


# -- the faults: contexts in which something is wrong, given the server and the zone --------------------------------------


@contextmanager
def wrong_key(server: PrivateNamed, zone: Zone) -> Iterator[None]:
    """The site has another secret than the server."""
    where = saved(server.directory)
    save(msgspec.structs.replace(where, tsig=new_key(where.tsig.name)), server.directory)
    yield
    save(where, server.directory)


@contextmanager
def unknown_key(server: PrivateNamed, zone: Zone) -> Iterator[None]:
    """The site's key has a name that the server does not know."""
    where = saved(server.directory)
    save(msgspec.structs.replace(where, tsig=new_key("stranger")), server.directory)
    yield
    save(where, server.directory)


@contextmanager
def clock_off(server: PrivateNamed, zone: Zone) -> Iterator[None]:
    """The site's clock is ten minutes ahead of the server's, where messages are signed. (`faketime` and the jemalloc that
    Debian's `named` uses do not go together, so it is the site's clock and not the server's.)"""
    ahead = SimpleNamespace(time=lambda: time.time() + 600)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dns.message, "time", ahead)
        patched.setattr(rndc, "time", ahead)
        yield


@contextmanager
def stopped(server: PrivateNamed, zone: Zone) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@contextmanager
def hanging(server: PrivateNamed, zone: Zone) -> Iterator[None]:
    assert server.pid
    os.kill(server.pid, signal.SIGSTOP)
    yield
    os.kill(server.pid, signal.SIGCONT)


@contextmanager
def disk_full(server: PrivateNamed, zone: Zone) -> Iterator[None]:
    """No room is left where the zone files and their journals are."""
    filler = server.directory / "zones" / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass
    yield
    filler.unlink()


@contextmanager
def frozen(server: PrivateNamed, zone: Zone) -> Iterator[None]:
    where = saved(server.directory)
    Rndc(where).call(f"freeze {zone.name}")
    yield
    Rndc(where).call(f"thaw {zone.name}")


FAULTS = {
    "wrong key": (wrong_key, "has another secret for the TSIG key"),
    "unknown key": (unknown_key, "does not know the TSIG key"),
    "clock off": (clock_off, "clocks of this machine and of the name server differ"),
    "stopped": (stopped, "cannot be reached"),
    "hanging": (hanging, "gave no answer within"),
    "disk full": (disk_full, "is full. Make room there"),
    "frozen": (frozen, "the zone is frozen. Thaw it"),
}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[None]:
    """The server's zone files are on a disk of 2 MB."""
    directory = tmp_path / "named" / "zones"
    directory.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0755", "tmpfs", directory], capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    yield
    subprocess.run(["umount", "-l", directory], check=True)


def page(zone: Zone) -> str:
    """The page of the zone, as an administrator gets it."""
    client = Client()
    client.force_login(User.objects.get(username="admin"))
    return client.get(f"/zones/{zone.name}/").content.decode()


def endure(fault: AbstractContextManager[None], zone: Zone, words: str, patience: Patience, took: Any) -> None:
    """A change, and another, are made while something is wrong: both are kept, explained, and served afterwards."""
    with fault:
        made = [change(zone, "www", "192.0.2.2")]
        began = time.monotonic()
        until(lambda: words in page(zone), timeout_s=patience.words_s)
        took("words", time.monotonic() - began)
        told = events(zone, "zone_sync_failed")
        assert words in told[-1]["error"]
        with change_set(zone) as changes:
            changes.create(name="later", type="A", ttl=60, content="192.0.2.3")
        made.append(changes.result)
        assert "later" in page(zone)
        assert {each.state for each in ChangeSet.objects.filter(pk__in=[each.pk for each in made])} <= {
            SyncState.PENDING,
            SyncState.FAILED,
        }
    over = time.monotonic()
    until(in_state(zone, SyncState.SERVED), timeout_s=patience.served_s)
    took("served", time.monotonic() - over)
    assert pushing.compare(zone).changes == ()
    assert served(zone) == ["192.0.2.2"]
    assert served(zone, "later") == ["192.0.2.3"]
    zone.refresh_from_db()
    assert (zone.sync_error, zone.drift) == ("", None)
    assert not ChangeSet.objects.waiting(zone).exists()
    assert Record.objects.filter(zone=zone).count() == 5
    assert events(zone, "zone_drift_detected") == []
    assert words not in page(zone)


@pytest.fixture
def took(record_property: Any, request: Any) -> Any:
    """Notes how long it took, for whoever asks with `--junit-xml` or `-s`."""

    def note(what: str, seconds: float) -> None:
        record_property(what, seconds)
        sys.stdout.write(f"{request.node.name}: {what} after {seconds:.1f} s\n")

    return note


@pytest.mark.parametrize(
    ("fault", "patience"),
    [
        ("clock off", SHORT),  # the others are in the ordinary run as `test_synchronizer.py` has them
        *(pytest.param(name, STRICT, marks=SOAK) for name in FAULTS if name != "disk full"),
    ],
    ids=["clock off, short", *(name for name in FAULTS if name != "disk full")],
)
def test_a_fault_is_said_and_survived(
    fault: str, patience: Patience, own_server: PrivateNamed, running: None, took: Any
) -> None:
    User.objects.create_superuser("admin")
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    context, words = FAULTS[fault]
    endure(context(own_server, zone), zone, words, patience, took)


@EITHER
def test_a_full_disk_is_said_and_survived(
    small_disk: None, patience: Patience, own_server: PrivateNamed, running: None, took: Any
) -> None:
    User.objects.create_superuser("admin")
    zone = make_zone()
    until(in_state(zone, SyncState.SERVED))
    context, words = FAULTS["disk full"]
    endure(context(own_server, zone), zone, words, patience, took)


@EITHER
def test_updates_that_the_server_accepts_and_ignores_are_not_believed(
    patience: Patience, own_server: PrivateNamed, running: None, took: Any
) -> None:
    User.objects.create_superuser("admin")
    where = saved(own_server.directory)
    front = SwallowingServer(where)
    save(msgspec.structs.replace(where, port=front.port), own_server.directory)
    try:
        zone = make_zone()
        until(in_state(zone, SyncState.SERVED))

        @contextmanager
        def swallowing() -> Iterator[None]:
            front.swallowing = True
            yield
            assert front.swallowed
            front.swallowing = False
            save(where, own_server.directory)

        words = "accepted the change and did not carry it out"
        endure(swallowing(), zone, words, patience, took)
    finally:
        front.shutdown()
        front.server_close()


def test_a_key_file_put_right_is_read_again_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "key"
    first, second = new_key("a"), new_key("a")
    write_secret(file, first.clause())
    assert read_key(file) == first
    write_secret(file, second.clause())
    assert read_key(file) == second
