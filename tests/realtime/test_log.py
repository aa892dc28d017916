"""The log: durable events in commit order, numbered without a hole, and none of what was rolled back."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from realtime import log
from realtime.accounts import AccountPayload
from realtime.broadcasting import emit, stream
from realtime.events import EventType
from realtime.models import LogEvent, LogHead

pytestmark = pytest.mark.django_db(transaction=True)


def note(text: str, **more: Any) -> None:
    emit(EventType.USER_UPDATED, AccountPayload(user=1, username=text, is_active=True), **more)


def logged() -> list[str]:
    """What the log tells, in order of position."""
    return [event.data["username"] for event in log.read(0)]


@pytest.fixture(autouse=True)
def an_empty_log() -> None:
    LogEvent.objects.all().delete()
    LogHead.objects.all().delete()


@contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction, or a part of one, that comes to nothing."""
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        yield
        raise ZeroDivisionError


def test_what_is_emitted_is_read_back_whole() -> None:
    with transaction.atomic():
        note("ä€🜁", scope="key", subject_id=7)
    (event,) = log.read(0)
    assert (event.position, event.data["username"], event.scope, event.subject_id) == (1, "ä€🜁", "key", 7)
    assert log.position().position == 1


def test_an_event_that_a_later_release_wrote_keeps_its_place(caplog: pytest.LogCaptureFixture) -> None:
    with transaction.atomic():
        note("before")
        note("teleported")
        note("after")
    LogEvent.objects.filter(position=2).update(event_type="zone_teleported_far")
    for _ in range(2):
        assert [(e.position, e.data["username"]) for e in log.read(0)][1:] == [(2, "teleported"), (3, "after")]
    assert log.read(0)[1].event_type == "zone_teleported_far"
    assert log.read(0)[0].event_type is EventType.USER_UPDATED
    assert caplog.text.count("zone_teleported_far") == 1, "told once"


def test_emit_outside_a_transaction_is_an_error() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        note("x")
    assert LogEvent.objects.count() == 0


def test_emit_takes_durable_events_with_their_payload_only() -> None:
    with transaction.atomic(), pytest.raises(TypeError, match="carries"):
        emit(EventType.USER_LOGIN, AccountPayload(user=1, username="x", is_active=True))
    with transaction.atomic(), pytest.raises(TypeError, match="stream"):
        emit(EventType.ZONE_VIEWERS, AccountPayload(user=1, username="x", is_active=True))
    with pytest.raises(TypeError, match="emit"):
        stream(EventType.USER_UPDATED, AccountPayload(user=1, username="x", is_active=True))


def test_a_rolled_back_event_never_appears_and_leaves_no_hole() -> None:
    with transaction.atomic():
        note("first")
    with rolled_back():
        note("never")
    with transaction.atomic():
        note("second")
    assert [(e.position, e.data["username"]) for e in log.read(0)] == [(1, "first"), (2, "second")]


def test_an_event_of_a_rolled_back_savepoint_never_appears() -> None:
    with transaction.atomic():
        with rolled_back():
            note("never")
        note("outer")
    assert logged() == ["outer"]


def test_an_event_after_a_rolled_back_savepoint_is_numbered_at_once() -> None:
    with transaction.atomic():
        note("before")
        with rolled_back():
            note("never")
            with transaction.atomic():
                note("never either")
        with transaction.atomic():
            note("inner")
    assert logged() == ["before", "inner"]


def test_an_event_of_a_savepoint_alone_is_numbered() -> None:
    with transaction.atomic(), transaction.atomic():
        note("inner")
    assert logged() == ["inner"]


