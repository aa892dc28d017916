"""What an event costs is counted per audience, not per connection: filters, redaction and encoding run once for each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from realtime import routes
from realtime.events import Event
from tests.realtime.bench import Bench, Client
from tests.realtime.catalogue import NORMAL, audience, event

MakeBench = Callable[..., Bench]
AUDIENCES = (
    audience(is_admin=True),
    audience("zones.view_zone", "realtime.view_client_addresses"),
    audience("zones.view_zone"),
    audience(zones={"a.example"}),
    audience(zones={"a.example", "b.example"}),
)
BLIND = audience(zones={"b.example"})
PEOPLE = 100


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The events that were really turned into JSON, in order, each as often as it was."""
    seen: list[Event] = []
    encode = routes.body
    monkeypatch.setattr(routes, "body", lambda shown: (seen.append(shown.event), encode(shown))[1])
    return seen


def crowd(site: Bench) -> list[Client]:
    """A hundred people of five audiences, one after the other."""
    clients = [site.connect(i + 1, AUDIENCES[i % len(AUDIENCES)]) for i in range(PEOPLE)]
    site.turn(40)
    return clients


def test_five_audiences_cost_five_encodings_per_event(bench: MakeBench, encoded: list[Event]) -> None:
    site = bench(wait_normal_ms=0)
    clients = crowd(site)
    for text in ("one", "two", "three"):
        site.publish(event(NORMAL, zone="a.example", text=text, client="192.0.2.9"))
    assert [[e["data"]["text"] for e in client.events()] for client in clients] == [["one", "two", "three"]] * PEOPLE
    assert len(encoded) == site.node.figures()["encodings"] == 3 * len(AUDIENCES)


def test_each_audience_still_sees_its_own_version(bench: MakeBench) -> None:
    site = bench()
    clients = crowd(site)
    site.publish(event(NORMAL, zone="a.example", client="192.0.2.9"))
    shown = [client.events()[0]["data"]["client"] for client in clients[: len(AUDIENCES)]]
    assert shown == ["192.0.2.9", "192.0.2.9", None, None, None]


def test_other_subscriptions_of_the_same_audiences_cost_no_encoding_more(
    bench: MakeBench, encoded: list[Event]
) -> None:
    site = bench()
    clients = crowd(site)
    for client in clients[: PEOPLE // 2]:
        client.give("unsubscribe", event_types=["system_status"])
    site.turn(40)
    site.publish(event(NORMAL, zone="a.example"))
    assert site.node.figures()["routes"] == 2 * len(AUDIENCES)
    assert len(encoded) == len(AUDIENCES)


def test_an_audience_that_may_not_see_the_event_costs_no_encoding(bench: MakeBench, encoded: list[Event]) -> None:
    site = bench()
    crowd(site)
    strangers = [site.connect(PEOPLE + i, BLIND) for i in range(1, 21)]
    site.turn(40)
    site.publish(event(NORMAL, zone="a.example"))
    assert len(encoded) == len(AUDIENCES)
    assert not any(stranger.events() for stranger in strangers)
