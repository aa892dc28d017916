"""Whatever the way in: what changes a zone leaves exactly one change set, and exactly one row of audit about it.

The routes and commands are not listed by hand: one that is new fails here until it says what it leaves.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command, get_commands
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver

from realtime.models import LogEvent
from tests.zones.examples import Api
from zones.changes import change_set
from zones.models import ChangeSet, Operation, SyncState, Zone

AUDIT = {"change_set_applied", "change_set_reverted"}
"""The one event that each change set has, whatever other events tell of what is in it."""

RECORD = {"name": "new", "type": "A", "ttl": 60, "content": "192.0.2.3"}
FILE = "@ 60 IN SOA ns.x.org. h.x.org. 1 2 3 4 5\n@ 60 IN NS ns.x.org.\na 60 IN A 192.0.2.1\n"


class Way(NamedTuple):
    """How a route is asked: body, query, content type; and the rest of what it tells."""

    body: Any = {}
    query: str = ""
    kind: str = "application/json"


ONE_CHANGE_SET: dict[tuple[str, str], Way] = {
    ("api-zones", "post"): Way({"name": "new.example"}),
    ("api-records", "post"): Way(RECORD),
    ("api-record", "patch"): Way({"ttl": 7}),
    ("api-record", "put"): Way(RECORD),
    ("api-record", "delete"): Way(),
    ("api-changes", "post"): Way({"changes": [{"op": "create", **RECORD}]}),
    ("api-revert", "post"): Way(),
    ("api-restore", "post"): Way({"serial": 1}),
    ("api-bulk-edits", "post"): Way({"zones": ["example.com"], "find": "192.0.2.", "replace": "198.51.100."}),
    ("api-import", "post"): Way(FILE, "?replace=1", "text/dns"),
    ("api-zone", "patch"): Way({"comment": "new"}),
    ("api-zone", "delete"): Way(),
    ("api-grants", "post"): Way({"user": "admin", "level": "edit"}),
    ("api-grant", "delete"): Way(),
}

NOTHING: dict[tuple[str, str], Way] = {("api-operation-cancel", "post"): Way(), ("api-retry", "post"): Way()}
"""A wish, which changes nothing by itself."""

WITH_A_NAME_SERVER = {"api-transfer", "api-adopt", "api-drift"}
"""Tried with another server to speak to, in tests/nameserver."""

COMMANDS: dict[str, list[tuple[str, ...]]] = {
    "zone_import": [
        ("{file}", "--zone=example.com", "--replace", "--no-wait"),
        ("{file}", "--zone=new.example", "--no-wait"),
        ("{table}", "--zone=example.com", "--replace", "--merge", "--no-wait"),
    ],
    "zone_edit": [("example.com", "--find=192.0.2.", "--replace=198.51.100."), ("--all", "--type=A", "--ttl=7")],
    "zone_export": [],
    "zone_sync": [],
    "nameserver_check": [],
}
"""Ways to write of the commands about zones; the others change nothing here."""


def patterns(resolver: URLResolver, prefix: str = "") -> list[tuple[str, URLPattern]]:
    found: list[tuple[str, URLPattern]] = []
    for each in resolver.url_patterns:
        path = prefix + str(each.pattern)
        found += patterns(each, path) if isinstance(each, URLResolver) else [(path, each)]
    return found


ROUTES = {
    (str(pattern.name), verb): f"/{path}"
    for path, pattern in patterns(get_resolver())
    if pattern.callback.__module__.startswith("zones.")
    for verb in ("post", "put", "patch", "delete")
    if hasattr(getattr(pattern.callback, "view_class", None), verb) and pattern.name not in WITH_A_NAME_SERVER
}
PAGES = [path for path, pattern in patterns(get_resolver()) if pattern.callback.__module__ == "zones.views"]


@pytest.fixture
def prepared(zone: Zone, zoe: User) -> tuple[Zone, dict[str, Any]]:
    """A zone with some history, and what stands in the addresses."""
    zone.change_sets.update(state=SyncState.SERVED, serial=1)
    with change_set(zone) as changes:
        changes.create(name="old", type="A", ttl=60, content="192.0.2.3")
    assert changes.result is not None
    return zone, {
        "zone:zone_name": zone.name,
        "int:record_id": zone.records.get(name="old").pk,
        "int:change_set_id": changes.result.pk,
        "int:grant_id": zone.grants.get().pk,
        "str:operation_id": Operation.objects.create(kind="import", zone=zone).pk,
    }


def ask(client: Any, route: tuple[str, str], way: Way, values: dict[str, Any]) -> list[str]:
    """Ask for it, and answer what was told."""
    path = ROUTES[route]
    for key, value in values.items():
        path = path.replace(f"<{key}>", str(value))
    events = LogEvent.objects.count()
    options = {} if way.kind == "application/json" else {"content_type": way.kind}
    answer = getattr(client, route[1])(path + way.query, way.body, **options)
    assert answer.status_code in (200, 201, 202, 204), (path, answer.data)
    return list(LogEvent.objects.order_by("id").values_list("event_type", flat=True)[events:])


def test_every_route_that_writes_is_declared_here() -> None:
    assert ROUTES.keys() == ONE_CHANGE_SET.keys() | NOTHING.keys()


@pytest.mark.parametrize("route", ONE_CHANGE_SET, ids=" ".join)
def test_what_changes_a_zone_leaves_one_change_set_and_one_row_of_audit(
    api: Api, admin: User, prepared: tuple[Zone, dict[str, Any]], route: tuple[str, str]
) -> None:
    count = ChangeSet.objects.count()
    told = ask(api(admin), route, ONE_CHANGE_SET[route], prepared[1])
    assert ChangeSet.objects.count() == count + 1
    assert len([event for event in told if event in AUDIT]) == 1
    made = ChangeSet.objects.first()
    assert (made.author, made.origin) == (admin, "import" if route[0] == "api-import" else "api")
    assert made.address == "127.0.0.1"
    assert made.changes.exists() is not bool(made.settings), "what changed is records, or the zone itself"


def test_the_rest_leaves_nothing(api: Api, admin: User, prepared: tuple[Zone, dict[str, Any]]) -> None:
    for route, way in NOTHING.items():
        assert ask(api(admin), route, way, prepared[1]) == []


@pytest.mark.parametrize("path", PAGES)
def test_pages_only_show_and_write_through_the_api(client: Any, admin: User, zone: Zone, path: str) -> None:
    client.force_login(admin)
    address = "/" + path.replace("<path:name>", zone.name)
    for key in ("int:change_set_id", "int:number"):
        address = address.replace(f"<{key}>", "1")
    for verb in ("post", "put", "patch", "delete"):
        assert getattr(client, verb)(address).status_code == 405, (verb, address)


def test_every_command_about_zones_is_declared_here() -> None:
    assert {name for name, app in get_commands().items() if app == "zones"} == COMMANDS.keys()


def test_a_command_that_writes_leaves_one_change_set_and_one_row_of_audit(prepared: Any, tmp_path: Path) -> None:
    file = tmp_path / "db"
    file.write_text(FILE)
    table = tmp_path / "records.csv"
    table.write_text("name,type,content\nlisted,A,192.0.2.9\n")
    for command, ways in COMMANDS.items():
        for arguments in ways:
            changes, events = ChangeSet.objects.count(), LogEvent.objects.count()
            given = (argument.format(file=file, table=table) for argument in arguments)
            with transaction.atomic():
                call_command(command, *given, stdout=io.StringIO())
                told = LogEvent.objects.order_by("id").values_list("event_type", flat=True)[events:]
                assert ChangeSet.objects.count() == changes + 1, (command, arguments)
                assert len([event for event in told if event in AUDIT]) == 1
                transaction.set_rollback(True)


def test_a_refused_change_leaves_neither(api: Api, admin: User, prepared: tuple[Zone, dict[str, Any]]) -> None:
    count, events = ChangeSet.objects.count(), LogEvent.objects.count()
    with transaction.atomic():
        answer = api(admin).post("/api/zones/example.com/records/", RECORD | {"content": "nonsense"})
    assert answer.status_code == 400
    assert (ChangeSet.objects.count(), LogEvent.objects.count()) == (count, events)
