"""The front desk: arrivals together, rights true as of the feed, places that are given back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime import audience as audiences
from realtime import frontdesk, presence, subscriptions
from realtime.authentication import Claim
from realtime.conf import RealtimeSettings
from realtime.frontdesk import FrontDesk, Full
from realtime.subscriptions import Wants

pytestmark = pytest.mark.usefixtures("catalogue")


class Somebody:
    """As much of a connection as the desk looks at."""

    def __init__(self, user_id: int, client: str = "web") -> None:
        self.user_id = user_id
        self.client = client
        self.presence_id = 0
        self.wants = Wants()


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Presence rows and saved subscriptions in memory; every visit takes a turn of the loop, and is counted."""
    state: dict[str, Any] = {"visits": 0, "rows": {}, "saved": {}, "rights": {}, "fails": False, "during": None}

    async def in_database(function: Any, *args: Any) -> Any:
        state["visits"] += 1
        await asyncio.sleep(0)
        if state["fails"]:
            raise RuntimeError("the database is away")
        found = function(*args)
        if state["during"] is not None:
            state["during"]()
        await asyncio.sleep(0)
        return found

    def enter(connections: Any, node: str) -> None:
        for connection in connections:
            connection.presence_id = max(state["rows"], default=0) + 1
            state["rows"][connection.presence_id] = (connection.user_id, connection.client)

    def oldest_staying(slots: Any, limit: int) -> dict[Any, int]:
        return {slot: max(pk for pk, each in state["rows"].items() if each == slot) for slot in slots}

    def load_all(user_ids: Any) -> Any:
        return {user_id: (f"user {user_id}", state["rights"][user_id]) for user_id in user_ids}

    monkeypatch.setattr(frontdesk, "in_database", in_database)
    monkeypatch.setattr(presence, "enter", enter)
    monkeypatch.setattr(presence, "oldest_staying", oldest_staying)
    monkeypatch.setattr(presence, "leave", lambda gone: [state["rows"].pop(pk) for pk in gone])
    monkeypatch.setattr(audiences, "load_all", load_all)
    manager = subscriptions.subscriptions
    monkeypatch.setattr(manager, "restore", lambda slots: {s: state["saved"][s] for s in slots if s in state["saved"]})
    monkeypatch.setattr(manager, "save", state["saved"].update)
    return state


def desk(**settings: Any) -> FrontDesk:
    return FrontDesk("node", RealtimeSettings(**settings))


async def test_a_thousand_who_arrive_together_cost_a_handful_of_visits(database: dict[str, Any]) -> None:
    front = desk()
    people = [Somebody(number) for number in range(1000)]
    await asyncio.gather(*(front.arrive(person) for person in people))  # type: ignore[arg-type]
    assert database["visits"] <= 10
    assert len({person.presence_id for person in people}) == 1000


async def test_of_two_of_one_slot_that_arrive_together_the_second_stays(database: dict[str, Any]) -> None:
    front = desk()
    first, second = Somebody(1), Somebody(1)
    oldest = await asyncio.gather(front.arrive(first), front.arrive(second))  # type: ignore[arg-type]
    assert set(oldest) == {second.presence_id}
    assert first.presence_id < second.presence_id


