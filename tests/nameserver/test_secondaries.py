"""Secondary zones, with a second `named` as their primary: the copy comes, follows, and says how it stands."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from django.contrib.auth.models import User
from django.test import Client

from realtime.models import LogEvent
from tests.nameserver.conftest import HostedZone
from tests.nameserver.wishes import events, in_state, served, until
from zones import transfer_keys
from zones.lifecycle import create_zone, delete_zone, update_zone
from zones.models import ChangeSet, Record, SyncState, Zone
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import BadName
from zones.nameserver.hosting import zone_status
from zones.nameserver.private import PrivateNamed
from zones.nameserver.rndc import Rndc

pytestmark = pytest.mark.django_db(transaction=True)


KEY = "between-us"


@pytest.fixture
def elsewhere(own_named: PrivateNamed) -> Endpoint:
    """Another server, which shares a key with ours."""
    where = own_named.start()
    (own_named.directory / "transfer-keys.conf").write_text(where.tsig.clause().replace(where.tsig.name, KEY))
    Rndc(where).call("reconfig")
    return where


@pytest.fixture
def theirs(elsewhere: Endpoint, host: Callable[..., HostedZone]) -> HostedZone:
    """A zone on the other server, which lets us transfer it."""
    zone = host(elsewhere)
    configure(zone, f'allow-transfer {{ key "{KEY}"; }};')
    return zone


def configure(theirs: HostedZone, more: str) -> None:
    file, key = zone_status(theirs.endpoint, theirs.name).file, theirs.endpoint.tsig.name
    Rndc(theirs.endpoint).call(
        f'modzone "{theirs.name}" {{ type primary; file "{file}"; update-policy {{ grant "{key}" zonesub any; }}; {more} }};'
    )


def copy_of(theirs: HostedZone) -> Zone:
    """A secondary zone here, fetched with the shared key."""
    transfer_keys.keep(msgspec.structs.replace(theirs.endpoint.tsig, name=KEY))
    server = {"address": theirs.endpoint.host, "port": theirs.endpoint.port, "key": KEY}
    return create_zone(theirs.name, kind="secondary", servers=[server])


def test_a_secondary_zone_is_fetched_shown_and_followed(
    server: Endpoint, running: None, elsewhere: Endpoint, theirs: HostedZone
) -> None:
    notify = f"notify explicit; also-notify {{ {server.host} port {server.port}; }};"
    configure(theirs, f'allow-transfer {{ key "{KEY}"; }}; {notify}')
    zone = copy_of(theirs)
    until(in_state(zone, SyncState.SERVED))
    assert served(zone) == ["192.0.2.1"]
    assert Record.objects.filter(zone=zone, name="www").values_list("content", flat=True).get() == "192.0.2.1"
    zone.refresh_from_db()
    assert zone.serial == zone_status(elsewhere, theirs.name).serial
    assert zone.transfer["serial"] == zone.serial
    assert zone.transfer["expires"]
    assert zone.transfer["primaries"] == [
        {"server": f"{elsewhere.host} port {elsewhere.port}", "serial": zone.serial, "error": ""}
    ]

    theirs.nsupdate(f"update add new.{theirs.name}. 60 A 192.0.2.77")  # NOTIFY, transfer, and it is seen here
    until(lambda: Record.objects.filter(zone=zone, name="new").exists())
    assert served(zone, "new") == ["192.0.2.77"]
    made = ChangeSet.objects.filter(zone=zone).latest("id")
    assert (made.author, made.origin, made.state) == (None, "nameserver", SyncState.SERVED)
    assert made.serial == zone_status(elsewhere, theirs.name).serial
    (told,) = [event for event in events(zone, "record_created") if event["record"]["name"] == "new"]
    assert told["record"]["content"] == "192.0.2.77"


def test_the_primary_may_be_another_private_server_with_the_key_that_it_was_made_with(
    server: Endpoint, running: None, own_named: PrivateNamed, host: Callable[..., HostedZone]
) -> None:
    where = own_named.start()
    theirs = host(where)
    transfer_keys.keep(where.tsig)
    with pytest.raises(BadName, match="taken by the site's own key"):
        transfer_keys.keep(msgspec.structs.replace(where.tsig, name=server.tsig.name))
    primary = {"address": where.host, "port": where.port, "key": where.tsig.name}
    zone = create_zone(theirs.name, kind="secondary", servers=[primary])
    until(in_state(zone, SyncState.SERVED))
    assert served(zone) == ["192.0.2.1"]


def test_a_primary_that_does_not_answer_is_said_and_comes_back(
    server: Endpoint,
    running: None,
    own_named: PrivateNamed,
    theirs: HostedZone,
    client: Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    own_named.stop()
    caplog.set_level("INFO", "zones")
    zone = copy_of(theirs)
    until(lambda: Zone.objects.get(pk=zone.pk).attempts >= 2)
    zone.refresh_from_db()
    assert sum("is not served" in line for line in caplog.messages) == 1
    client.force_login(User.objects.create_superuser("admin"))
    page = client.get(f"/zones/{zone.name}/").content.decode()
    assert page.count("cannot be reached") == 1
    assert zone.sync_state == SyncState.PENDING
    assert "no copy has come yet" in zone.sync_error
    assert "cannot be reached" in zone.sync_error
    own_named.start()
    until(in_state(zone, SyncState.SERVED), timeout_s=60)
    assert served(zone) == ["192.0.2.1"]


def test_a_primary_that_stops_to_answer_is_told_while_its_copy_is_served(
    server: Endpoint, running: None, own_named: PrivateNamed, theirs: HostedZone
) -> None:
    zone = copy_of(theirs)
    until(in_state(zone, SyncState.SERVED))
    own_named.stop()

    def told() -> list[str]:
        return [change["new"] for event in events(zone, "zone_updated") for change in event["changes"]]

    until(lambda: any("cannot be reached" in new for new in told()), timeout_s=30)
    assert in_state(zone, SyncState.SERVED)()
    own_named.start()
    until(lambda: told()[-1] == "answers", timeout_s=30)


def test_a_key_that_the_primary_does_not_know_and_a_transfer_that_it_refuses_are_said(
    server: Endpoint, running: None, own_named: PrivateNamed, theirs: HostedZone
) -> None:
    (own_named.directory / "transfer-keys.conf").write_text("")
    configure(theirs, "allow-transfer { none; };")
    Rndc(theirs.endpoint).call("reconfig")
    zone = copy_of(theirs)

    def said(words: str) -> Callable[[], bool]:
        return lambda: words in Zone.objects.get(pk=zone.pk).sync_error

    until(said("does not accept the TSIG key “between-us”"))
    zone.refresh_from_db()
    update_zone(zone, servers=[{"address": theirs.endpoint.host, "port": theirs.endpoint.port}])
    until(said("does not let us transfer"))
    configure(theirs, "allow-transfer { any; };")
    until(in_state(zone, SyncState.SERVED))


def test_other_primaries_are_told_to_the_server_and_a_deleted_zone_leaves_it(
    server: Endpoint, running: None, theirs: HostedZone
) -> None:
    zone = create_zone(theirs.name, kind="secondary", servers=[{"address": "127.0.0.1", "port": 1}])
    until(lambda: Zone.objects.get(pk=zone.pk).hosted)
    assert "port 1;" in Rndc(server).call(f'showzone "{zone.name}"')
    zone.refresh_from_db()
    update_zone(zone, servers=[{"address": "127.0.0.1", "port": 2}])
    until(lambda: "port 2;" in Rndc(server).call(f'showzone "{zone.name}"'))
    zone.refresh_from_db()
    delete_zone(zone)
    until(lambda: not Zone.objects.get(pk=zone.pk).hosted)
    assert zone.name not in Rndc(server).call("status")
    assert not [file for file in server.zone_dir.iterdir() if file.name.startswith(zone.name)]


def test_keys_reach_the_server_and_no_event(server: Endpoint, running: None, theirs: HostedZone) -> None:
    copy_of(theirs)
    file = server.zone_dir.parent / "transfer-keys.conf"
    until(lambda: KEY in file.read_text())
    assert file.stat().st_mode & 0o077 == 0
    assert not LogEvent.objects.filter(data__contains=theirs.endpoint.tsig.secret).exists()
