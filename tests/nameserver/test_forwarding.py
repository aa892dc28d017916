"""Forward zones reach the server through one file, which is tried before it counts."""

from __future__ import annotations

import pytest

from tests.nameserver.conftest import HostedZone, dig
from zones.nameserver.errors import BadName, NameServerError
from zones.nameserver.forwarding import Forwarding, apply, render
from zones.nameserver.includes import replace, written
from zones.nameserver.peers import Peer, peer
from zones.nameserver.private import FORWARD_ZONES, PrivateNamed


def test_questions_for_a_forward_zone_go_where_it_says(own_named: PrivateNamed, zone: HostedZone) -> None:
    where = own_named.start()
    target = Peer(address=zone.endpoint.host, port=zone.endpoint.port)
    assert apply(where, [Forwarding(zone=zone.name, servers=(target,))])
    assert [line[-1] for line in dig(where, f"www.{zone.name}", "A", "+rec")] == ["192.0.2.1"]
    assert not apply(where, [Forwarding(zone=zone.name, servers=(target,))])
    assert apply(where, [])
    assert dig(where, f"www.{zone.name}", "A", "+rec") == []


def test_the_file_is_the_same_whatever_the_order() -> None:
    one = Forwarding(zone="b.test", servers=(peer("192.0.2.1"),), only=False)
    other = Forwarding(zone="A.test.", servers=(peer("2001:DB8::1", 5353), peer("192.0.2.2")))
    assert render([one, other]) == render([other, one])
    assert (
        'zone "a.test" { type forward; forward only; forwarders { 2001:db8::1 port 5353; 192.0.2.2 port 53; }; };'
        in (render([one, other]))
    )


@pytest.mark.parametrize(
    "address", ["ns.example.net", "1.2.3", '127.0.0.1"; }; };', "0.0.0.0", "224.0.0.1", "", "::1%lo"]
)
def test_only_addresses_of_servers_get_into_the_configuration(address: str) -> None:
    with pytest.raises(BadName):
        peer(address)


@pytest.mark.parametrize("name", ['a.test" { }; //', "a test", "*.test", "a..test"])
def test_only_plain_names_get_into_the_configuration(name: str) -> None:
    with pytest.raises(BadName):
        render([Forwarding(zone=name, servers=(peer("192.0.2.1"),))])


def test_a_piece_that_named_refuses_changes_nothing(own_named: PrivateNamed) -> None:
    where = own_named.start()
    good = render([Forwarding(zone="a.test", servers=(peer("192.0.2.1"),))])
    replace(where, FORWARD_ZONES, good)
    with pytest.raises(NameServerError) as refused:
        replace(where, FORWARD_ZONES, "zone {")
    assert refused.value.code == "bad_configuration"
    # What only the whole configuration shows: there are options already.
    with pytest.raises(NameServerError) as clash:
        replace(where, FORWARD_ZONES, good + "options { };\n")
    assert clash.value.code == "bad_configuration"
    assert written(where, FORWARD_ZONES) == good
