"""Two people write to one RRset, by the page and by the API, in every order: nothing of either is lost.

Both look at the RRset, then both save, at the same instant or one after the other. Whoever was slower is told, with what is
there now and what they had sent; whoever was told "saved" finds their change in the history, made on what they had seen.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from tests.parts.json_client import Answer, JsonClient
from tests.parts.site import Site

pytestmark = pytest.mark.timeout(7200)

FEW, MANY, PARTS = 100, 1250, 4


class Attempt(NamedTuple):
    """What somebody tried to save: the record as they saw it, what they sent, and the answer."""

    seen: dict[str, Any]
    sent: dict[str, Any]
    answer: Answer

    @property
    def saved(self) -> bool:
        return self.answer.status in (200, 201)


@pytest.fixture
def people(site: Site) -> tuple[JsonClient, JsonClient]:
    """olivia as her browser writes, with a session; oscar with a token."""
    cookie = site.cookie("olivia")
    token = next(part.split("=")[1] for part in cookie.split("; ") if part.startswith("csrftoken"))
    page = JsonClient(site.url, {"Cookie": cookie, "X-CSRFToken": token, "Referer": site.url})
    return page, site.client("oscar")


def test_two_writers_lose_nothing(site: Site, people: Any) -> None:
    interleave(site, people, "few.example", FEW)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_two_writers_lose_nothing_in_many_interleavings(site: Site, people: Any, part: int) -> None:
    interleave(site, people, f"many{part}.example", MANY)


def interleave(site: Site, people: tuple[JsonClient, JsonClient], zone: str, rounds: int) -> None:
    path = f"/api/zones/{zone}/"
    made = people[1].post("/api/zones/", {"name": zone, "nameservers": ["ns.example.net"]})
    assert made.status == 201, made.text
    creations = [{"op": "create", "name": "www", "type": "A", "ttl": 300, "content": f"192.0.2.{n}"} for n in (1, 2)]
    assert people[1].post(f"{path}changes/", {"changes": creations}).status == 201
    chance = random.Random(zone)
    attempts: list[Attempt] = []
    told = 0
    rrset = people[0].get(f"{path}records/", name="www").data["results"]
    with ThreadPoolExecutor(2) as pool:
        for number in range(rounds):
            assert len(rrset) == 2
            if number % 100 == 99:  # tokens live for a quarter of an hour
                site.forget_tokens()
                people = people[0], site.client("oscar")
            plans = [plan(chance, rrset, f"10.{who}.{number // 250}.{number % 250}") for who in (1, 2)]
            writes = [
                lambda each=each, write=write, client=client: Attempt(*each, write(client, path, *each))
                for each, write, client in zip(plans, (by_page, by_api), people, strict=True)
            ]
            chance.shuffle(writes)
            both = run(pool, writes, at_once=number % 3 > 0)
            attempts += both
            rrset = people[0].get(f"{path}records/", name="www").data["results"]
            told += judge(both, rrset)
    assert told > rounds // 10, "there was hardly a collision: that proves nothing"
    assert_history(people[1], path, [attempt for attempt in attempts if attempt.saved])
    print(f"{rounds} interleavings, {sum(a.saved for a in attempts)} saved, {told} told of a collision, 0 lost")  # noqa: T201  # the figures of `make soak`


def plan(chance: random.Random, rrset: list[dict[str, Any]], content: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A record of the RRset, and what to make of it."""
    record = chance.choice(rrset)
    fields = chance.choice(
        [{"content": content}, {"ttl": chance.randint(1, 9999)}, {"content": content, "comment": "x"}]
    )
    return record, fields


def by_page(client: JsonClient, path: str, seen: dict[str, Any], fields: dict[str, Any]) -> Answer:
    """As `static/site/zone/editor.js` saves."""
    change = {"op": "update", "id": seen["id"], "version": seen["version"], **fields}
    return client.post(f"{path}changes/", {"changes": [change], "comment": ""})


def by_api(client: JsonClient, path: str, seen: dict[str, Any], fields: dict[str, Any]) -> Answer:
    etag = f'"{seen["version"]}"'
    return client.patch(f"{path}records/{seen['id']}/", fields, If_Match=etag)


def run(pool: ThreadPoolExecutor, writes: list[Callable[[], Attempt]], *, at_once: bool) -> list[Attempt]:
    if at_once:
        return [future.result() for future in [pool.submit(write) for write in writes]]
    return [write() for write in writes]


def judge(both: list[Attempt], now: list[dict[str, Any]]) -> int:
    """One at least is saved; who is not has both versions in the answer. Returns how many were told."""
    assert any(attempt.saved for attempt in both)
    present = {record["id"]: record for record in now}
    told = 0
    for attempt in both:
        if attempt.saved:
            continue
        assert attempt.answer.status == 409, attempt.answer.text
        problem = attempt.answer.data
        current = problem["current"]
        assert {field: problem["sent"][field] for field in attempt.sent} == attempt.sent
        assert current["version"] > attempt.seen["version"]
        assert {key: present[current["id"]][key] for key in current} == current
        told += 1
    return told


def assert_history(client: JsonClient, path: str, saved: list[Attempt]) -> None:
    """Each save is in the history once, made on what its author had seen; and nothing between two changes is missing."""
    chains: dict[int, list[dict[str, Any]]] = {}
    page = f"{path}changes/?page_size=1000"
    while page:
        answer = client.get(page).data
        for change_set in answer["results"]:
            for change in change_set["changes"]:
                chains.setdefault(change["id"], []).append(change)
        page = (answer["next"] or "").replace(client.url, "")
    for chain in chains.values():
        chain.reverse()
        for earlier, later in pairwise(chain):
            assert later["before"] == earlier["after"]
    for attempt in saved:
        seen = attempt.seen
        if attempt.sent.items() <= seen.items():
            continue  # a TTL that it had already: there was nothing to change
        (made,) = (
            change
            for change in chains[seen["id"]]
            if change["before"] is not None and change["before"]["version"] == seen["version"]
        )
        assert {field: made["after"][field] for field in attempt.sent} == attempt.sent
