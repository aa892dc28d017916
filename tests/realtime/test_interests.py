"""Streams that are cut at their source: for whom each event is, and what the source gets to know of who watches."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import msgspec
import pytest

from realtime import interests
from realtime.events import EventType
from realtime.filters import view
from realtime.flow_filter import EVERY_QUERY, FlowFilter
from realtime.interests import Interest, InterestBook, InterestTeller, interest_of
from realtime.registry import registry
from realtime.routes import Encodings
from tests.realtime.catalogue import FLOW, audience, event, small_catalogue

ADDRESSES = "realtime.view_client_addresses"
CUT = {"cut": True, "sensitive": {"queries.*.client": ADDRESSES}, "filter_permissions": {"client": ADDRESSES}}


@pytest.fixture(autouse=True)
def _cut() -> Iterator[None]:
    interest_of.cache_clear()
    with small_catalogue():
        registry._specs[FLOW] = dataclasses.replace(registry[FLOW], **CUT)  # type: ignore[arg-type]
        yield
    interest_of.cache_clear()


def cut_for(interest: Interest | None):  # type: ignore[no-untyped-def]
    assert interest is not None
    data = {"queries": [{"name": "a.example.com", "client": "192.0.2.7"}], "total": 1}
    return msgspec.structs.replace(event(FLOW), data=data, interest=interest.token)


def test_those_who_want_the_same_share_an_interest() -> None:
    one = interest_of(FLOW, audience("zones.view_zone"), FlowFilter(name_suffix="Example.COM.", qtype="a"))
    other = interest_of(
        FLOW, audience("zones.view_zone", "zones.change_record"), FlowFilter(name_suffix=".example.com", qtype="A")
    )
    assert one is not None and other is not None
    assert one == other and one.token == other.token


def test_an_event_is_shown_only_to_those_it_was_cut_for() -> None:
    viewer = audience("zones.view_zone")
    mine, theirs = FlowFilter(name_suffix="example.com"), FlowFilter(name_suffix="example.net")
    seen = cut_for(interest_of(FLOW, viewer, mine))
    assert view(seen, viewer, mine) is not None
    assert view(seen, viewer, theirs) is None
    assert view(seen, viewer) is None
    assert view(msgspec.structs.replace(seen, interest=None), viewer) is None


def test_an_owner_is_shown_what_was_cut_to_their_zones_alone() -> None:
    zoe, yves = audience(zones={"z1", "z2"}), audience(zones={"z1"})
    mine = interest_of(FLOW, zoe, EVERY_QUERY)
    assert mine is not None and mine.keys == ("z1", "z2")
    assert view(cut_for(mine), zoe) is not None
    assert view(cut_for(mine), yves) is None
    everything = interest_of(FLOW, audience("zones.view_zone"), EVERY_QUERY)
    assert view(cut_for(everything), zoe) is None
    assert interest_of(FLOW, audience(zones=set()), EVERY_QUERY) is None


def test_addresses_are_masked_and_cannot_be_found_out_by_filtering() -> None:
    viewer, analyst = audience("zones.view_zone"), audience("zones.view_zone", ADDRESSES)
    seen = cut_for(interest_of(FLOW, viewer, EVERY_QUERY))
    found = view(seen, viewer)
    assert found is not None and found.event.data["queries"][0]["client"] is None
    assert found.redacted == ("queries.*.client",)
    found = view(seen, analyst)
    assert found is not None and found.event.data["queries"][0]["client"] == "192.0.2.7"
    assert interest_of(FLOW, viewer, FlowFilter(client="192.0.2.7")) is None
    assert interest_of(FLOW, analyst, FlowFilter(client="192.0.2.7")) is not None


def test_viewers_with_the_same_interest_cost_one_encoding_for_each_audience() -> None:
    viewer, analyst = audience("zones.view_zone"), audience("zones.view_zone", ADDRESSES)
    encodings = Encodings(cut_for(interest_of(FLOW, viewer, EVERY_QUERY)))
    for _ in range(50):
        assert encodings.body(viewer) and encodings.body(analyst)
        assert not encodings.body(viewer, FlowFilter(qtype="MX"))
    assert encodings.count == 2


def test_the_source_knows_each_interest_once_and_forgets_processes_that_fall_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    book = InterestBook()
    mail, all_of_it = (
        interest_of(FLOW, audience("zones.view_zone"), flow) for flow in (FlowFilter(qtype="MX"), EVERY_QUERY)
    )
    assert mail and all_of_it
    assert book.wanted(FLOW) == ()
    book.enter("one", [mail, all_of_it])
    book.enter("two", [mail])
    assert set(book.wanted(FLOW)) == {mail, all_of_it}
    assert book.wanted(EventType.DNS_QUERY_STATISTICS) == ()
    book.enter("one", [])
    assert book.wanted(FLOW) == (mail,)
    monkeypatch.setattr(interests.time, "monotonic", lambda: 1e9)
    assert book.wanted(FLOW) == ()


def test_a_process_tells_what_it_wants_when_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    book, told = InterestBook(), []
    monkeypatch.setattr(
        interests.doorbell.ringer, "send", lambda group, message: told.append(message) or book._hear(message)
    )
    teller = InterestTeller("one")
    mail = interest_of(FLOW, audience("zones.view_zone"), FlowFilter(qtype="MX"))
    assert mail
    teller.tell(frozenset({mail}))
    teller.tell(frozenset({mail}))
    assert len(told) == 1
    assert book.wanted(FLOW) == (mail,)
    teller.tell(frozenset())
    assert book.wanted(FLOW) == ()
