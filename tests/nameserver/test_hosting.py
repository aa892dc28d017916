"""Zones come to the real server and leave it again, and nothing but plain domain names gets near its commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.nameserver.conftest import ZONE_TEXT, HostedZone, a, dig
from zones.nameserver.comparison import RRsetChange
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import BadName, NameServerError, NotHosted, Refused
from zones.nameserver.hosting import add_zone, checked_name, delete_zone, zone_status
from zones.nameserver.private import PrivateNamed
from zones.nameserver.rndc import Rndc
from zones.nameserver.updates import update


def test_a_new_zone_is_served_at_once(endpoint: Endpoint) -> None:
    assert add_zone(endpoint, "fresh.test", ZONE_TEXT)
    assert dig(endpoint, "www.fresh.test", "A") == [["www.fresh.test.", "300", "IN", "A", "192.0.2.1"]]
    status = zone_status(endpoint, "fresh.test")
    assert (status.kind, status.serial, status.dynamic, status.frozen) == ("primary", 7, True, False)


def test_a_zone_that_is_there_already_is_recognised_and_left_alone(zone: HostedZone) -> None:
    update(zone.endpoint, zone.name, [RRsetChange("new", "A", None, a("new", "192.0.2.8"))])
    assert not add_zone(zone.endpoint, zone.name, ZONE_TEXT)
    assert zone.dig("new", "A") == ["300 192.0.2.8"]


def test_a_zone_of_somebody_else_is_neither_taken_over_nor_deleted(endpoint: Endpoint) -> None:
    file = endpoint.zone_dir / "legacy.db"
    file.write_text(ZONE_TEXT)
    Rndc(endpoint).call(f'addzone legacy.test {{ type primary; file "{file}"; update-policy local; }};')
    for attempt in (lambda: add_zone(endpoint, "legacy.test", ZONE_TEXT), lambda: delete_zone(endpoint, "legacy.test")):
        with pytest.raises(Refused, match="was not put there by this site") as refused:
            attempt()
        assert refused.value.code == "foreign_zone"
    assert file.exists()
    assert dig(endpoint, "www.legacy.test", "A")


def test_a_deleted_zone_is_gone_with_its_file_and_journal(zone: HostedZone) -> None:
    update(zone.endpoint, zone.name, [RRsetChange("new", "A", None, a("new", "192.0.2.8"))])
    assert delete_zone(zone.endpoint, zone.name)
    assert [file for file in zone.endpoint.zone_dir.iterdir() if file.name.startswith(f"{zone.name}.")] == []
    with pytest.raises(NotHosted):
        zone_status(zone.endpoint, zone.name)
    assert dig(zone.endpoint, f"www.{zone.name}", "A") == []
    assert not delete_zone(zone.endpoint, zone.name)


def test_a_name_can_be_deleted_and_added_again_and_again(endpoint: Endpoint) -> None:
    """A journal left over from the old zone would keep the new one from loading."""
    for number in range(10):
        assert add_zone(endpoint, "again.test", ZONE_TEXT)
        update(endpoint, "again.test", [RRsetChange("new", "A", None, a("new", f"192.0.2.{number}"))])
        assert dig(endpoint, "new.again.test", "A")[0][-1] == f"192.0.2.{number}"
        assert delete_zone(endpoint, "again.test")


def test_files_of_an_attempt_that_was_cut_off_are_cleared_away(endpoint: Endpoint) -> None:
    litter = endpoint.zone_dir / "cut.test.0123abcd.db"
    litter.write_text("half a zo")
    neighbour = endpoint.zone_dir / "cut.test.other.0123abcd.db"
    neighbour.write_text(ZONE_TEXT)
    add_zone(endpoint, "cut.test", ZONE_TEXT)
    assert not litter.exists()
    assert neighbour.exists()


def test_zones_and_their_changes_survive_a_kill(own_named: PrivateNamed, host: Callable[..., HostedZone]) -> None:
    zone = host(own_named.start())
    update(zone.endpoint, zone.name, [RRsetChange("new", "A", None, a("new", "192.0.2.8"))])
    own_named._process.kill()  # type: ignore[union-attr]
    own_named._process.wait()  # type: ignore[union-attr]
    assert own_named.poll() == -9
    assert own_named.restart() == zone.endpoint
    assert zone.dig("new", "A") == ["300 192.0.2.8"]
    assert zone_status(zone.endpoint, zone.name).serial == 8


def test_a_zone_whose_file_was_destroyed_is_put_there_anew(
    own_named: PrivateNamed, host: Callable[..., HostedZone]
) -> None:
    zone = host(own_named.start())
    file = Path(zone_status(zone.endpoint, zone.name).file)
    own_named.stop()
    file.write_text("not a zone\n")
    own_named.start()
    assert not zone_status(zone.endpoint, zone.name).loaded
    with pytest.raises(NotHosted, match="could not load") as refused:
        update(zone.endpoint, zone.name, [RRsetChange("new", "A", None, a("new", "192.0.2.8"))])
    assert refused.value.code == "not_loaded"
    assert add_zone(zone.endpoint, zone.name, ZONE_TEXT)
    assert zone.dig("www", "A") == ["300 192.0.2.1"]


@pytest.mark.parametrize(
    "text",
    ["@ 300 A 192.0.2.1\n", "not a zone", "@ 300 SOA ns h 1 2 3 4 5\n", "@ 300 SOA ns h 1 2 3 4 5\n@ NS ns\n@ A 1"],
)
def test_a_text_that_named_does_not_accept_leaves_nothing_behind(endpoint: Endpoint, text: str) -> None:
    with pytest.raises(NameServerError, match=r"does not accept the zone broken\.test") as refused:
        add_zone(endpoint, "broken.test", text)
    assert refused.value.code == "bad_zone"
    assert [file for file in endpoint.zone_dir.iterdir() if file.name.startswith("broken.test")] == []
    with pytest.raises(NotHosted):
        zone_status(endpoint, "broken.test")


@pytest.mark.parametrize(
    "name",
    [
        "0/25.2.0.192.in-addr.arpa",
        "_msdcs.example.test",
        "xn--bcher-kva.test",
        "8.b.d.0.1.0.0.2.ip6.arpa",
        "x" * 63 + ".t",
    ],
)
def test_unusual_zone_names_are_served(endpoint: Endpoint, name: str) -> None:
    assert add_zone(endpoint, name, ZONE_TEXT)
    assert dig(endpoint, f"www.{name}", "A")
    assert update(endpoint, name, [RRsetChange("www", "A", a("www", "192.0.2.1"), None)]) == 8
    assert delete_zone(endpoint, name)


def test_the_longest_name_is_served(endpoint: Endpoint) -> None:
    name = ".".join(["x" * 59] * 4)
    assert add_zone(endpoint, name, ZONE_TEXT)
    assert delete_zone(endpoint, name)


HOSTILE = [
    "",
    ".",
    "..",
    "a..b",
    "x" * 64,
    ".".join(["x" * 60] * 5),
    "-a.test",
    "a.test; stop",
    'a.test" { type primary; file "/etc/passwd"; }; "',
    "a.test { type primary; };",
    "a.test\nstop",
    "a.test\n",
    "a.test\x00",
    "../../etc/passwd",
    "/etc/passwd",
    "a/../../b.test",
    "a//b.test",
    "a/*.test",
    "a b.test",
    "a\\.test",
    "*.test",
    "bücher.test",
    "$(id).test",
    "a.test#",
    "{}.test",
    "%s.test",
]


def commands_received(endpoint: Endpoint) -> int:
    """`named` writes a line for every command that changes or asks about a zone, before it answers."""
    assert endpoint.log_dir
    return (endpoint.log_dir / "named.log").read_text().count("received control channel command")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_never_reaches_the_server(endpoint: Endpoint, name: str) -> None:
    before = commands_received(endpoint)
    files = set(endpoint.zone_dir.parent.rglob("*"))
    for attempt in (
        lambda: add_zone(endpoint, name, ZONE_TEXT),
        lambda: delete_zone(endpoint, name),
        lambda: zone_status(endpoint, name),
        lambda: update(endpoint, name, [RRsetChange("www", "A", None, a("www", "192.0.2.1"))]),
    ):
        with pytest.raises(BadName):
            attempt()
    assert commands_received(endpoint) == before
    assert set(endpoint.zone_dir.parent.rglob("*")) == files


def test_names_are_brought_to_one_spelling() -> None:
    assert checked_name("Example.COM.") == "example.com"


def test_a_server_that_takes_no_new_zones_says_what_to_set(own_named: PrivateNamed) -> None:
    endpoint = own_named.start()
    configuration = own_named.directory / "named.conf"
    configuration.write_text(configuration.read_text().replace("allow-new-zones yes;", ""))
    Rndc(endpoint).call("reconfig")
    with pytest.raises(NameServerError, match="allow-new-zones yes") as refused:
        add_zone(endpoint, "fresh.test", ZONE_TEXT)
    assert refused.value.code == "no_new_zones"


def test_a_zone_directory_that_cannot_be_written_is_an_error_in_words(endpoint: Endpoint, tmp_path: Path) -> None:
    import msgspec

    nowhere = msgspec.structs.replace(endpoint, zone_dir=tmp_path / "nowhere")
    with pytest.raises(NameServerError) as refused:
        add_zone(nowhere, "fresh-2.test", ZONE_TEXT)
    assert refused.value.code == "no_zone_dir"
