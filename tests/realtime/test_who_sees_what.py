"""The table of who sees what, for every role, event and field, on every way an event takes: live, when resuming, and over
HTTP.

What is expected here is written down from the contract, by the names of categories, events and fields, and not taken
from the declarations: a declaration that forgets to mask a field, or shows an event to the wrong people, fails.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest

from realtime.events import EventCategory, EventType
from realtime.registry import EventSpec, registry
from tests.parts.redis_server import RedisServer
from tests.parts.site import Site
from tests.realtime.examples import leaves
from tests.realtime.peer import Peer, as_person

ADMINISTRATOR, OPERATOR, ANALYST, VIEWER, OWNER = "admin", "olivia", "sam", "vera", "zoe"
ROLES = (ADMINISTRATOR, OPERATOR, ANALYST, VIEWER, OWNER)
GRANTED, OTHER = "granted.example", "other.example"


class Case(NamedTuple):
    """One event of each type is told in each case that fits it: about a zone, about nobody's zone, about a person."""

    name: str
    zone: str | None = None
    about: str | None = None


CASES = (Case("granted", zone=GRANTED), Case("other", zone=OTHER), Case("nowhere"), Case("vera", about=VIEWER))

EVERYONE = {EventType.BROADCAST_TEST, EventType.MAINTENANCE_STARTED, EventType.MAINTENANCE_COMPLETED}
SERVICES = {EventType.SERVICE_STARTED, EventType.SERVICE_STOPPED}
WITHOUT_SCOPE = {EventType.DNS_QUERY_STATISTICS}


def sees(role: str, spec: EventSpec, case: Case) -> bool:
    """The table of the contract."""
    if role == ADMINISTRATOR:
        return True
    if case.about is not None:
        return role == case.about and spec.category in (EventCategory.USER, EventCategory.CONNECTION)
    match spec.category:
        case "dns" | "bulk_operation" | "alert" | "health" | "query":
            return role != OWNER or (case.zone == GRANTED and spec.event_type not in WITHOUT_SCOPE)
        case EventCategory.SECURITY:
            return role != OWNER
        case EventCategory.SYSTEM:
            if spec.event_type in EVERYONE:
                return True
            if spec.event_type is EventType.ERROR_OCCURRED:
                return False
            return role == OPERATOR or (role != OWNER and spec.event_type in SERVICES)
    return False  # users and connections: only one's own


SEES_CLIENTS = {ADMINISTRATOR, ANALYST}
SEES_EVIDENCE = {ADMINISTRATOR, OPERATOR, ANALYST}
SEES_PRIVATE = {ADMINISTRATOR, OPERATOR}
CONFIGURATION = {
    EventType.BIND_CONFIG_CHANGE,
    EventType.CONFIG_CHANGE,
    EventType.CONFIG_BACKUP,
    EventType.CONFIG_RESTORE,
}


def about_a_client(data: dict[str, Any]) -> bool:
    """Whether a rule in the data is triggered by a client's address, which then stands in it."""
    return "client_ip" in [value for path, value in leaves(data).items() if path[-1] == "trigger_type"]


def masked(role: str, spec: EventSpec, data: dict[str, Any]) -> set[tuple[str, ...]]:
    """The paths of what this role gets as null, by the names of the fields."""
    found = set()
    for path in leaves(data):
        name = path[-1]
        secret = (
            (name in ("client", "client_ip", "clients") and "top" not in path and role not in SEES_CLIENTS)
            or (path == ("top", "clients", "*", "value") and role not in SEES_CLIENTS)
            or (name == "evidence" and role not in SEES_EVIDENCE)
            or (path == ("record", "comment") and data["record"]["private"] and role not in SEES_PRIVATE)
            or (spec.event_type in CONFIGURATION and name in ("old", "new") and role != ADMINISTRATOR)
            or (
                spec.category in (EventCategory.USER, EventCategory.CONNECTION)
                and name in ("address", "user_agent", "session")
                and role != ADMINISTRATOR
            )
            or (name == "trigger" and about_a_client(data) and role not in SEES_CLIENTS)
        )
        if secret:
            found.add(path)
    return found


TELL = """
import json, sys
from django.contrib.auth.models import User
import msgspec
from realtime.actors import Actor, acting_as
from realtime.broadcasting import emit, stream
from realtime.registry import registry
from django.db import transaction
from tests.realtime.examples import example_data
from zones.models import Zone

keys = {zone.name: zone.key for zone in Zone.objects.all()}
people = {user.username: user.pk for user in User.objects.all()}
told = {}
for durable, (name, zone, about) in ((d, case) for d in (False, True) for case in json.loads(sys.argv[1])):
    for spec in registry:
        if spec.cut or spec.durable is not durable or (about is not None and not spec.own):
            continue
        data = example_data(spec, zone=zone)
        payload = msgspec.convert(data, spec.payload)
        more = {"scope": keys.get(zone), "subject_id": people.get(about)}
        with acting_as(Actor(trace_id=name)):
            if spec.durable:
                with transaction.atomic():
                    emit(spec.event_type, payload, **more)
            else:
                stream(spec.event_type, payload, **more)
        told[f"{name} {spec.event_type}"] = data
print(json.dumps(told))
"""
"""Tells one event of each type for each case, with an example's data, and prints those."""

