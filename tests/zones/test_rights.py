"""Who sees and does what: a zone that one may not see is not there, in any answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import connection
from django.urls import URLPattern
from rest_framework.test import APIClient

from realtime import audience as audiences
from realtime import log
from realtime.filters import view
from realtime.models import LogEvent
from realtime.registry import EVERYTHING
from tests.zones.examples import Api, Make, www
from zones import access, grants, lifecycle, roles
from zones.api import urls
from zones.models import ChangeSet, Operation, Zone, ZoneGrant

VERBS = ("get", "post", "put", "patch", "delete")


def paths(zone: Zone) -> Iterator[str]:
    """Every path of the API that is about one zone, filled with things that exist in it."""
    grant = ZoneGrant.objects.filter(zone=zone).first()
    operation = Operation.objects.create(kind="import", zone=zone)
    values = {
        "zone_name": zone.name,
        "record_id": www(zone).pk,
        "change_set_id": ChangeSet.objects.filter(zone=zone).latest("id").pk,
        "grant_id": grant.pk if grant else 1,
        "operation_id": operation.pk,
    }
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        names = pattern.pattern.converters.keys()  # type: ignore[attr-defined]
        if names:
            yield "/api/" + filled(str(pattern.pattern), values)


def filled(route: str, values: dict[str, Any]) -> str:
    for name, value in values.items():
        for converter in ("str", "int", "slug", "zone"):
            route = route.replace(f"<{converter}:{name}>", str(value))
    assert "<" not in route, f"say here what {route} is filled with"
    return route


def test_who_may_not_see_a_zone_gets_404_everywhere(api: Api, nils: User, zoe: User, zone: Zone) -> None:
    client = api(nils)
    answers = {(verb, path): getattr(client, verb)(path).status_code for path in [*paths(zone)] for verb in VERBS}
    # 405: the verb is not offered to anybody there.
    assert set(answers.values()) <= {404, 405}, answers
    assert all(status == 404 for (verb, _), status in answers.items() if verb == "get" and status != 405)


def test_nobody_signed_in_gets_401_everywhere(zone: Zone) -> None:
    client = APIClient()
    assert {client.get(path).status_code for path in [*paths(zone), "/api/zones/"]} == {401}


def test_a_viewer_reads_and_is_refused_to_write(api: Api, vera: User, zone: Zone) -> None:
    client = api(vera)
    record = f"/api/zones/example.com/records/{www(zone).pk}/"
    assert client.get(record).status_code == 200
    refused = [
        client.patch(record, {"ttl": 1}),
        client.put(record, {}),
        client.delete(record),
        client.post("/api/zones/example.com/records/", {}),
        client.post("/api/zones/example.com/changes/", {}),
        client.patch("/api/zones/example.com/", {"comment": "x"}),
        client.delete("/api/zones/example.com/"),
        client.get("/api/zones/example.com/grants/"),
        client.post("/api/zones/example.com/grants/", {}),
        client.post("/api/zones/", {"name": "new.example"}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert www(zone).ttl == 300


def test_lists_and_counts_do_not_tell_of_other_zones(api: Api, zoe: User, zone: Zone) -> None:
    lifecycle.create_zone("secret.example")
    answer = api(zoe).get("/api/zones/?search=e")
    assert answer.data["count"] == 1
    assert [found["name"] for found in answer.data["results"]] == ["example.com"]
    assert "secret" not in json.dumps(answer.data)
    assert api(zoe).get("/api/zones/?search=secret").data["count"] == 0


def test_an_owner_edits_the_zone_granted_and_may_not_delete_it(api: Api, zoe: User, zone: Zone) -> None:
    client = api(zoe)
    assert client.patch(f"/api/zones/example.com/records/{www(zone).pk}/", {"ttl": 60}).status_code == 200
    assert client.get("/api/zones/example.com/").data["access"] == "edit"
    assert client.delete("/api/zones/example.com/").status_code == 403


def test_a_record_of_another_zone_cannot_be_reached_through_ones_own(api: Api, zoe: User, zone: Zone) -> None:
    other = lifecycle.create_zone("secret.example")
    theirs = other.records.get(type="NS")
    client = api(zoe)
    assert client.get(f"/api/zones/example.com/records/{theirs.pk}/").status_code == 404
    asked = [{"op": "update", "id": theirs.pk, "content": "evil.example."}]
    answer = client.post("/api/zones/example.com/changes/", {"changes": asked})
    assert (answer.status_code, answer.data["code"]) == (404, "not_found")
    their_change = other.change_sets.get().pk
    assert client.post(f"/api/zones/example.com/changes/{their_change}/revert/").status_code == 404


def test_private_comments_are_for_editors(api: Api, olivia: User, vera: User, zone: Zone) -> None:
    path = f"/api/zones/example.com/records/{www(zone).pk}/"
    api(olivia).patch(path, {"comment": "the safe is behind the rack", "private": True})
    assert api(olivia).get(path).data["comment"] == "the safe is behind the rack"

    client = api(vera)
    seen = [
        client.get(address).data
        for address in (path, *["/api/zones/example.com/" + part for part in ("records/", "changes/")])
    ]
    assert "safe" not in json.dumps(seen, default=str)
    assert client.get("/api/zones/example.com/records/?search=safe").data["count"] == 0
    assert api(olivia).get("/api/zones/example.com/records/?search=safe").data["count"] == 1


def test_a_private_comment_is_in_events_only_where_it_is_masked(
    api: Api, olivia: User, vera: User, nils: User, zoe: User, zone: Zone
) -> None:
    grants.give(zone, level="view", user=nils)
    grants.give(lifecycle.create_zone("other.example"), level="edit", user=vera)
    path = f"/api/zones/example.com/records/{www(zone).pk}/"
    api(olivia).patch(path, {"comment": "the safe is behind the rack", "private": True})
    event = log.as_event(LogEvent.objects.get(event_type="record_updated"))
    for person, is_editor in ((olivia, True), (vera, False), (nils, False), (zoe, True)):
        seen = view(event, audiences.load(person.pk)[1])
        assert seen is not None
        assert seen.event.data["record"]["comment"] == ("the safe is behind the rack" if is_editor else None)
        assert seen.redacted == (() if is_editor else ("record.comment",))
        assert ("safe" in json.dumps(seen.event.data)) is is_editor


def test_private_comments_of_before_are_masked_as_those_of_today(api: Api, olivia: User, zone: Zone) -> None:
    path = f"/api/zones/example.com/records/{www(zone).pk}/"
    api(olivia).patch(path, {"comment": "the safe is behind the rack", "private": True})
    told = LogEvent.objects.filter(event_type="record_updated")
    today = json.loads(told.get().data)
    before = {**today, "record": {**today["record"], "comment": None, "private_comment": today["record"]["comment"]}}
    told.update(data=json.dumps(before))
    migration = import_module("zones.migrations.0011_private_comments")
    migration.put_together(apps, SimpleNamespace(connection=connection))
    assert json.loads(told.get().data) == today


def test_a_public_comment_is_for_all_who_see_the_record(api: Api, olivia: User, vera: User, zone: Zone) -> None:
    api(olivia).patch(f"/api/zones/example.com/records/{www(zone).pk}/", {"comment": "rack 7"})
    event = log.as_event(LogEvent.objects.get(event_type="record_updated"))
    seen = view(event, audiences.load(vera.pk)[1])
    assert seen is not None
    assert (seen.event.data["record"]["comment"], seen.redacted) == ("rack 7", ())


def test_a_grant_given_and_taken_through_the_api_tells_the_person(
    api: Api, admin: User, nils: User, zone: Zone
) -> None:
    client, path = api(admin), "/api/zones/example.com/grants/"
    given = client.post(path, {"user": "nils", "level": "view"})
    assert given.status_code == 201, given.data
    assert access.may(nils, "view", zone)
    assert not access.may(nils, "edit", zone)

    raised = client.post(path, {"user": "nils", "level": "edit"})
    assert [grant["level"] for grant in client.get(path).data["results"]] == ["edit"], "one takes the other's place"

    assert client.delete(f"{path}{raised.data['id']}/").status_code == 204
    assert not access.may(nils, "view", zone)
    assert access.visible_zone_keys([nils])[nils.pk] == frozenset()
    told = LogEvent.objects.filter(event_type="permission_changed", subject_id=nils.pk, data__contains="example.com")
    assert told.count() == 3
    assert ZoneGrant.objects.filter(zone=zone, user=nils).count() == 2, "closed, not deleted"


@pytest.mark.parametrize(
    "body",
    [
        {"level": "view"},
        {"user": "nils", "group": "Viewers", "level": "view"},
        {"user": "nobody", "level": "view"},
        {"user": "nils", "level": "own"},
    ],
)
def test_a_grant_is_to_one_known_user_or_group(api: Api, admin: User, nils: User, zone: Zone, body: Any) -> None:
    assert api(admin).post("/api/zones/example.com/grants/", body).status_code == 400


def test_a_grant_to_a_group_is_for_its_members(nils: User, zone: Zone) -> None:
    team = Group.objects.create(name="web team")
    nils.groups.add(team)
    grants.give(zone, level="edit", group=team)
    assert access.may(nils, "edit", zone)
    assert access.visible_zone_keys([nils])[nils.pk] == {zone.key}
    assert LogEvent.objects.filter(event_type="permission_changed", subject_id=nils.pk, data__contains="example.com")


def test_one_decision_for_page_api_and_socket(person: Make, admin: User, zoe: User, nils: User, zone: Zone) -> None:
    analyst, owner = person("sam", roles.ANALYSTS), person("otto", roles.OWNERS)
    lifecycle.create_zone("other.example")
    table = {
        user.username: (
            access.visible_zones(user).count(),
            access.visible_zone_keys([user])[user.pk] is EVERYTHING or len(access.visible_zone_keys([user])[user.pk]),  # type: ignore[arg-type]
            [level for level in access.LEVELS if access.may(user, level, zone)],
        )
        for user in (admin, analyst, zoe, owner, nils)
    }
    assert table == {
        "admin": (2, True, ["view", "edit", "manage"]),
        "sam": (2, True, ["view"]),
        "zoe": (1, 1, ["view", "edit"]),
        "otto": (0, 0, []),
        "nils": (0, 0, []),
    }
    assert not access.may(AnonymousUser(), "view", zone)


def test_who_is_deactivated_may_nothing(admin: User, zoe: User, zone: Zone) -> None:
    for user in (admin, zoe):
        user.is_active = False
        user.save()
        again = User.objects.get(pk=user.pk)
        assert not access.may(again, "view", zone)
        assert not access.visible_zones(again).exists()
        assert access.visible_zone_keys([again])[again.pk] == frozenset()


def test_a_new_zone_of_an_old_name_is_not_the_old_owners(api: Api, admin: User, zoe: User, zone: Zone) -> None:
    old_key = zone.key
    assert api(admin).delete("/api/zones/example.com/").status_code == 204
    assert api(admin).post("/api/zones/", {"name": "example.com"}).status_code == 201
    assert api(zoe).get("/api/zones/example.com/").status_code == 404
    assert access.visible_zone_keys([zoe])[zoe.pk] == {old_key}, "to read that the old one was deleted"


def test_roles_keep_what_administrators_changed(db: None) -> None:
    from django.apps import apps

    viewers = Group.objects.get(name=roles.VIEWERS)
    viewers.permissions.remove(*viewers.permissions.filter(codename="view_changeset"))
    roles.establish(apps.get_app_config("zones"))
    assert not viewers.permissions.filter(codename="view_changeset").exists()
    assert viewers.permissions.filter(codename="view_zone").exists()
