"""`manage.py zone_sync` compares with a real transfer, repairs, and says so to people and to scripts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.nameserver.conftest import HostedZone
from tests.nameserver.wishes import change, events, make_zone, served
from zones import pushing
from zones.lifecycle import create_zone
from zones.management.exit_codes import DIFFERS, NOT_SERVED, REFUSED
from zones.models import ChangeSet, SyncState, Zone
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.private import PrivateNamed
from zones.nameserver.rndc import Rndc

pytestmark = pytest.mark.django_db(transaction=True)


def sync(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Run the command: exit code and what it printed as JSON."""
    with pytest.raises(SystemExit) as ended:
        call_command("zone_sync", *arguments, "--json")
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_a_zone_in_step(server: Endpoint, capsys: Any) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    code, (result,) = sync(capsys, zone.name, "--check")
    assert code == 0
    assert (result["zone"], result["state"], result["lines"]) == (zone.name, "in_step", [])


def test_check_shows_differences_and_changes_nothing(server: Endpoint, capsys: Any) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    HostedZone(server, zone.name).nsupdate(f"update add www.{zone.name}. 300 A 203.0.113.5")
    code, (result,) = sync(capsys, zone.name, "--check")
    assert code == DIFFERS
    assert (result["state"], result["lines"]) == ("differs", ["- www 300 A 203.0.113.5"])
    assert served(zone) == ["192.0.2.1", "203.0.113.5"]


def test_check_tells_what_only_waits(server: Endpoint, capsys: Any) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    change(zone, "www", "192.0.2.2")
    code, (result,) = sync(capsys, zone.name, "--check")
    assert code == DIFFERS
    assert (result["state"], result["lines"]) == ("waiting", ["- www 300 A 192.0.2.1", "+ www 300 A 192.0.2.2"])


def test_it_brings_back_what_is_wanted_and_settles_all_that_waited(server: Endpoint, capsys: Any) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    HostedZone(server, zone.name).nsupdate(
        f"update delete {zone.name}. NS ns.example.net.",
        f"update add {zone.name}. 60 NS other.example.net.",
        f"update delete {zone.name}. NS ns.example.net.",
        f"update add {zone.name}. 60 SOA ns.example.net. other.example.net. 2100000000 1 2 3 4",
        f"update delete mail.{zone.name}. A",
        f"update add mail.{zone.name}. 60 CNAME www.{zone.name}.",
        f"update add extra.{zone.name}. 60 TXT hello",
    )
    made = change(zone, "www", "192.0.2.2")
    code, (result,) = sync(capsys, zone.name)
    assert code == 0
    assert result["state"] == "repaired"
    assert pushing.compare(zone).changes == ()
    assert served(zone, "mail") == ["192.0.2.25"]
    assert ChangeSet.objects.get(pk=made.pk).state == SyncState.SERVED
    assert Zone.objects.get(pk=zone.pk).sync_state == SyncState.SERVED
    assert events(zone, "zone_synced")[-1]["serial"] == result["serial"]


def test_a_zone_that_the_server_lost_is_put_there(server: Endpoint, capsys: Any) -> None:
    zone = make_zone()
    pushing.push(zone.pk)
    Rndc(server).call(f"delzone -clean {zone.name}")
    assert sync(capsys, zone.name)[0] == 0
    assert served(zone) == ["192.0.2.1"]


def test_a_new_zone_is_put_there(server: Endpoint, capsys: Any) -> None:
    zone = make_zone()
    assert sync(capsys, zone.name)[0] == 0
    assert served(zone) == ["192.0.2.1"]


def test_all_zones_when_none_is_named(server: Endpoint, capsys: pytest.CaptureFixture[str]) -> None:
    zones = [make_zone() for _ in range(3)]
    with pytest.raises(SystemExit) as ended:
        call_command("zone_sync")
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"{zone.name}: in step" in printed for zone in zones)


def test_a_server_that_is_down_is_an_error_for_scripts(own_server: PrivateNamed, capsys: Any) -> None:
    zone = make_zone()
    own_server.stop()
    for arguments in ([zone.name], [zone.name, "--check"]):
        code, (result,) = sync(capsys, *arguments)
        assert code == NOT_SERVED
        assert result["state"] == "failed"
        assert "cannot be reached" in result["error"]


def test_a_zone_that_is_not_there_is_named(server: Endpoint) -> None:
    with pytest.raises(CommandError, match=r"no zone nowhere\.test") as refused:
        call_command("zone_sync", "nowhere.test")
    assert refused.value.returncode == REFUSED  # as of all commands of zones


def test_zones_from_elsewhere_are_looked_at_too(server: Endpoint, capsys: Any) -> None:
    """A primary that nobody listens at, and questions that are passed on."""
    servers = [{"address": "127.0.0.1", "port": 9}]
    copy = create_zone("copy.sync.test", kind="secondary", servers=servers)
    passed_on = create_zone("forward.sync.test", kind="forward", servers=servers)
    code, (result,) = sync(capsys, copy.name)
    assert (code, result["state"]) == (NOT_SERVED, "failed")
    assert "no copy has come yet" in result["error"]
    code, (result,) = sync(capsys, passed_on.name)
    assert (code, result["state"]) == (0, "in_step")
    assert sync(capsys, passed_on.name, "--check")[0] == 0
