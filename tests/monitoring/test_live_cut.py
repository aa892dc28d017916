"""Specification of the live stream: exact totals, bounded rows, made only for what somebody watches."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.queries.events import QueryBatch
from monitoring.queries.hosted import HostedZones
from monitoring.queries.live import LARGEST_BATCH, LiveCut, policy_of
from realtime.events import EventType
from realtime.flow_filter import EVERY_QUERY, FlowFilter
from realtime.interests import Interest
from zones.nameserver.query_log import Batch, PolicyHit, Queries


def interest(keys: tuple[str, ...] | None = None, **flow: Any) -> Interest:
    return Interest(EventType.DNS_QUERY_BATCH, FlowFilter(**flow).normal() if flow else EVERY_QUERY, keys)


def queries(*rows: tuple[str, str, str]) -> Queries:
    """Rows of name, type, client."""
    n = len(rows)
    names, types, clients = zip(*rows, strict=True)
    return Queries(("2026-11-22T21:55:43.749Z",) * n, clients, tuple(map(str, range(n))), names, types, ("+",) * n)


def hit(number: int, name: str, action: str = "NXDOMAIN", *, trial: bool = False) -> PolicyHit:
    return PolicyHit("t", "192.0.2.1", str(number), name, "A", "QNAME", action, f"{name}.rpz.local", trial)


@pytest.fixture
def zones() -> HostedZones:
    hosted = HostedZones()
    hosted._key_of = {"example.com": "k1", "sub.example.com": "k2", "example.net": "k3"}
    return hosted


@pytest.fixture
def live(zones: HostedZones) -> LiveCut:
    return LiveCut(zones)


def only(live: LiveCut, wanted: Interest) -> QueryBatch | None:
    found = [batch for _, batch in live.cut([wanted])]
    return found[0] if found else None


ROWS = (
    ("www.example.com", "A", "192.0.2.1"),
    ("www.example.com", "AAAA", "192.0.2.2"),
    ("bad.example.net", "A", "192.0.2.1"),
    ("notexample.com", "A", "198.51.100.1"),
    ("host.sub.example.com", "A", "2001:db8::1"),
)


@pytest.mark.parametrize(
    ("flow", "names"),
    [
        ({}, [name for name, _, _ in ROWS]),
        ({"name_suffix": "Example.com."}, ["www.example.com", "www.example.com", "host.sub.example.com"]),
        ({"qtype": "aaaa"}, ["www.example.com"]),
        ({"client": "192.0.2.0/24", "qtype": "A"}, ["www.example.com", "bad.example.net"]),
        ({"client": "2001:db8:0::1"}, ["host.sub.example.com"]),
        ({"outcome": "blocked"}, ["bad.example.net"]),
        ({"outcome": "allowed", "name_suffix": "net"}, []),
    ],
)
def test_what_matches_is_counted_and_shown(live: LiveCut, flow: dict[str, str], names: list[str]) -> None:
    live.watch(Batch(queries(*ROWS), []))
    live.watch(Batch(Queries(), [hit(2, "bad.example.net")]))
    batch = only(live, interest(**flow))
    assert [row.name for row in batch.queries] == names if batch else not names
    assert batch is None or (batch.total, batch.shown) == (len(names), len(names))


def test_totals_count_all_while_rows_keep_to_the_limit(live: LiveCut) -> None:
    live.watch(Batch(queries(*[ROWS[n % 5] for n in range(10_000)]), []))
    batch = only(live, interest(rows_per_s=4))
    assert batch is not None
    assert batch.total == 10_000
    assert batch.shown == len(batch.queries) <= 4


def test_a_batch_of_the_longest_names_is_no_larger_than_allowed(live: LiveCut) -> None:
    long_name = ".".join(["x" * 60] * 4)
    live.watch(Batch(queries(*[(long_name, "A", "192.0.2.1")] * 5000), []))
    live._began -= 1
    batch = only(live, interest(rows_per_s=1000))
    assert batch is not None and batch.total == 5000
    assert sum(100 + len(row.name) for row in batch.queries) <= LARGEST_BATCH


def test_an_owner_gets_their_zones_and_no_zone_below_that_is_not_theirs(live: LiveCut) -> None:
    live.watch(Batch(queries(*ROWS), []))
    found = {
        wanted.keys: [row.name for row in batch.queries]
        for wanted, batch in live.cut([interest(("k1",)), interest(("k2",))])
    }
    assert found == {("k1",): ["www.example.com"] * 2, ("k2",): ["host.sub.example.com"]}


def test_a_trial_rule_blocks_nothing(live: LiveCut) -> None:
    live.watch(Batch(queries(*ROWS), [hit(2, "bad.example.net", trial=True)]))
    batch = only(live, interest())
    assert batch is not None and {row.outcome for row in batch.queries} == {"allowed"}


def test_where_nobody_watches_no_row_is_built(live: LiveCut) -> None:
    live.watch(Batch(queries(*ROWS), []))
    live.pause()
    assert list(live.cut([interest()])) == []
    assert live.rows_built == 0


def test_rows_are_built_by_interest_and_not_by_viewer(live: LiveCut) -> None:
    live.watch(Batch(queries(*ROWS), []))
    list(live.cut([interest(qtype="A"), interest(qtype="AAAA")]))
    assert live.rows_built == 5


def test_the_policy_of_a_hit_is_the_zone_of_its_rule() -> None:
    assert policy_of(hit(1, "bad.example.net")) == "rpz.local"
    address = PolicyHit("t", "c", "1", "a.test", "A", "CLIENT-IP", "DROP", "32.9.0.0.127.rpz-client-ip.feed.rpz", False)
    assert policy_of(address) == "feed.rpz"
