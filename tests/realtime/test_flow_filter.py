"""The filter of the query stream: what it lets through, what it counts, and what it never gives away."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import dns.name
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.events import EventType
from realtime.filters import view
from realtime.flow_filter import FlowFilter
from realtime.registry import registry
from realtime.routes import Encodings
from tests.realtime.catalogue import FLOW, NORMAL, audience, event

LABELS = st.sampled_from(["a", "B", "www", "example", "com", "x.y", "\\", "-", "ü"])
NAMES = st.lists(LABELS, min_size=1, max_size=5).map(
    lambda labels: ".".join(label.replace("\\", "\\\\").replace(".", "\\.") for label in labels)
)


def query(name: str = "www.example.com", client: str = "192.0.2.7", type: str = "A", outcome: str = "ok") -> Any:
    return {"name": name, "client": client, "type": type, "outcome": outcome}


def batch(*queries: Any, **more: Any) -> Any:
    data = {"queries": list(queries), "total": len(queries), "shown": len(queries), "interval_ms": 500} | more
    return msgspec.structs.replace(event(FLOW), data=data)


def shown(flow: FlowFilter, *queries: Any) -> list[Any]:
    found = flow.applied(batch(*queries))
    return found.data["queries"] if found is not None else []


@pytest.mark.parametrize(
    ("suffix", "wanted"),
    [
        ("example.com", True),
        ("example.com.", True),
        (".example.com", True),
        ("EXAMPLE.com", True),
        ("www.example.com", True),
        ("com", True),
        ("", True),
        (".", True),
        ("ample.com", False),
        ("w.example.com", False),
        ("a.www.example.com", False),
        ("example", False),
    ],
)
def test_a_suffix_matches_whole_labels(suffix: str, wanted: bool) -> None:
    assert FlowFilter(name_suffix=suffix).matches(query("www.example.com")) is wanted
    assert FlowFilter(name_suffix=suffix).matches(query("WWW.Example.COM.")) is wanted


@given(NAMES, NAMES)
def test_a_suffix_matches_what_is_a_subdomain(name: str, suffix: str) -> None:
    is_below = dns.name.from_text(name.lower()).is_subdomain(dns.name.from_text(suffix.lower()))
    assert FlowFilter(name_suffix=suffix).matches(query(name)) is is_below


@pytest.mark.parametrize(
    ("client", "wanted"),
    [("192.0.2.7", True), ("192.0.2.0/24", True), ("192.0.2.8", False), ("2001:db8::/32", False), ("0.0.0.0/0", True)],
)
def test_a_client_is_an_address_or_a_network(client: str, wanted: bool) -> None:
    assert FlowFilter(client=client).matches(query()) is wanted


def test_an_ipv6_client_is_the_same_however_it_is_written() -> None:
    assert FlowFilter(client="2001:DB8:0::1").matches(query(client="2001:db8::1"))


@pytest.mark.parametrize(
    "given",
    [
        {"client": "somebody"},
        {"client": "192.0.2.0/99"},
        {"rows_per_s": 0},
        {"rows_per_s": -1},
        {"rows_per_s": 1e9},
        {"qtype": 1},
        {"name_suffix": "x" * 1000},
        {"colour": "red"},
    ],
)
def test_a_filter_that_means_nothing_is_refused(given: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, FlowFilter)


def test_totals_count_what_matches_shown_or_not() -> None:
    queries = [query(f"{n}.example.com") for n in range(30)] + [query("example.net")] * 12
    found = FlowFilter(name_suffix="example.com", rows_per_s=20).applied(batch(*queries))
    assert found is not None
    assert (found.data["total"], found.data["shown"], len(found.data["queries"])) == (30, 10, 10)


def test_a_limit_alone_leaves_the_total_as_it_was_told() -> None:
    found = FlowFilter(rows_per_s=4).applied(batch(*[query()] * 9, total=5000))
    assert found is not None
    assert (found.data["total"], found.data["shown"]) == (5000, 2)


def test_where_nothing_matches_nothing_is_sent() -> None:
    assert FlowFilter(qtype="MX").applied(batch(query())) is None


@pytest.mark.parametrize(
    "wanted",
    [
        {name: value for name, value in choice if value is not None}
        for choice in itertools.product(
            [("name_suffix", None), ("name_suffix", "example.com")],
            [("qtype", None), ("qtype", "aaaa")],
            [("outcome", None), ("outcome", "blocked")],
        )
    ],
)
def test_all_that_is_said_must_be_met(wanted: dict[str, str]) -> None:
    queries = [
        query(name, type=qtype, outcome=outcome)
        for name, qtype, outcome in itertools.product(["a.example.com", "a.test"], ["A", "AAAA"], ["ok", "blocked"])
    ]
    assert len(shown(FlowFilter(**wanted), *queries)) == 8 // 2 ** len(wanted)  # type: ignore[arg-type]


def test_a_single_query_is_filtered_by_its_own_fields() -> None:
    blocked = msgspec.structs.replace(event(EventType.DNS_QUERY_BLOCKED), data=query("ads.example.net"))
    assert FlowFilter(name_suffix="example.net").applied(blocked) is blocked
    assert FlowFilter(name_suffix="example.com").applied(blocked) is None


def test_figures_and_events_of_other_kinds_are_left_alone() -> None:
    figures = msgspec.structs.replace(event(EventType.DNS_QUERY_STATISTICS), data={"per_s": 3})
    assert FlowFilter(qtype="MX").applied(figures) is figures
    other = event(NORMAL, zone="example.org")
    assert FlowFilter(name_suffix="example.com").applied(other) is other


def test_who_may_not_see_addresses_finds_none_out_by_filtering(catalogue: None) -> None:
    """A total that depends on an address would tell it."""
    masked = {"queries.*.client": "monitoring.view_client_addresses"}
    registry._specs[FLOW] = dataclasses.replace(registry[FLOW], sensitive=masked)
    seen = batch(query(client="192.0.2.7"), query(client="192.0.2.8"))
    mine = FlowFilter(client="192.0.2.7")
    may = audience("zones.view_zone", "monitoring.view_client_addresses")
    found = view(seen, may, mine)
    assert found is not None
    assert found.event.data["total"] == 1
    assert view(seen, audience("zones.view_zone"), mine) is None


def test_each_filter_is_encoded_once_for_an_audience(catalogue: None) -> None:
    encodings = Encodings(batch(query("a.example.com"), query("b.test")))
    viewer = audience("zones.view_zone")
    for _ in range(3):
        encodings.body(viewer)
        encodings.body(viewer, FlowFilter(name_suffix="example.com"))
        encodings.body(viewer, FlowFilter(name_suffix="nowhere"))
    assert encodings.count == 2