Told = dict[str, dict[str, Any]]


async def prepared(start_site: Any, redis_server: RedisServer) -> Site:
    site: Site = await asyncio.to_thread(start_site, REDIS_URL=redis_server.url, REALTIME_HEARTBEAT_S=1)
    admin = site.client("admin")
    for zone in (GRANTED, OTHER):
        assert admin.post("/api/zones/", {"name": zone, "kind": "primary"}).status == 201
    assert admin.post(f"/api/zones/{GRANTED}/grants/", {"user": OWNER, "level": "view"}).status == 201
    return site


def got(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The events that were told for a case, by case and type."""
    names = {case.name for case in CASES}
    return {f"{e['trace_id']} {e['event_type']}": e for e in events if e["trace_id"] in names}


def complaints(role: str, way: str, told: Told, events: list[dict[str, Any]], *, flow: bool) -> list[str]:
    """Where what somebody got is not what the table says."""
    received, found = got(events), []
    for case in CASES:
        for spec in registry:  # type: ignore[attr-defined]
            key = f"{case.name} {spec.event_type}"
            if key not in told or not (spec.durable or flow):
                continue
            expected = sees(role, spec, case)
            if expected != (key in received):
                found.append(f"{way}: {role} {'misses' if expected else 'must not see'} {key}")
            elif expected:
                found += [f"{way}: {role}, {key}: {what}" for what in differences(role, spec, told[key], received[key])]
    return found


def differences(role: str, spec: EventSpec, told: dict[str, Any], event: dict[str, Any]) -> list[str]:
    secret, seen = masked(role, spec, told), leaves(event["data"])
    found = []
    for path, value in leaves(told).items():
        below_secret = any(path[: len(hidden)] == hidden for hidden in secret)
        if path in secret and path in seen and seen[path] is not None:
            found.append(f"{'.'.join(path)} is not masked")
        if not below_secret and not isinstance(value, dict | list) and seen.get(path) != value:
            found.append(f"{'.'.join(path)} is {seen.get(path)!r} in place of {value!r}")
    named = {tuple(path.split(".")) for path in event.get("redacted", [])}
    tops = {path for path in secret if leaves(told)[path] is not None}
    unnamed = {path for path in tops if not any(path[: len(name)] == name for name in named)}
    return found + [f"{'.'.join(path)} is masked and not named" for path in unnamed]


@pytest.mark.timeout(240)
async def test_everybody_sees_what_the_table_says_live_resumed_and_over_http(
    start_site: Any, redis_server: RedisServer
) -> None:
    site = await prepared(start_site, redis_server)
    found: list[str] = []
    async with AsyncExitStack() as stack:
        live: dict[str, Peer] = {}
        for role in ROLES:
            live[role] = await stack.enter_async_context(as_person(site, role, name="live"))
            await live[role].welcome()
            await live[role].ask("subscribe", event_types=["*"], zones=[])
        beginning = live[ADMINISTRATOR].position
        await asyncio.sleep(1)  # the process joins the groups of the streams
        told: Told = json.loads(await asyncio.to_thread(site.python, TELL, json.dumps(CASES)))
        await live[ADMINISTRATOR].until(lambda: set(told) <= set(got(live[ADMINISTRATOR].events())), 60)
        last = max(e["position"] for e in got(live[ADMINISTRATOR].events()).values() if "position" in e)
        for role, peer in live.items():
            await peer.until(lambda peer=peer: peer.upto >= last, 30)  # type: ignore[misc]
            found += complaints(role, "live", told, peer.events(), flow=True)

    for role in ROLES:
        async with as_person(site, role, name="live", since=beginning) as peer:
            assert (await peer.welcome())["resumed"]["recovered"] is True
            await peer.until(lambda peer=peer: peer.upto >= last, 30)  # type: ignore[misc]
            found += complaints(role, "resumed", told, peer.events(), flow=False)
        found += complaints(role, "http", told, await asyncio.to_thread(over_http, site, role, beginning), flow=False)
    assert not found, "\n".join(found)
    assert len(told) > 100


def over_http(site: Site, role: str, since: str) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    client = site.client(role)
    while True:
        answer = client.get("/api/realtime/events/", since=since, limit=500).data
        results += answer["results"]
        if answer["upto"] == since:
            return results
        since = answer["upto"]
