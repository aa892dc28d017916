"""The presence rows: who is listed as connected, and who no longer is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection

from realtime import presence
from realtime.connections import WebSocketConnection
from realtime.departures import departed
from realtime.node import Node
from realtime.protocol import frame
from realtime.subscriptions import Wants
from tests.realtime.catalogue import audience

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user_id() -> int:
    return int(get_user_model().objects.create(username="olivia").pk)


def came_in(user_id: int, node: str) -> WebSocketConnection:
    """A connection whose row is written."""
    transport: Any = SimpleNamespace(write=lambda frame: None, closing=lambda: False)
    member = WebSocketConnection(
        user_id=user_id,
        username="olivia",
        audience=audience(user_id=user_id),
        client="web",
        wants=Wants(),
        transport=transport,
        close=lambda code, reason, retry_in_ms: None,  # type: ignore[arg-type,return-value]  # nobody is closed here
    )
    presence.enter([member], node)
    return member


def listed() -> dict[str, Any]:
    return {row["connection_id"]: row for row in presence.everyone()}


def test_who_comes_back_after_the_end_of_their_process_is_listed_once(user_id: int) -> None:
    ghost = came_in(user_id, "a process that was killed")
    elsewhere = came_in(int(get_user_model().objects.create(username="oscar").pk), "a process that was killed")
    node = Node()
    back = came_in(user_id, node.name)
    node.manager.admit(back)
    told: list[str] = []

    def hear(connection_ids: list[str], **_: Any) -> None:
        told.extend(connection_ids)

    departed.connect(hear)
    try:
        reconcile(node)
    finally:
        departed.disconnect(hear)
    assert set(listed()) == {back.id, elsewhere.id}
    assert told == [ghost.id]


def test_who_left_as_soon_as_they_had_come_in_takes_nobodys_place(user_id: int) -> None:
    node = Node()
    stays = came_in(user_id, node.name)
    node.manager.admit(stays)
    node.desk.depart(came_in(user_id, node.name).presence_id)
    reconcile(node)
    assert set(listed()) == {stays.id}
    assert not stays.closing


def reconcile(node: Node) -> None:
    """Its look at the rows, in this thread, which has the database of the test."""

    async def here(function: Any, *arguments: Any) -> Any:
        return function(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("realtime.node.in_database", here)
        patch.setattr("realtime.frontdesk.in_database", here)
        with pytest.raises(StopIteration):
            node._reconcile().send(None)


def test_a_leaving_that_could_not_be_told_is_told_the_next_time(user_id: int) -> None:
    member = came_in(user_id, "here")
    told: list[str] = []

    def hear(connection_ids: list[str], **_: Any) -> None:
        if not told:
            told.append("failed")
            raise OperationalError("database is locked")
        told.extend(connection_ids)

    departed.connect(hear)
    try:
        with pytest.raises(OperationalError):
            presence.leave([member.presence_id])
        assert set(listed()) == {member.id}
        presence.leave([member.presence_id])
    finally:
        departed.disconnect(hear)
    assert listed() == {}
    assert told == ["failed", member.id]


def test_figures_that_could_not_be_written_are_written_the_next_time(user_id: int) -> None:
    member = came_in(user_id, "here")
    for _ in range(7):
        member.deliver(frame("notice"))

    def away(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "SET health" in sql:
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(away), pytest.raises(OperationalError):
        presence.refresh([member], "here")
    presence.refresh([member], "here")
    assert listed()[member.id]["frames"] == 7


def test_who_was_struck_out_while_their_process_stood_still_comes_back_with_their_figures(user_id: int) -> None:
    member = came_in(user_id, "here")
    for _ in range(7):
        member.deliver(frame("notice"))
    presence.refresh([member], "here")
    presence.clear("here")
    presence.refresh([member], "here")
    assert listed()[member.id]["frames"] == 7


def test_who_is_about_to_leave_does_not_come_back_to_the_list(user_id: int) -> None:
    member = came_in(user_id, "here")
    member.closing = True
    presence.leave([member.presence_id])
    presence.refresh([member], "here")
    assert listed() == {}
