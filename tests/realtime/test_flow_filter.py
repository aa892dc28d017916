"""The filter of the query stream: what it lets through, what it counts, and what it never gives away."""

from __future__ import annotations

import itertools
from typing import Any

import dns.name
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.events import EventType
from realtime.flow_filter import FlowFilter
from tests.realtime.catalogue import NORMAL, event

LABELS = st.sampled_from(["a", "B", "www", "example", "com", "x.y", "\\", "-", "ü"])
NAMES = st.lists(LABELS, min_size=1, max_size=5).map(
    lambda labels: ".".join(label.replace("\\", "\\\\").replace(".", "\\.") for label in labels)
)


def query(name: str = "www.example.com", client: str = "192.0.2.7", type: str = "A", outcome: str = "ok") -> Any:
    return {"name": name, "client": client, "type": type, "outcome": outcome}


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
    flow = FlowFilter(**wanted)  # type: ignore[arg-type]
    assert sum(flow.matches(each) for each in queries) == 8 // 2 ** len(wanted)


def test_a_single_query_is_filtered_by_its_own_fields() -> None:
    blocked = msgspec.structs.replace(event(EventType.DNS_QUERY_BLOCKED), data=query("ads.example.net"))
    assert FlowFilter(name_suffix="example.net").wants(blocked)
    assert not FlowFilter(name_suffix="example.com").wants(blocked)


def test_figures_and_events_of_other_kinds_are_left_alone() -> None:
    figures = msgspec.structs.replace(event(EventType.DNS_QUERY_STATISTICS), data={"per_s": 3})
    assert FlowFilter(qtype="MX").wants(figures)
    other = event(NORMAL, zone="example.org")
    assert FlowFilter(name_suffix="example.com").wants(other)
