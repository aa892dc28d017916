"""Every command and every error code of the protocol, over the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from realtime.commands import COMMANDS
from tests.parts.site import Site
from tests.realtime.peer import Peer, as_person

pytestmark = pytest.mark.timeout(120)

RENAME = """
import secrets, sys
from django.contrib.auth.models import User
user = User.objects.get(username=sys.argv[1])
for number in range(int(sys.argv[2])):
    user.last_name = secrets.token_hex(8)
    user.save()
"""


async def happens(site: Site, times: int, username: str = "nils") -> None:
    """So many events, which administrators see."""
    await asyncio.to_thread(site.python, RENAME, username, str(times))


@pytest.fixture
async def olivia(site: Site) -> AsyncIterator[Peer]:
    """An operator who starts with the default subscriptions."""
    async with as_person(site, "olivia", name="commands") as peer:
        welcome = await peer.welcome()
        await peer.ask("unsubscribe", event_types=["*"])
        await peer.ask("subscribe", event_types=welcome["available"], zones=[])
        yield peer


@pytest.fixture
async def admin(site: Site) -> AsyncIterator[Peer]:
    async with as_person(site, "admin", name="commands") as peer:
        await peer.welcome()
        await peer.ask("subscribe", event_types=["user_updated"])
        yield peer


# -- answers --------------------------------------------------------------------------------------------------------------


async def test_each_command_has_exactly_one_answer_with_its_id(olivia: Peer) -> None:
    given = {}
    for number, command in enumerate(("get_stats", "get_subscriptions", "no_such", "list_connections", "ping"), 100):
        await olivia.send(json.dumps({"type": command, "id": f"id-{number}"}))
        given[f"id-{number}"] = command
    await olivia.ask("get_subscriptions")  # its turn comes after theirs; that of a ping comes at once
    answers = [frame["id"] for frame in olivia.frames if str(frame.get("id", "")).startswith("id-")]
    assert sorted(answers) == sorted(given)


@pytest.mark.parametrize("number", [7, "seven", 0, -1, 2**53, "", "ä€🜁", None])
async def test_an_id_comes_back_as_it_was(olivia: Peer, number: Any) -> None:
    await olivia.send(json.dumps({"type": "ping", "id": number}))
    assert (await olivia.frame("pong"))["id"] == number


async def test_an_unknown_command_is_told(olivia: Peer) -> None:
    answer = await olivia.ask("make_coffee")
    assert (answer["type"], answer["code"]) == ("error", "unknown_command")
    assert set(answer) == {"type", "id", "code", "message", "details", "help"}


@pytest.mark.parametrize(
    ("command", "data"),
    [
        ("subscribe", {}),
        ("subscribe", {"event_types": "zone_*"}),
        ("subscribe", {"event_types": [1]}),
        ("subscribe", {"event_types": [], "zones": "a.example"}),
        ("subscribe", {"event_types": [], "filter": {"colour": "red"}}),
        ("subscribe", {"event_types": [], "filter": {"rows_per_s": "many"}}),
        ("unsubscribe", {"event_types": None}),
        ("resume", {}),
        ("resume", {"epoch": "x"}),
        ("resume", {"epoch": "x", "position": "1"}),
        ("resume", {"epoch": "x", "position": 1.5}),
        ("resume", {"epoch": 1, "position": 1}),
        ("authenticate", {}),
        ("authenticate", {"token": 1}),
        ("announce", {}),
        ("announce", {"zone": "a.example", "state": "sleeping"}),
        ("announce", {"zone": "a.example", "state": "editing", "record": 2**63}),
    ],
)
async def test_data_of_the_wrong_shape_are_an_invalid_message(olivia: Peer, command: str, data: dict[str, Any]) -> None:
    assert (await olivia.ask(command, **data))["code"] == "invalid_message"


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"type": 7}', "\x00", '{"type": "ping", "id": 1.5}'])
async def test_a_frame_that_is_no_command_is_told_and_closes_nothing(olivia: Peer, text: str) -> None:
    await olivia.send(text)
    answer = await olivia.frame("error", code="invalid_message")
    assert answer["id"] is None
    await olivia.settled()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"id": "mine"}', "invalid_message"),
        ('{"type": 7, "id": "mine"}', "invalid_message"),
        ('{"type": "subscribe", "id": "mine", "data": []}', "invalid_message"),
        ('{"type": "get_stats", "data": null, "id": "mine"}', "invalid_message"),
        ('{"type": "subscribe", "id": "mine", "data": {"zones": ["\\u0000"]}}', "invalid_message"),
        ('{"type": "subscribe", "data": {"zones": ["%s"]}, "id": "mine"}' % ("x" * 70_000), "too_large"),
    ],
)
async def test_who_waits_for_the_answer_to_a_bad_frame_gets_it_by_its_id(olivia: Peer, text: str, code: str) -> None:
    await olivia.send(text)
    assert (await olivia.frame("error", id="mine"))["code"] == code


async def test_a_binary_frame_is_told_and_closes_nothing(olivia: Peer) -> None:
    await olivia.send(b'{"type": "ping"}')
    await olivia.frame("error", code="invalid_message")
    await olivia.settled()


async def test_a_frame_over_64_kib_is_too_large_and_closes_nothing(olivia: Peer) -> None:
    for size in (64 * 1024, 200 * 1024):
        after = len(olivia.frames)
        await olivia.send(json.dumps({"type": "subscribe", "data": {"event_types": ["x" * size]}}))
        await olivia.frame("error", after=after, code="too_large")
    await olivia.settled()


async def test_what_is_for_administrators_is_denied_to_others(olivia: Peer) -> None:
    for name, spec in COMMANDS.items():
        if spec.administrators_only:
            assert (await olivia.ask(name))["code"] == "permission_denied", name
    assert any(spec.administrators_only for spec in COMMANDS.values())


async def test_who_asks_too_fast_is_told_when_to_go_on_and_stays(olivia: Peer) -> None:
    for _ in range(120):
        await olivia.give("get_subscriptions")
    await olivia.settled()
    refused = await olivia.frame("error", code="rate_limited")
    assert 0 < refused["details"]["retry_after_s"] < 10
    await asyncio.sleep(1)
    assert (await olivia.ask("get_subscriptions"))["type"] == "response"


async def test_pings_are_answered_while_a_long_command_runs(olivia: Peer) -> None:
    for _ in range(10):
        await olivia.give("resume", epoch=olivia.position.partition(":")[0], position=0)
    assert (await olivia.ask("ping"))["type"] == "pong"


# -- subscriptions --------------------------------------------------------------------------------------------------------


async def test_every_change_is_confirmed_by_the_resulting_list(olivia: Peer) -> None:
    everything = (await olivia.ask("get_subscriptions"))["data"]["subscriptions"]
    less = (await olivia.ask("unsubscribe", event_types=["record_*"]))["data"]["subscriptions"]
    assert set(everything) - set(less) == {"record_created", "record_updated", "record_deleted", "record_editing"}
    more = (await olivia.ask("subscribe", event_types=["record_updated"]))["data"]
    assert set(more["subscriptions"]) - set(less) == {"record_updated"}
    assert more["rejected"] == []


async def test_what_cannot_be_subscribed_to_is_rejected_by_name_and_the_rest_is_not(olivia: Peer) -> None:
    answer = await olivia.ask("subscribe", event_types=["zone_updated", "no_such_event", "nothing_*"])
    assert answer["data"]["rejected"] == [
        {"event_type": "no_such_event", "code": "unknown_event_type"},
        {"event_type": "nothing_*", "code": "unknown_event_type"},
    ]
    assert "zone_updated" in answer["data"]["subscriptions"]


async def test_too_many_patterns_change_nothing(olivia: Peer) -> None:
    before = (await olivia.ask("get_subscriptions"))["data"]
    for command in ("subscribe", "unsubscribe"):
        answer = await olivia.ask(command, event_types=[f"zone_{'?' * n}" for n in range(65)])
        assert answer["code"] == "too_many_subscriptions"
    assert (await olivia.ask("get_subscriptions"))["data"] == before


async def test_thousands_of_patterns_in_one_frame_hold_nobody_up(olivia: Peer, admin: Peer) -> None:
    for _ in range(20):
        await olivia.give("subscribe", event_types=[f"*{n}*" for n in range(6000)])
    async with asyncio.timeout(10):
        await admin.settled()


async def test_what_one_unsubscribed_from_does_not_come(site: Site, admin: Peer) -> None:
    await admin.ask("unsubscribe", event_types=["user_updated"])
    await happens(site, 1)
    await asyncio.to_thread(site.client("olivia").post, "/api/zones/", {"name": "afterwards.example"})
    await admin.event("zone_created", zone="afterwards.example")  # so what came before it has been passed over
    await admin.ask("subscribe", event_types=["user_updated"])
    await happens(site, 1, "vera")
    await admin.event("user_updated", username="vera")
    assert [e for e in admin.events() if e["data"].get("username") == "nils"] == []


async def test_a_subscription_is_remembered_for_the_client_of_that_name(site: Site) -> None:
    async with as_person(site, "oscar", name="remembers") as oscar:
        await oscar.welcome()
        await oscar.ask("unsubscribe", event_types=["*"])
        wanted = (await oscar.ask("subscribe", event_types=["zone_deleted"]))["data"]["subscriptions"]
    async with as_person(site, "oscar", name="remembers") as oscar:
        assert (await oscar.welcome())["subscriptions"] == wanted == ["zone_deleted"]
    async with as_person(site, "oscar", name="another") as oscar:
        assert len((await oscar.welcome())["subscriptions"]) > 1


async def test_defaults_and_what_there_is_can_be_asked_for(olivia: Peer) -> None:
    answer = (await olivia.ask("get_subscriptions"))["data"]
    assert set(answer) == {"subscriptions", "defaults", "available"}
    assert set(answer["defaults"]) <= set(answer["available"])


# -- resume ---------------------------------------------------------------------------------------------------------------


async def test_resume_sends_everything_again_in_order_and_then_answers(site: Site, admin: Peer) -> None:
    await admin.settled()
    position = admin.position
    await happens(site, 30)
    await admin.until(lambda: len([e for e in admin.events() if e["event_type"] == "user_updated"]) >= 30)
    await admin.settled()
    after = len(admin.frames)
    epoch, _, number = position.partition(":")
    answer = await admin.ask("resume", epoch=epoch, position=int(number))
    assert answer["data"]["recovered"] is True
    between = admin.frames[after : admin.frames.index(answer)]
    again = [e["position"] for f in between for e in ([f] if f["type"] == "event" else f.get("events", []))]
    assert again == sorted(set(again))
    assert len(again) >= answer["data"]["replayed"] >= 30
    assert all(p > int(number) for p in again)


async def test_resuming_twice_at_once_answers_twice(admin: Peer) -> None:
    epoch = admin.position.partition(":")[0]
    numbers = [await admin.give("resume", epoch=epoch, position=0) for _ in range(3)]
    for number in numbers:
        assert (await admin.frame("response", id=number))["data"]["recovered"] is True


@pytest.mark.parametrize("position", [10**6, 10**30, -1])
async def test_a_position_that_was_never_given_out_is_another_epoch(admin: Peer, position: int) -> None:
    epoch = admin.position.partition(":")[0]
    answer = await admin.ask("resume", epoch=epoch, position=position)
    assert answer["data"] == {"recovered": False, "reason": "epoch_changed"}


# -- the rest -------------------------------------------------------------------------------------------------------------


async def test_figures_are_ones_own_and_the_nodes_for_administrators(olivia: Peer, admin: Peer) -> None:
    own = (await olivia.ask("get_stats"))["data"]
    assert own["connection"]["id"] == (await olivia.welcome())["connection_id"]
    assert own["connection"]["health"] in ("live", "catching_up")
    assert set(own) == {"connection"}
    figures = (await admin.ask("get_stats"))["data"]
    assert figures["node"]["connections"] >= 2
    here = figures["node"]["node"]
    assert figures["cluster"]["nodes"][here]["connections"] >= 2
    assert figures["cluster"]["users"] >= 2


async def test_administrators_see_who_is_connected_and_can_end_it(site: Site, admin: Peer) -> None:
    async with as_person(site, "vera", name="to-be-ended") as vera:
        identity = (await vera.welcome())["connection_id"]
        listed = (await admin.ask("list_connections"))["data"]["connections"]
        (entry,) = [c for c in listed if c["connection_id"] == identity]
        assert (entry["user"]["username"], entry["client"], entry["address"]) == ("vera", "to-be-ended", "127.0.0.1")
        assert entry["subscriptions"] == (await vera.welcome())["subscriptions"]
        assert entry["health"] == "live"
        await admin.ask("disconnect", connection_id=identity)
        assert await vera.closed() == 4503
        assert vera.frames[-1]["type"] == "bye"

    async with asyncio.timeout(10):
        while identity in {c["connection_id"] for c in listed}:
            await asyncio.sleep(0.2)
            listed = (await admin.ask("list_connections"))["data"]["connections"]


async def test_a_connection_that_is_not_there_cannot_be_ended(admin: Peer) -> None:
    answer = await admin.ask("disconnect", connection_id="nobody's")
    assert answer["code"] == "invalid_message"
    assert "nobody's" in answer["message"]


async def test_a_test_event_goes_the_whole_way_to_everyone_who_wants_it(olivia: Peer, admin: Peer) -> None:
    await admin.ask("subscribe", event_types=["broadcast_test"])
    answer = (await admin.ask("broadcast_test", message="Is anybody there?"))["data"]
    for peer in (olivia, admin):
        event = await peer.event("broadcast_test", message="Is anybody there?")
        assert event["trace_id"]
        assert (event["id"], event["position"]) == (answer["event_id"], answer["position"])
        assert event["source_user"]["username"] == "admin"


async def test_comings_goings_and_wishes_are_told_to_administrators_and_to_oneself(
    site: Site, olivia: Peer, admin: Peer
) -> None:
    for peer in (olivia, admin):
        await peer.ask("subscribe", event_types=["connection_*", "subscription_updated"])
    for username in ("vera", "olivia"):
        async with as_person(site, username, name="comes-and-goes") as visitor:
            mine = (await visitor.welcome())["connection_id"]
            await visitor.ask("unsubscribe", event_types=["*"])
            await admin.event("subscription_updated", connection_id=mine, subscriptions=[])
        came = await admin.event("connection_established", connection_id=mine)
        gone = await admin.event("connection_closed", connection_id=mine)
        assert came["data"]["username"] == gone["data"]["username"] == username
        assert came["data"]["address"] == "127.0.0.1"
    own = await olivia.event("connection_closed", connection_id=mine)
    assert own["data"]["address"] is None
    assert {e["data"]["username"] for e in olivia.events() if e["category"] == "connection"} == {"olivia"}


async def test_a_user_has_one_measure_of_commands_over_all_connections(site: Site) -> None:
    async with AsyncExitStack() as stack:
        several = [await stack.enter_async_context(as_person(site, "oscar", name=f"busy-{n}")) for n in range(4)]
        for peer in several:
            await peer.welcome()
            for _ in range(50):  # less than a connection's own burst
                await peer.give("get_subscriptions")
            await peer.settled()
        refused = [frame for peer in several for frame in peer.frames if frame.get("code") == "rate_limited"]
        assert refused
        assert all(frame["details"]["retry_after_s"] > 0 for frame in refused)


async def test_a_newer_token_of_the_same_user_extends_and_anothers_does_not(site: Site, olivia: Peer) -> None:
    answer = await olivia.ask("authenticate", token=site.token("olivia"))
    assert answer["data"]["token_expires_at"] == (await olivia.welcome())["token_expires_at"]
    for token in (site.token("admin"), "junk"):
        assert (await olivia.ask("authenticate", token=token))["code"] == "not_authenticated"
    as_at_first = {"token": site.token("olivia"), "resume": {"epoch": "x", "position": 1}, "features": ["deflate"]}
    assert (await olivia.ask("authenticate", **as_at_first))["type"] == "response", "it means nothing here"
    await olivia.settled()


async def test_twenty_bad_frames_within_five_seconds_end_the_connection_for_good(site: Site) -> None:
    async with as_person(site, "olivia", name="bad") as bad:
        await bad.welcome()
        for _ in range(19):
            await bad.send("{")
        await bad.settled()
        await bad.send("{")
        assert await bad.closed() == 4500
        assert bad.frames[-1]["type"] == "bye"
        assert len([f for f in bad.frames if f["type"] == "error"]) == 20
