"""What somebody changed at the server is kept as a difference, and ends accepted or overwritten, either way with a trace."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied

from realtime.actors import acting
from tests.nameserver.conftest import HostedZone
from tests.nameserver.wishes import change, events, in_state, make_zone, served
from zones import grants, pushing
from zones.access import Limits
from zones.models import ChangeSet, Record, SyncState, Zone
from zones.nameserver.endpoint import Endpoint
from zones.refusals import Outdated

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def drifted(server: Endpoint) -> Zone:
    """A zone in which somebody has changed www and added new, at the server."""
    zone = make_zone()
    pushing.push(zone.pk)
    HostedZone(server, zone.name).nsupdate(
        f"update delete www.{zone.name}. A",
        f"update add www.{zone.name}. 60 A 203.0.113.5",
        f"update add new.{zone.name}. 60 TXT hello",
    )
    pushing.examine(zone.pk)
    zone.refresh_from_db()
    return zone


def test_the_difference_is_kept_with_the_zone(drifted: Zone) -> None:
    assert drifted.drift["count"] == 2
    assert [(each["name"], each["type"]) for each in drifted.drift["differences"]] == [("new", "TXT"), ("www", "A")]
    assert drifted.drift["found_at"]


def test_the_api_answers_what_is_different_now(drifted: Zone, client: Any, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_superuser("olivia"))
    answer = client.get(f"/api/zones/{drifted.name}/drift/").json()
    assert (answer["count"], answer["waiting"]) == (2, False)
    assert answer["differences"][0] == {
        "name": "new",
        "type": "TXT",
        "wanted": None,
        "served": {"ttl": 60, "rdata": ['"hello"']},
    }


def test_accepted_it_is_a_change_set_of_whoever_did_and_needs_no_push(drifted: Zone, django_user_model: Any) -> None:
    olivia = django_user_model.objects.create_superuser("olivia")
    with acting(olivia, origin="page"):
        made = pushing.accept(drifted.pk)
    assert made
    made.refresh_from_db()
    assert (made.author, made.origin, made.state) == (olivia, "page", SyncState.SERVED)
    drifted.refresh_from_db()
    assert (drifted.drift, drifted.sync_state, drifted.sync_error) == (None, SyncState.SERVED, "")
    assert made.serial == drifted.serial
    assert Record.objects.get(zone=drifted, name="www").content == "203.0.113.5"
    assert Record.objects.get(zone=drifted, name="new").content == '"hello"'
    assert {event["record"]["name"] for event in events(drifted, "record_created")} == {"new", "www"}
    assert events(drifted, "zone_synced")[-1]["drift"] == "accepted"
    assert pushing.compare(drifted).changes == ()


def test_what_waited_against_it_is_given_up_and_says_so(drifted: Zone) -> None:
    waiting = change(drifted, "www", "192.0.2.9")
    pushing.push(drifted.pk)
    made = pushing.accept(drifted.pk)
    assert made
    waiting.refresh_from_db()
    assert waiting.state == SyncState.FAILED
    assert f"change {made.pk}" in waiting.error
    assert in_state(drifted, SyncState.SERVED)()
    pushing.push(drifted.pk)
    assert served(drifted) == ["203.0.113.5"]
    assert pushing.compare(drifted).changes == ()


def test_overwritten_it_leaves_an_entry_in_the_history(drifted: Zone, django_user_model: Any) -> None:
    olivia = django_user_model.objects.create_superuser("olivia")
    with acting(olivia, origin="page"):
        pushing.repair(drifted.pk)
    assert served(drifted) == ["192.0.2.1"]
    drifted.refresh_from_db()
    assert (drifted.drift, drifted.sync_state) == (None, SyncState.SERVED)
    noted = ChangeSet.objects.filter(zone=drifted).latest("id")
    assert noted.author == olivia
    assert noted.comment == "overwritten at the name server: new TXT, www A"
    assert noted.rrsets[0]["before"] == {"ttl": 60, "rdata": ['"hello"']}
    assert events(drifted, "zone_synced")[-1]["drift"] == "overwritten"


def test_what_was_overwritten_is_shown_in_the_history_before_and_after(
    drifted: Zone, client: Any, django_user_model: Any
) -> None:
    pushing.repair(drifted.pk)
    client.force_login(django_user_model.objects.create_superuser("olivia"))
    noted = client.get(f"/api/zones/{drifted.name}/changes/").json()["results"][0]
    assert noted["change_count"] == 3
    shown = [(change["op"], (change["before"] or change["after"])["content"]) for change in noted["changes"]]
    assert shown == [("delete", '"hello"'), ("delete", "203.0.113.5"), ("create", "192.0.2.1")]
    page = client.get(f"/zones/{drifted.name}/history/").content.decode()
    assert "www 60 A 203.0.113.5" in page
    assert f"change {noted['id']}</span></button>" not in page  # no record changed here that could be taken back


def test_what_accepting_would_give_up_is_told_before(drifted: Zone, client: Any, django_user_model: Any) -> None:
    olivia = django_user_model.objects.create_superuser("olivia")
    with acting(olivia, origin="page"):
        waiting = change(drifted, "www", "192.0.2.9")
    pushing.push(drifted.pk)
    client.force_login(olivia)
    told = client.get(f"/api/zones/{drifted.name}/drift/").json()["gives_up"]
    assert told == [{"change_set": waiting.pk, "author": "olivia", "comment": waiting.comment, "rrsets": ["www A"]}]
    page = client.get(f"/zones/{drifted.name}/").content.decode()
    assert "Accepting gives up" in page and f"change {waiting.pk}</a> of <strong>olivia" in page


def test_a_change_that_began_to_wait_unseen_is_not_given_up(drifted: Zone, client: Any, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_superuser("olivia"))
    path = f"/api/zones/{drifted.name}/drift/"
    seen = client.get(path).json()
    assert f'data-based-on="{seen["based_on"]}"' in client.get(f"/zones/{drifted.name}/").content.decode()
    late = change(drifted, "www", "192.0.2.9")
    asked = {"resolution": "accept", "seen": seen["serial"], "based_on": seen["based_on"]}
    refused = client.post(path, asked, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "outdated")
    late.refresh_from_db()
    assert (late.state, Record.objects.get(zone=drifted, name="www").content) == (SyncState.PENDING, "192.0.2.9")
    asked["based_on"] = client.get(path).json()["based_on"]
    assert client.post(path, asked, content_type="application/json").status_code == 200


@pytest.mark.parametrize("end", [pushing.accept, pushing.repair])
def test_it_ends_only_as_it_was_seen(server: Endpoint, drifted: Zone, end: Any) -> None:
    seen = drifted.drift["serial"]
    HostedZone(server, drifted.name).nsupdate(f"update add later.{drifted.name}. 60 TXT unseen")
    with pytest.raises(Outdated, match="somebody at the name server has changed"):
        end(drifted.pk, seen=seen)
    drifted.refresh_from_db()
    assert [each["name"] for each in drifted.drift["differences"]] == ["later", "new", "www"]
    end(drifted.pk, seen=drifted.drift["serial"])
    assert not pushing.compare(drifted).changes


def test_whoever_may_change_only_some_records_cannot_accept_the_others(
    drifted: Zone, django_user_model: type[User]
) -> None:
    nils = django_user_model.objects.create_user("nils")
    grants.give(drifted, level="edit", user=nils, limits=Limits(names=("www",)))
    with acting(nils, origin="page"), pytest.raises(PermissionDenied, match="new TXT"):
        pushing.accept(drifted.pk)
    drifted.refresh_from_db()
    assert drifted.drift["count"] == 2


def test_a_change_that_was_overtaken_shows_the_difference_too(server: Endpoint) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    HostedZone(server, zone.name).nsupdate(f"update add www.{zone.name}. 300 A 192.0.2.99")
    change(zone, "www", "192.0.2.2")
    pushing.push(zone.pk)
    zone.refresh_from_db()
    assert "somebody changed the zone" in zone.sync_error
    (difference,) = zone.drift["differences"]
    assert difference["wanted"]["rdata"] == ["192.0.2.2"]
    assert difference["served"]["rdata"] == ["192.0.2.1", "192.0.2.99"]
    pushing.repair(zone.pk)
    zone.refresh_from_db()
    assert zone.drift is None
