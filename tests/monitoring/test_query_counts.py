"""Specification of counting: bounded memory with stated errors, minutes that add up, each line once whatever dies when."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.models import LogPlace, QueryRollup, QuerySource
from monitoring.queries import ingest as ingesting
from monitoring.queries.counting import Counting, minute_of
from monitoring.queries.heavy_hitters import HeavyHitters
from monitoring.queries.ingest import Ingest, prune
from monitoring.queries.source import Counters, Source, reconcile
from realtime.interests import InterestBook
from zones.nameserver.endpoint import Endpoint, new_key
from zones.nameserver.query_log import Batch, Listener, Unreadable, parse_queries

Period = QueryRollup.Period


def query(
    n: int, *, name: str = "www.example.com", client: str = "192.0.2.7", at: str = "21:55:43.749", signed: str = ""
) -> str:
    return (
        f"2026-11-22T{at}Z queries: info: client @0x7ff57bca1498 {client}#{1024 + n}{signed and f'/key {signed}'} ({name}): "
        f"query: {name} IN A +E(0)K (127.0.0.1)\n"
    )


def blocked(n: int, *, name: str, at: str = "21:55:43.750") -> str:
    return (
        f"2026-11-22T{at}Z rpz: info: client @0x7ff57bca1498 192.0.2.7#{1024 + n} ({name}): "
        f"rpz QNAME NXDOMAIN rewrite {name}/A/IN via {name}.rpz.local\n"
    )


# -- the most frequent --------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.lists(st.integers(0, 60).map(lambda n: str(int(n**0.5))), max_size=600), st.integers(2, 6))
def test_counts_are_never_too_high_and_too_low_by_the_error_at_most(values: list[str], capacity: int) -> None:
    exact = Counter(values)
    whole = HeavyHitters(capacity=capacity)
    for start in range(0, len(values), 40):
        part = HeavyHitters(capacity=capacity)
        part.add(values[start : start + 40])
        whole.merge(part)
    counted = dict(whole.top(1000))
    assert whole.error <= len(values) / (capacity + 1)
    assert all(exact[value] - whole.error <= counted.get(value, 0) <= exact[value] for value in exact)


def test_a_short_list_says_how_far_off_it_may_be() -> None:
    hitters = HeavyHitters({"a": 9, "b": 5, "c": 4, "d": 1})
    assert hitters.cut_to(2) == ([("a", 9), ("b", 5)], 5)
    assert hitters.cut_to(4) == ([("a", 9), ("b", 5), ("c", 4), ("d", 1)], 0)


def test_of_many_names_the_most_frequent_are_found() -> None:
    random.seed(7)
    names = [f"n{int(random.paretovariate(0.9))}" for _ in range(300_000)]
    hitters = HeavyHitters(capacity=1000)
    for start in range(0, len(names), 500):
        hitters.add(names[start : start + 500])
    exact = {name for name, _ in Counter(names).most_common(100)}
    assert len(exact & {name for name, _ in hitters.top(100)}) >= 98
    assert len(hitters) <= 4 * 1000


# -- minutes --------------------------------------------------------------------------------------------------------------


def test_queries_are_counted_in_the_minute_in_which_they_were_asked() -> None:
    counting = Counting()
    lines = query(1, at="21:55:59.999") + query(2, at="21:56:00.000") + query(3, at="21:56:30.000")
    counting.count(Batch(parse_queries(lines.encode(), Unreadable()), []))
    assert {minute.minute: tally.total for minute, tally in counting.minutes.items()} == {55: 1, 56: 2}


def test_a_time_that_is_none_counts_as_now() -> None:
    assert abs(minute_of("9999-99-99T99:99:99.999Z") - datetime.now(UTC)) < timedelta(minutes=2)


# -- reading and saving -----------------------------------------------------------------------------------------------------


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    (tmp_path / "query.log").touch()
    (tmp_path / "rpz.log").touch()
    return tmp_path


def reader(log_dir: Path) -> Ingest:
    where = Endpoint(
        host="127.0.0.1", port=53, tsig=new_key("a"), rndc_host="127.0.0.1", rndc_port=953, rndc_key=new_key("b"),
        statistics_url="", zone_dir=log_dir, log_dir=log_dir, private=True,
    )  # fmt: skip
    return Ingest(where, InterestBook())


def append(log_dir: Path, text: str, name: str = "query.log") -> None:
    with (log_dir / name).open("a") as file:
        file.write(text)


def whole_day() -> QueryRollup:
    return QueryRollup.objects.get(period=Period.DAY)


@pytest.mark.django_db
class TestSaving:
    def test_minutes_hours_and_days_say_the_same(self, log_dir: Path) -> None:
        append(log_dir, "".join(query(n, at=f"21:{n:02}:00.000") for n in range(60)))
        append(log_dir, "".join(query(n, name="bad.example", at="22:00:01.000") for n in range(3)))
        append(log_dir, blocked(0, name="bad.example", at="22:00:01.001"), "rpz.log")
        reading = reader(log_dir)
        reading.turn()
        reading.close()
        minutes = QueryRollup.objects.filter(period=Period.MINUTE)
        assert (minutes.count(), sum(row.total for row in minutes)) == (61, 63)
        assert sorted(row.total for row in QueryRollup.objects.filter(period=Period.HOUR)) == [3, 60]
        day = whole_day()
        assert (day.total, day.outcomes, day.types) == (63, {"allowed": 62, "blocked": 1}, {"A": 63})
        assert (day.names, day.blocked) == ([["www.example.com", 60], ["bad.example", 3]], [["bad.example", 1]])
        assert day.errors == {"names": 0, "clients": 0, "blocked": 0}

    def test_own_checks_are_counted_apart_and_in_no_other_figure(self, log_dir: Path) -> None:
        append(log_dir, query(1) + query(2, signed="a", name="own.example") + query(3, signed="other"))
        append(log_dir, query(4, signed="a", at="21:56:00.000"))
        reading = reader(log_dir)
        reading.turn()
        reading.close()
        day = whole_day()
        assert (day.total, day.own_checks, reading.lines) == (2, 2, 4)
        assert (day.outcomes, day.types, day.names) == ({"allowed": 2}, {"A": 2}, [["www.example.com", 2]])
        assert [row.own_checks for row in QueryRollup.objects.filter(period=Period.MINUTE)] == [1, 1]

    def test_a_reader_that_dies_before_saving_is_replaced_by_one_that_reads_the_same_again(self, log_dir: Path) -> None:
        append(log_dir, query(1) + query(2))
        first = reader(log_dir)
        first.turn()
        first.save()
        append(log_dir, query(3) + query(4))
        first.turn()  # and it is killed
        second = reader(log_dir)
        second.turn()
        append(log_dir, query(5))
        second.turn()
        second.close()
        assert whole_day().total == 5
        assert QuerySource.objects.get().facts["lines"] == 5

    def test_listeners_save_with_the_place_or_not_at_all(self, log_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Counts(Listener):
            heard = saved = 0

            def hear(self, batch: Batch) -> None:
                self.heard += len(batch.queries)

            def save(self) -> None:
                self.saved = self.heard

        listener = Counts()
        monkeypatch.setattr(ingesting, "LISTENERS", [lambda: listener])
        append(log_dir, query(1) + query(2))
        reading = reader(log_dir)
        reading.turn()
        reading.save()
        assert (listener.heard, listener.saved) == (2, 2)

    def test_without_the_database_counts_are_kept_and_that_is_said(
        self, log_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        append(log_dir, query(1))
        reading = reader(log_dir)
        reading.turn()

        def full(*_: Any, **__: Any) -> Iterator[None]:
            raise DatabaseError("database or disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(ingesting, "fenced", full)
            patch.setattr(ingesting.connection, "close", lambda: None)
            reading.save()
            assert reading.source.state == "not_saved"
            assert "disk is full" in reading.source.reason
            append(log_dir, query(2))
            reading.turn()
            reading.save()
        assert not QueryRollup.objects.exists()
        reading.save()
        assert whole_day().total == 2
        assert reading.source.state == "following"

    def test_a_log_that_is_not_there_is_told_and_followed_when_it_comes(self, tmp_path: Path) -> None:
        reading = reader(tmp_path)
        reading.turn()
        assert reading.source.state == "no_log"
        assert "No such file" in reading.source.reason
        append(tmp_path, query(1))
        reading.turn()
        assert (reading.source.state, reading.lines) == ("following", 1)

    def test_lines_that_cannot_be_read_are_counted_and_kept_as_samples(self, log_dir: Path) -> None:
        append(log_dir, query(1) + "what is this\n" + query(2))
        reading = reader(log_dir)
        reading.turn()
        assert (reading.source.unreadable, reading.source.samples, reading.lines) == (1, ["what is this"], 3)
        assert "samples" not in reading.source.public()
        reading.close()
        assert sum(row.unreadable for row in QueryRollup.objects.filter(period=Period.DAY)) == 1

    def test_rotation_and_truncation_under_a_reader_count_nothing_twice(self, log_dir: Path) -> None:
        reading = reader(log_dir)
        append(log_dir, query(1) + query(2))
        reading.turn()
        (log_dir / "query.log").rename(log_dir / "query.log.0")
        append(log_dir, query(3))
        reading.turn()
        (log_dir / "query.log").write_text(query(4, at="21:55:50.000"))
        reading.turn()
        reading.close()
        assert whole_day().total == 4
        assert {row.name for row in LogPlace.objects.all()} == {"query.log", "rpz.log"}

    def test_old_counts_are_forgotten_by_their_period(self) -> None:
        now = datetime(2026, 11, 22, 12, tzinfo=UTC)
        for period in (Period.MINUTE, Period.DAY):
            for days in (0, 5):
                QueryRollup.objects.create(period=period, start=now - timedelta(days=days))
        assert prune({Period.MINUTE: timedelta(days=3), Period.DAY: timedelta(days=30)}, now) == 1

    def test_clients_are_shortened_before_they_are_counted(self, log_dir: Path, settings: Any) -> None:
        from monitoring.queries.clients import short
        from monitoring.queries.conf import QuerySettings

        settings.QUERIES = QuerySettings(client_prefix_v4=24, client_prefix_v6=56)
        short.cache_clear()
        append(
            log_dir, query(1, client="192.0.2.7") + query(2, client="192.0.2.9") + query(3, client="2001:db8:0:12ff::1")
        )
        reading = reader(log_dir)
        reading.turn()
        reading.close()
        short.cache_clear()
        assert whole_day().clients == [["192.0.2.0", 2], ["2001:db8:0:1200::", 1]]


# -- what is missing ------------------------------------------------------------------------------------------------


def asked(queries: int, lines: int, boot: str = "b1") -> Counters:
    return Counters(boot, queries, {"NOERROR": queries}, {}, lines)


def test_what_the_server_counted_and_its_log_did_not_bring_is_missing() -> None:
    source = Source()
    source.lines = 500  # of before
    assert reconcile(source, asked(20, 500)) == (0, {}, {})
    source.lines = 530
    assert reconcile(source, asked(50, 530)) == (0, {"NOERROR": 30}, {})
    source.lines = 540  # the disk was full for a while
    assert reconcile(source, asked(80, 540))[0] == 20
    assert reconcile(source, asked(80, 540))[0] == 0
    assert source.missing == 20


def test_a_restart_of_the_server_makes_nothing_missing() -> None:
    source = Source()
    source.lines = 100
    reconcile(source, asked(100, 100))
    source.lines = 130
    assert reconcile(source, asked(10, 120, boot="b2")) == (0, {"NOERROR": 10}, {})
    source.lines = 150
    assert reconcile(source, asked(30, 150, boot="b2"))[0] == 0
    source.lines = 155
    assert reconcile(source, asked(40, 155, boot="b2"))[0] == 5


@given(st.data())
def test_no_query_is_told_missing_that_is_not(data: st.DataObject) -> None:
    """However reading and asking interleave."""
    source = Source()
    asked_for, logged, really_missing = 0, 0, 0
    for _ in range(data.draw(st.integers(1, 12))):
        step = data.draw(st.integers(0, 20))
        lost = data.draw(st.integers(0, step))
        asked_for, logged, really_missing = asked_for + step, logged + step - lost, really_missing + lost
        read_before = data.draw(st.integers(source.lines, logged))
        counters = asked(asked_for, read_before)
        more = data.draw(st.integers(0, 9))
        asked_for, logged = asked_for + more, logged + more
        source.lines = data.draw(st.integers(logged - more, logged))
        reconcile(source, counters)
        assert source.missing <= really_missing
