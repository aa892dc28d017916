"""A server that was there before the site: its zones are found, followed, and taken over one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.nameserver.conftest import HostedZone
from tests.nameserver.wishes import events, in_state, served, until
from zones import pushing, synchronizer
from zones.changes import change_set
from zones.lifecycle import delete_zone
from zones.models import ChangeSet, Record, SyncState, Zone
from zones.nameserver.conf import NamedSettings
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.private import PrivateNamed
from zones.nameserver.rndc import Rndc
from zones.refusals import InvalidChange

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "@ 300 SOA ns1 h 7 3600 600 86400 60\n@ 300 NS ns1\nns1 300 A 192.0.2.53\nwww 300 A 192.0.2.1\n"


@pytest.fixture
def existing(own_named: PrivateNamed, settings: Any, tmp_path: Path) -> Endpoint:
    """A running BIND that the site knows by its settings, with zones of its administrator's."""
    where = own_named.start()
    zone_dir = tmp_path / "site-zones"
    zone_dir.mkdir()
    settings.NAMED = NamedSettings(
        host=where.host,
        port=where.port,
        rndc_port=where.rndc_port,
        rndc_key_file=own_named.directory / "rndc.key",
        tsig_key_file=own_named.directory / "tsig.key",
        statistics_url=where.statistics_url,
        zone_dir=zone_dir,
    )
    return where


def theirs(where: Endpoint, name: str, more: str = "") -> HostedZone:
    file = where.zone_dir / f"{name}.theirs"
    file.write_text(TEXT)
    more = more or f'update-policy {{ grant "{where.tsig.name}" zonesub any; }};'
    Rndc(where).call(f'addzone "{name}" {{ type primary; file "{file}"; {more} }};')
    return HostedZone(where, name)


@pytest.fixture
def client() -> APIClient:
    made = APIClient()
    made.force_authenticate(User.objects.create_superuser("admin"))
    return made


def adopt(client: APIClient, name: str) -> Zone:
    answer = client.post("/api/zones/adopt/", {"name": name}, format="json")
    assert answer.status_code == 201, answer.data
    assert answer.data["watched"]
    return Zone.objects.get(name=name)


def test_zones_are_found_adopted_and_followed(existing: Endpoint, client: APIClient, running: None) -> None:
    there = theirs(existing, "old.example")
    theirs(existing, "other.example")
    listed = client.get("/api/zones/adopt/").data
    assert [(zone["name"], zone["kind"], zone["serial"]) for zone in listed] == [
        ("old.example", "primary", 7),
        ("other.example", "primary", 7),
    ]
    zone = adopt(client, "old.example")
    assert (zone.serial, zone.sync_state, zone.adopted) == (7, SyncState.SERVED, True)
    assert Record.objects.get(zone=zone, name="www").content == "192.0.2.1"
    assert [each["name"] for each in client.get("/api/zones/adopt/").data] == ["other.example"]
    assert client.post("/api/zones/adopt/", {"name": "old.example"}, format="json").status_code == 400

    there.nsupdate("update add new.old.example. 60 A 192.0.2.9")
    until(lambda: Record.objects.filter(zone=zone, name="new").exists())
    made = ChangeSet.objects.filter(zone=zone).latest("id")
    assert (made.author, made.origin) == (None, "nameserver")
    assert [event["record"]["name"] for event in events(zone, "record_created")] == ["new"]


def test_a_watched_zone_is_changed_by_nobody_here(existing: Endpoint, client: APIClient) -> None:
    theirs(existing, "old.example")
    zone = adopt(client, "old.example")
    with pytest.raises(InvalidChange, match="only watched"), change_set(zone) as changes:
        changes.create(name="x", type="A", ttl=60, content="192.0.2.1")
    body = {"name": "x", "type": "A", "ttl": 60, "content": "192.0.2.1"}
    assert client.post("/api/zones/old.example/records/", body, format="json").status_code == 400


def test_taken_over_it_is_changed_here_and_its_configuration_stays_theirs(
    existing: Endpoint, client: APIClient, running: None
) -> None:
    theirs(existing, "old.example")
    zone = adopt(client, "old.example")
    answer = client.patch("/api/zones/old.example/", {"watched": False}, format="json")
    assert answer.status_code == 200, answer.data
    assert answer.data["watched"] is False
    body = {"name": "mine", "type": "A", "ttl": 60, "content": "192.0.2.7"}
    assert client.post("/api/zones/old.example/records/", body, format="json").status_code == 201
    until(in_state(zone, SyncState.SERVED))
    assert served(zone, "mine") == ["192.0.2.7"]
    assert pushing.compare(zone).changes == ()
    zone.refresh_from_db()
    delete_zone(zone)
    until(lambda: not Zone.objects.get(pk=zone.pk).hosted)
    assert served(zone, "mine") == ["192.0.2.7"]