def test_a_failure_to_announce_fails_no_save(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("Redis, the network, anything")

    with monkeypatch.context() as broken, transaction.atomic():
        broken.setattr(log, "sequence", fail)
        note("kept")
    assert logged() == []
    log.publish()
    assert logged() == ["kept"]


def test_the_same_key_twice_is_one_event() -> None:
    for _ in range(2):
        with transaction.atomic():
            note("once", key="the-key")
    with transaction.atomic():
        note("other", key="another-key")
    assert logged() == ["once", "other"]


def test_many_at_once_are_numbered_in_pieces_in_order() -> None:
    with transaction.atomic():
        for number in range(2 * log.CHUNK + 3):
            note(str(number))
    assert LogEvent.objects.filter(position=None).count() == 0
    assert log.position().position == 2 * log.CHUNK + 3
    assert [e.data["username"] for e in log.read(log.CHUNK + 1, limit=3)] == [str(log.CHUNK + n) for n in (1, 2, 3)]


def test_numbering_takes_the_same_few_statements_for_many_as_for_one(django_assert_max_num_queries: Any) -> None:
    aged(1)
    for many in (1, 50):
        with django_assert_max_num_queries(many + 8), transaction.atomic():  # begin, insert, commit; look, number
            for number in range(many):
                note(str(number))
    assert log.position().position == 52


def test_publishing_when_there_is_nothing_to_number_changes_nothing() -> None:
    before = log.position()
    log.publish()
    assert log.sequence() == []
    assert log.position() == before


# -- pruning --------------------------------------------------------------------------------------------------------------


def aged(*days: int) -> None:
    """Events of these ages."""
    for age in days:
        with transaction.atomic():
            note(str(age))
        LogEvent.objects.filter(position=log.position().position).update(timestamp=timezone.now() - timedelta(days=age))


def days_ago(days: int) -> Any:
    return timezone.now() - timedelta(days=days)


def test_pruning_moves_the_floor_and_reading_below_it_is_too_old() -> None:
    aged(9, 8, 3, 2)
    assert log.prune(days_ago(5)) == 2
    assert [e.position for e in log.read(2)] == [3, 4]
    for below in (0, 1):
        with pytest.raises(log.TooOld):
            log.read(below)


def test_pruning_everything_leaves_the_head_readable_and_nothing_else() -> None:
    aged(9, 8)
    assert log.prune(days_ago(5)) == 2
    assert log.read(2) == []
    with pytest.raises(log.TooOld):
        log.read(1)
    with transaction.atomic():
        note("new")
    assert [e.position for e in log.read(2)] == [3], "positions go on where they were"


def test_pruning_leaves_no_hole_where_clocks_differ() -> None:
    aged(9, 3, 8, 2)
    assert log.prune(days_ago(5)) == 3
    assert [e.position for e in log.read(3)] == [4]


def test_pruning_keeps_what_somebody_still_needs() -> None:
    aged(9, 8, 7)
    assert log.prune(days_ago(5), keep_from=3) == 2
    assert [e.position for e in log.read(2)] == [3]


def test_pruning_touches_nothing_that_has_no_position() -> None:
    aged(9)
    LogEvent.objects.update(position=None)
    assert log.prune(days_ago(5)) == 0
    assert LogEvent.objects.count() == 1


# -- the epoch ------------------------------------------------------------------------------------------------------------


def test_a_database_that_was_set_back_gets_a_new_epoch(tmp_path: Any) -> None:
    memory = tmp_path / "log_position"
    aged(1, 1, 1)
    here = log.position()
    log.remember(memory, here)
    assert log.guard_against_rollback(memory).epoch == here.epoch
    LogEvent.objects.filter(position=3).delete()
    LogHead.objects.update(position=2)
    assert log.guard_against_rollback(memory).epoch != here.epoch
    assert log.position().epoch != here.epoch


def test_a_head_below_what_somebody_has_seen_was_set_back(tmp_path: Any) -> None:
    aged(1, 1)
    here = log.position()
    nothing = tmp_path / "none"
    assert log.guard_against_rollback(nothing, here).epoch == here.epoch
    assert log.guard_against_rollback(nothing, log.Position("other", 99)).epoch == here.epoch
    renewed = log.guard_against_rollback(nothing, log.Position(here.epoch, 3)).epoch
    assert renewed != here.epoch
    assert log.guard_against_rollback(nothing, log.Position(here.epoch, 3)).epoch == renewed, "once"


@pytest.mark.parametrize("content", [None, "", "junk", "other:999"])
def test_a_memory_that_says_nothing_changes_nothing(tmp_path: Any, content: str | None) -> None:
    memory = tmp_path / "log_position"
    if content is not None:
        memory.write_text(content)
    here = log.position()
    assert log.guard_against_rollback(memory).epoch == here.epoch


@pytest.mark.parametrize(
    "text", ["", ":", "e:", ":1", "e:x", "e:-1", "e:1.0", "e: 1", "e:١", "e" * 17 + ":1", "e:" + "1" * 19]
)
def test_text_that_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        log.Position.parse(text)


def test_a_position_reads_back_as_it_is_written() -> None:
    assert log.Position.parse(str(log.Position("k3f0", 1234))) == log.Position("k3f0", 1234)


# -- many writers: each database in its own way -----------------------------------------------------------------------------

WRITERS = """
import json, random, sys, threading
from django.db import connection, transaction
from realtime import log
from realtime.accounts import AccountPayload
from realtime.broadcasting import emit
from realtime.events import EventType
from realtime.models import LogEvent

def write(name, times):
    chance = random.Random(name)
    for number in range(times):
        try:
            with transaction.atomic():
                for part in range(chance.randint(1, 3)):
                    emit(EventType.USER_UPDATED, AccountPayload(user=1, username=f"{name}-{number}", is_active=True))
                if chance.random() < 0.3:
                    raise RuntimeError
        except RuntimeError:
            pass
    connection.close()

start = log.position().position
threads = [threading.Thread(target=write, args=(f"{sys.argv[1]}.{n}", 25)) for n in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
"""

READ = """
import json
from realtime import log
log.publish()
events, after = [], 0
while more := log.read(after):
    events += more
    after = more[-1].position
print(json.dumps([[e.position, e.data.get("username", "")] for e in events]))
"""

LATE = """
import json, threading
from django.db import connection, transaction
from realtime import log
from realtime.accounts import AccountPayload
from realtime.broadcasting import emit
from realtime.events import EventType

def note(text):
    emit(EventType.USER_UPDATED, AccountPayload(user=1, username=text, is_active=True))

begun, go_on = threading.Event(), threading.Event()

def late():
    with transaction.atomic():
        note("began first, committed last")
        begun.set()
        go_on.wait(20)
    connection.close()

thread = threading.Thread(target=late)
thread.start()
begun.wait(20)
with transaction.atomic():
    note("committed first")
log.publish()
seen = [e.data["username"] for e in log.read(log.position().position - 1)]
go_on.set()
thread.join()
seen += [e.data["username"] for e in log.read(log.position().position - 1)]
print(json.dumps(seen))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Any, site_template: Any) -> Any:
    """A site that does not run: only its database, in use by several processes."""
    from tests.parts.site import Site

    if request.param == "sqlite":
        made = Site(tmp_path)
        made.prepare(site_template)
    else:
        server = request.getfixturevalue("postgres_server")
        made = Site(tmp_path, DATABASE_URL=server.create_database())
        made.prepare()
    return made


def test_writers_of_two_processes_leave_positions_without_a_hole_in_the_order_of_each(site: Any) -> None:
    writers = [threading.Thread(target=site.python, args=(WRITERS, name)) for name in ("one", "two")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    events = json.loads(site.python(READ))
    positions = [position for position, _ in events]
    assert positions == list(range(1, len(events) + 1))
    for name in ("one", "two"):
        for number in range(4):
            written = [int(text.rpartition("-")[2]) for _, text in events if text.startswith(f"{name}.{number}-")]
            assert written == sorted(written), "each writer's events are in its order"
            assert 5 < len(set(written)) < 25, "some were rolled back, most were not"


def test_a_transaction_that_commits_late_gets_a_later_position(request: pytest.FixtureRequest, tmp_path: Any) -> None:
    """On PostgreSQL: SQLite lets nobody else write meanwhile."""
    from tests.parts.site import Site

    site = Site(tmp_path, DATABASE_URL=request.getfixturevalue("postgres_server").create_database())
    site.manage("migrate", "--verbosity=0")
    assert json.loads(site.python(LATE)) == ["committed first", "began first, committed last"]


def test_this_test_database_is_a_file_that_threads_share() -> None:
    assert connection.settings_dict["NAME"] != ":memory:"
