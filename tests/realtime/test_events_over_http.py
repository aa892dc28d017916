"""The durable log over HTTP, as far as one may see it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.parts.site import Site

EVENTS = "/api/realtime/events/"


@pytest.fixture(scope="module")
def beginning(site: Site) -> str:
    """The position before everything, on a site where something has happened."""
    for name in ("http-one.test", "http-two.test"):
        answer = site.client("admin").post("/api/zones/", {"name": name, "nameservers": ["ns.example.net."]})
        assert answer.status == 201, answer.text
    return f"{site.client('admin').get(EVENTS, limit=1).data['upto'].partition(':')[0]}:0"


def positions(answer: Any) -> list[int]:
    return [event["position"] for event in answer.data["results"]]


def test_since_gives_what_follows_oldest_first_and_where_to_go_on(site: Site, beginning: str) -> None:
    admin = site.client("admin")
    everything = admin.get(EVENTS, since=beginning, limit=1000)
    assert everything.data["recovered"] is True
    assert positions(everything) == list(range(1, len(positions(everything)) + 1))
    first = admin.get(EVENTS, since=beginning, limit=3)
    second = admin.get(EVENTS, since=first.data["upto"], limit=3)
    assert positions(first) + positions(second) == positions(everything)[:6]


def test_without_since_the_newest_come_first_page_by_page(site: Site, beginning: str) -> None:
    admin = site.client("admin")
    first = admin.get(EVENTS, limit=3)
    second = admin.get(EVENTS, limit=3, before=first.data["before"])
    both = positions(first) + positions(second)
    assert both == sorted(both, reverse=True)
    assert len(set(both)) == 6


@pytest.mark.parametrize("begin", [{}, {"since": True}])
def test_it_is_a_list_like_any_other_whose_next_leads_through_all_of_it(
    site: Site, beginning: str, begin: dict[str, Any]
) -> None:
    vera = site.client("vera")
    wanted = {"since": beginning} if begin else {}
    answer = vera.get(EVENTS, event_type="zone_created", limit=1, **wanted)
    found: list[str] = []
    while True:
        assert answer.data["count"] == len(answer.data["results"])
        assert answer.data["previous"] is None
        found += [event["data"]["zone"] for event in answer.data["results"]]
        if answer.data["next"] is None:
            break
        answer = vera.get(answer.data["next"].removeprefix(site.url))
    made = ["http-one.test", "http-two.test"]
    assert [zone for zone in found if zone in made] == (made if begin else made[::-1])
    assert len(found) == len(set(found))


def test_an_event_is_the_same_object_as_on_the_socket(site: Site, beginning: str) -> None:
    event = site.client("admin").get(EVENTS, since=beginning, limit=1).data["results"][0]
    assert {"type", "event_type", "id", "position", "category", "priority", "severity", "timestamp", "data"} <= set(
        event
    )
    assert "scope" not in event
    assert "subject_id" not in event


def test_filters_by_pattern_and_zone(site: Site, beginning: str) -> None:
    admin = site.client("admin")
    found = admin.get(EVENTS, since=beginning, event_type="zone_c*", zone="http-two.test").data["results"]
    assert [event["event_type"] for event in found] == ["zone_created"]
    assert admin.get(EVENTS, since=beginning, event_type="no_such_*").data["results"] == []
    assert admin.get(EVENTS, since=beginning, event_type="*" * 5000).data["results"] == []


@pytest.mark.parametrize("since", ["junk", ":", "e:", "e:-1", "e:1.5", "e:" + "9" * 30, ""])
def test_text_that_is_no_position_is_a_bad_request(site: Site, since: str) -> None:
    assert site.client("admin").get(EVENTS, since=since).status == 400


@pytest.mark.parametrize(
    ("name", "value"), [("limit", "x"), ("limit", "-1"), ("limit", "1e3"), ("before", "x"), ("limit", "٣")]
)
def test_a_number_that_is_none_is_a_bad_request(site: Site, name: str, value: str) -> None:
    assert site.client("admin").get(EVENTS, **{name: value}).status == 400


def test_another_epoch_and_a_position_ahead_are_told_apart_from_nothing_new(site: Site, beginning: str) -> None:
    admin = site.client("admin")
    epoch = beginning.partition(":")[0]
    for since in ("other:1", f"{epoch}:99999999"):
        answer = admin.get(EVENTS, since=since)
        assert (answer.data["recovered"], answer.data["reason"], answer.data["results"]) == (False, "epoch_changed", [])
    head = admin.get(EVENTS, limit=1).data["upto"]
    assert admin.get(EVENTS, since=head).data["recovered"] is True


def test_what_the_protocol_is_can_be_read_by_everybody(site: Site) -> None:
    assert site.client().get("/api/asyncapi.json").data["asyncapi"].startswith("3.")


def test_nobody_gets_nothing(site: Site) -> None:
    assert site.client().get(EVENTS).status == 401
    for path in ("/api/realtime/connections/", "/api/realtime/connections/x/disconnect/"):
        method = "POST" if path.endswith("disconnect/") else "GET"
        assert site.client().request(method, path).status == 401
        assert site.client("olivia").request(method, path).status == 403


def test_a_connection_that_is_not_there_is_not_found(site: Site) -> None:
    answer = site.client("admin").post("/api/realtime/connections/nope/disconnect/", {})
    assert (answer.status, answer.data["code"]) == (404, "not_found")


def test_the_catalogue_says_what_one_may_subscribe_to(site: Site) -> None:
    available = {}
    for username in ("admin", "nils"):
        answer = site.client(username).get("/api/realtime/event-types/")
        assert answer.status == 200
        by_name = {entry["event_type"]: entry for entry in answer.data["results"]}
        assert by_name["record_updated"]["schema"]
        assert by_name["record_updated"]["priority"] == "high"
        available[username] = {name for name, entry in by_name.items() if entry["available"]}
    assert available["admin"] == set(by_name)
    welcome_shows = {"zone_updated", "user_login", "permission_changed"}  # scoped and own events are judged one by one
    assert welcome_shows <= available["nils"]