async def test_who_leaves_while_being_written_down_is_struck_out(database: dict[str, Any]) -> None:
    front = desk()
    arriving = asyncio.ensure_future(front.arrive(Somebody(1)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    arriving.cancel()
    for _ in range(6):
        await asyncio.sleep(0)
    await front.catch_up()
    assert database["rows"] == {}


async def test_who_leaves_while_being_written_down_is_struck_out_also_when_the_rest_of_the_visit_fails(
    database: dict[str, Any],
) -> None:
    front = desk()

    def fail() -> None:
        database["during"] = None
        assert arriving.cancel()
        raise RuntimeError("the database went away after the row was written")

    database["during"] = fail
    arriving = asyncio.ensure_future(front.arrive(Somebody(1)))  # type: ignore[arg-type]
    with pytest.raises(asyncio.CancelledError):
        await arriving
    for _ in range(6):
        await asyncio.sleep(0)
    assert len(database["rows"]) == 1
    await front.catch_up()
    assert database["rows"] == {}


async def test_a_failure_to_write_is_told_to_each_and_the_next_are_served(database: dict[str, Any]) -> None:
    front = desk()
    database["fails"] = True
    results = await asyncio.gather(*(front.arrive(Somebody(n)) for n in range(3)), return_exceptions=True)  # type: ignore[arg-type]
    assert all(isinstance(result, RuntimeError) for result in results)
    database["fails"] = False
    assert await front.arrive(Somebody(7))  # type: ignore[arg-type]


async def test_what_could_not_be_written_is_written_later(database: dict[str, Any]) -> None:
    front = desk()
    person = Somebody(1)
    await front.arrive(person)  # type: ignore[arg-type]
    person.wants = Wants(patterns=("zone_*",))
    front.wants_changed(person)  # type: ignore[arg-type]
    front.depart(person.presence_id)
    database["fails"] = True
    with pytest.raises(RuntimeError):
        await front.catch_up()
    database["fails"] = False
    await front.catch_up()
    assert database["rows"] == {}
    assert database["saved"] == {(1, "web"): person.wants}


async def test_wishes_come_back_also_before_they_are_written(database: dict[str, Any]) -> None:
    front = desk()
    person = Somebody(1)
    person.wants = Wants(patterns=("zone_*",))
    front.wants_changed(person)  # type: ignore[arg-type]
    back = Somebody(1)
    await front.arrive(back)  # type: ignore[arg-type]
    assert back.wants == person.wants


async def test_a_wish_that_changes_while_it_is_written_is_written_again(database: dict[str, Any]) -> None:
    front = desk()
    person = Somebody(1)
    person.wants = Wants(patterns=("zone_*",))
    front.wants_changed(person)  # type: ignore[arg-type]
    writing = asyncio.ensure_future(front.catch_up())
    await asyncio.sleep(0)
    person.wants = Wants(patterns=("record_*",))
    front.wants_changed(person)  # type: ignore[arg-type]
    await writing
    await front.catch_up()
    assert database["saved"] == {(1, "web"): person.wants}


# -- rights ---------------------------------------------------------------------------------------------------------------


async def test_rights_are_asked_for_once_until_the_log_says_otherwise(database: dict[str, Any]) -> None:
    front = desk()
    database["rights"][1] = "old"
    assert [(await front.identify(1))[1] for _ in range(3)] == ["old"] * 3
    assert database["visits"] == 1
    database["rights"][1] = "new"
    front.forget(1)
    assert (await front.identify(1))[1] == "new"


async def test_rights_that_change_while_they_are_asked_for_are_asked_for_again(database: dict[str, Any]) -> None:
    front = desk()
    database["rights"][1] = "old"

    def change() -> None:
        database["during"] = None
        database["rights"][1] = "new"
        front.forget(1)

    database["during"] = change
    assert (await front.identify(1))[1] == "new"


async def test_rights_are_not_remembered_for_ever(database: dict[str, Any]) -> None:
    """A change past Django's models leaves no event."""
    front = desk()
    database["rights"][1] = "old"
    await front.identify(1)
    database["rights"][1] = "changed by SQL"
    _, user, audience = front._remembered[1]
    front._remembered[1] = (0.0, user, audience)
    assert (await front.identify(1))[1] == "changed by SQL"


# -- sessions and places ----------------------------------------------------------------------------------------------------


def test_an_ended_session_stays_ended_and_none_is_no_session() -> None:
    front = desk()
    front.session_ended("digest", 7, 1000.0)
    assert front.has_ended(Claim(user_id=7, password_mark="", session="digest"))
    assert not front.has_ended(Claim(user_id=7, password_mark="", session="other"))
    assert not front.has_ended(None)


def test_who_was_signed_out_everywhere_needs_a_token_from_after_it() -> None:
    front = desk()
    front.session_ended("*", 7, 1000.0)
    for user_id, issued_at, ended in ((7, 999.0, True), (7, 1000.0, True), (7, 1001.0, False), (8, 999.0, False)):
        assert front.has_ended(Claim(user_id=user_id, password_mark="", session="s", issued_at=issued_at)) is ended


def test_places_are_limited_in_all_and_by_address_and_come_back() -> None:
    front = desk(connections=3, connections_per_address=2)
    front.take_place("a")
    front.take_place("a")
    with pytest.raises(Full, match="address"):
        front.take_place("a")
    front.take_place("b")
    with pytest.raises(Full, match="server"):
        front.take_place("c")
    front.give_place("a")
    front.take_place("c")
