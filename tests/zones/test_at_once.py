"""Two people at the same instant: on both databases one wins, and the other is told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.parts.postgres_server import PostgresServer
from tests.parts.site import Site

RECORDS = "/api/zones/race.example/records/"
MANY = 8


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running site with a zone race.example."""
    settings: dict[str, Any] = {}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        settings["DATABASE_URL"] = server.create_database()
    site = Site(tmp_path_factory.mktemp(request.param), **settings)
    with ExitStack() as stack:
        stack.callback(site.stop)
        site.prepare(None if settings else request.getfixturevalue("site_template"))
        site.start()
        made = site.client("olivia").post("/api/zones/", {"name": "race.example"})
        assert made.status == 201, made.text
        yield site


def at_once(calls: list[Any]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_of_many_edits_of_one_version_one_is_saved_and_the_others_are_told(running: Site) -> None:
    client = running.client("olivia")
    made = client.post(RECORDS, {"name": "a", "type": "A", "ttl": 60, "content": "192.0.2.1"}).data
    path = f"{RECORDS}{made['id']}/"
    bodies = [{"content": f"192.0.2.{100 + number}", "version": 1} for number in range(MANY)]

    answers = at_once([lambda body=body: client.patch(path, body) for body in bodies])

    assert sorted(answer.status for answer in answers) == [200] + [409] * (MANY - 1)
    saved = next(answer.data for answer in answers if answer.status == 200)
    assert client.get(path).data["content"] == saved["content"]
    for answer in answers:
        assert answer.status == 200 or answer.data["current"]["content"] == saved["content"]


def test_rules_hold_when_two_create_what_excludes_each_other(running: Site) -> None:
    client = running.client("olivia")
    bodies = [
        {"name": "b", "type": "CNAME", "ttl": 60, "content": "x.example.org."},
        {"name": "b", "type": "A", "ttl": 60, "content": "192.0.2.1"},
    ] * (MANY // 2)

    answers = at_once([lambda body=body: client.post(RECORDS, body) for body in bodies])

    assert sorted(answer.status for answer in answers) == [201] + [400] * (MANY - 1)
    assert client.get(RECORDS, name="b").data["count"] == 1


def test_nothing_is_lost_when_many_write_different_records(running: Site) -> None:
    client = running.client("olivia")
    bodies = [{"name": f"c{number}", "type": "A", "ttl": 60, "content": "192.0.2.1"} for number in range(MANY)]

    answers = at_once([lambda body=body: client.post(RECORDS, body) for body in bodies])

    assert [answer.status for answer in answers] == [201] * MANY
    assert client.get(RECORDS, search="c").data["count"] >= MANY


def test_two_zones_of_one_name_cannot_be_made(running: Site) -> None:
    client = running.client("olivia")
    answers = at_once([lambda: client.post("/api/zones/", {"name": "twice.example"})] * MANY)
    assert sorted(answer.status for answer in answers) == [201] + [400] * (MANY - 1)