def test_a_name_that_their_configuration_refuses_is_warned_of_and_the_refusal_says_so(
    existing: Endpoint, client: APIClient, running: None
) -> None:
    theirs(existing, "old.example")
    zone = adopt(client, "old.example")
    client.patch("/api/zones/old.example/", {"watched": False}, format="json")
    body = {"name": "my_host", "type": "A", "ttl": 60, "content": "192.0.2.7"}
    proposed = {"changes": [{"op": "create", **body}], "dry_run": True}
    before = client.post("/api/zones/old.example/changes/", proposed, format="json").data
    assert [warning["code"] for warning in before["warnings"]] == ["no_host_name"]
    assert client.post("/api/zones/old.example/records/", body, format="json").status_code == 201
    until(in_state(zone, SyncState.FAILED))
    zone.refresh_from_db()
    assert "my_host is no host name" in zone.sync_error
    assert "check-names ignore" in zone.sync_error


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("allow-update { none; };", "does not take updates"),
        ('update-policy { grant "dnsadmin-rndc" zonesub any; };', "does not let the key"),
    ],
)
def test_what_keeps_it_from_being_taken_over_is_said_with_the_line_that_is_missing(
    existing: Endpoint, client: APIClient, more: str, words: str
) -> None:
    theirs(existing, "old.example", more)
    zone = adopt(client, "old.example")
    answer = client.patch("/api/zones/old.example/", {"watched": False}, format="json")
    assert answer.status_code == 502, answer.data
    assert words in answer.data["detail"]
    assert f'update-policy {{ grant "{existing.tsig.name}" zonesub any; }};' in answer.data["detail"]
    zone.refresh_from_db()
    assert zone.watched


def test_a_zone_that_is_signed_there_is_shown_and_never_fought(
    existing: Endpoint, client: APIClient, running: None
) -> None:
    more = f'dnssec-policy default; update-policy {{ grant "{existing.tsig.name}" zonesub any; }};'
    there = theirs(existing, "signed.example", more)
    until(lambda: "RRSIG" in {line[3] for line in dig_all(existing, "signed.example")})
    zone = adopt(client, "signed.example")
    assert zone.signed
    assert not Record.objects.filter(zone=zone, type__in=["RRSIG", "NSEC", "DNSKEY"]).exists()
    shown = client.get("/api/zones/signed.example/served/").data
    assert {"RRSIG", "NSEC", "DNSKEY"} <= {rrset["type"] for rrset in shown["generated"]}
    client.patch("/api/zones/signed.example/", {"watched": False}, format="json")
    body = {"name": "mine", "type": "A", "ttl": 60, "content": "192.0.2.7"}
    assert client.post("/api/zones/signed.example/records/", body, format="json").status_code == 201
    until(in_state(zone, SyncState.SERVED))
    for pk in synchronizer.drifting():
        pushing.examine(pk)
    assert in_state(zone, SyncState.SERVED)()
    assert events(zone, "zone_drift_detected") == []
    assert there.dig("mine", "A") == ["60 192.0.2.7"]


def dig_all(where: Endpoint, name: str) -> list[list[str]]:
    from tests.nameserver.conftest import dig

    key = where.tsig
    return dig(where, name, "AXFR", "-y", f"{key.algorithm}:{key.name}:{key.secret}")


def test_which_servers_have_the_serial(
    existing: Endpoint, client: APIClient, named: PrivateNamed, settings: Any
) -> None:
    theirs(existing, "old.example")
    adopt(client, "old.example")
    shared = named.start()
    settings.NAMED = NamedSettings(
        **{
            **{field: getattr(settings.NAMED, field) for field in settings.NAMED.__struct_fields__},
            "secondaries": f"{shared.host}:{shared.port}",
        }
    )
    this, secondary = client.get("/api/zones/old.example/servers/").data
    assert (this["role"], this["serial"], this["has_serial"]) == ("this", 7, True)
    assert (secondary["role"], secondary["serial"], secondary["has_serial"]) == ("secondary", None, False)
    assert "does not answer for old.example" in secondary["error"]


def test_who_may_not_make_zones_neither_lists_nor_adopts(existing: Endpoint, client: APIClient) -> None:
    client.force_authenticate(User.objects.create_user("nils"))
    assert client.get("/api/zones/adopt/").status_code == 403
    assert client.post("/api/zones/adopt/", {"name": "old.example"}, format="json").status_code == 403
