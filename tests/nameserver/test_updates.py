"""Changes reach the real server exactly, or not at all with a reason that people understand."""

from __future__ import annotations

import msgspec
import pytest

from tests.nameserver.conftest import HostedZone, a
from zones.nameserver.comparison import RRsetChange
from zones.nameserver.endpoint import Endpoint, new_key
from zones.nameserver.errors import Drifted, KeyRefused, NameServerError, NotHosted, PartlyServed, Refused
from zones.nameserver.messages import MAX_MESSAGE_BYTES
from zones.nameserver.private import PrivateNamed
from zones.nameserver.rndc import Rndc
from zones.nameserver.transfer import transfer
from zones.nameserver.updates import update
from zones.rrsets import RRset

WWW = a("www", "192.0.2.1")


def test_a_changed_address_is_served_with_a_higher_serial(zone: HostedZone) -> None:
    serial = update(zone.endpoint, zone.name, [RRsetChange("www", "A", WWW, a("www", "192.0.2.2"))])
    assert serial == 8
    assert zone.dig("www", "A") == ["300 192.0.2.2"]
    assert zone.dig("@", "SOA")[0].split()[3] == "8"


def test_one_address_more_and_one_less(zone: HostedZone) -> None:
    many = a("www", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    update(zone.endpoint, zone.name, [RRsetChange("www", "A", WWW, many)])
    update(zone.endpoint, zone.name, [RRsetChange("www", "A", many, a("www", "192.0.2.1", "192.0.2.3"))])
    assert zone.dig("www", "A") == ["300 192.0.2.1", "300 192.0.2.3"]


def test_a_new_ttl_is_that_of_the_whole_rrset(zone: HostedZone) -> None:
    both = a("www", "192.0.2.1", "192.0.2.2", ttl=60)
    update(zone.endpoint, zone.name, [RRsetChange("www", "A", WWW, both)])
    assert zone.dig("www", "A") == ["60 192.0.2.1", "60 192.0.2.2"]
    update(zone.endpoint, zone.name, [RRsetChange("www", "A", both, msgspec.structs.replace(both, ttl=900))])
    assert zone.dig("www", "A") == ["900 192.0.2.1", "900 192.0.2.2"]


def test_a_deleted_rrset_is_gone(zone: HostedZone) -> None:
    update(zone.endpoint, zone.name, [RRsetChange("www", "A", WWW, None)])
    assert zone.dig("www", "A") == []


def test_every_change_of_a_set_or_none(zone: HostedZone) -> None:
    new = RRsetChange("new", "A", None, a("new", "192.0.2.7"))
    stale = RRsetChange("www", "A", a("www", "192.0.2.99"), a("www", "192.0.2.2"))
    with pytest.raises(Drifted) as refused:
        update(zone.endpoint, zone.name, [new, stale])
    assert zone.dig("new", "A") == []
    assert zone.dig("www", "A") == ["300 192.0.2.1"]
    assert "www A: expected 192.0.2.99 (TTL 300), found 192.0.2.1 (TTL 300)" in str(refused.value)
    assert not refused.value.retry


def test_what_an_administrator_added_is_not_overwritten(zone: HostedZone) -> None:
    zone.nsupdate(f"update add www.{zone.name}. 300 A 192.0.2.77")
    with pytest.raises(Drifted):
        update(zone.endpoint, zone.name, [RRsetChange("www", "A", WWW, a("www", "192.0.2.2"))])
    assert zone.dig("www", "A") == ["300 192.0.2.1", "300 192.0.2.77"]


def test_the_same_change_twice_is_served_once(zone: HostedZone) -> None:
    change = RRsetChange("www", "A", WWW, a("www", "192.0.2.2"))
    assert update(zone.endpoint, zone.name, [change]) == update(zone.endpoint, zone.name, [change]) == 8


def test_what_is_served_already_is_left_out_and_the_rest_is_pushed(zone: HostedZone) -> None:
    first = RRsetChange("www", "A", WWW, a("www", "192.0.2.2"))
    second = RRsetChange("new", "A", None, a("new", "192.0.2.7"))
    update(zone.endpoint, zone.name, [first])
    update(zone.endpoint, zone.name, [first, second])
    assert zone.dig("new", "A") == ["300 192.0.2.7"]


def test_an_alias_takes_the_place_of_addresses_and_back(zone: HostedZone) -> None:
    alias = RRset("www", "CNAME", 300, (f"ns1.{zone.name}.",))
    update(zone.endpoint, zone.name, [RRsetChange("www", "CNAME", None, alias), RRsetChange("www", "A", WWW, None)])
    assert zone.dig("www", "CNAME") == [f"300 ns1.{zone.name}."]
    update(zone.endpoint, zone.name, [RRsetChange("www", "A", None, WWW), RRsetChange("www", "CNAME", alias, None)])
    assert zone.dig("www", "A") == ["300 192.0.2.1"]
    assert zone.dig("www", "CNAME") == []


def test_an_alias_beside_data_that_only_the_server_has_is_refused_in_words(zone: HostedZone) -> None:
    """`named` would answer NOERROR and do nothing."""
    zone.nsupdate(f"update add txt.{zone.name}. 300 TXT hello")
    alias = RRset("txt", "CNAME", 300, (f"ns1.{zone.name}.",))
    with pytest.raises(Drifted, match='no room beside TXT "hello"'):
        update(zone.endpoint, zone.name, [RRsetChange("txt", "CNAME", None, alias)])


def test_data_beside_an_alias_that_only_the_server_has_is_refused_in_words(zone: HostedZone) -> None:
    zone.nsupdate(f"update add alias.{zone.name}. 300 CNAME www.{zone.name}.")
    with pytest.raises(Drifted, match="no room beside CNAME"):
        update(zone.endpoint, zone.name, [RRsetChange("alias", "A", None, a("alias", "192.0.2.1"))])


def test_all_name_servers_are_replaced_at_once(zone: HostedZone) -> None:
    """Deleting the last one first would silently keep it."""
    before = RRset("@", "NS", 300, (f"ns1.{zone.name}.",))
    after = RRset("@", "NS", 300, ("ns1.example.net.", "ns2.example.net."))
    update(zone.endpoint, zone.name, [RRsetChange("@", "NS", before, after)])
    assert zone.dig("@", "NS") == ["300 ns1.example.net.", "300 ns2.example.net."]


def test_the_deletion_of_the_last_name_server_is_not_believed(zone: HostedZone) -> None:
    before = RRset("@", "NS", 300, (f"ns1.{zone.name}.",))
    with pytest.raises(NameServerError) as refused:
        update(zone.endpoint, zone.name, [RRsetChange("@", "NS", before, None)])
    assert refused.value.code == "ignored"
    assert "did not carry it out for @ NS" in str(refused.value)


def test_a_changed_soa_gets_a_serial_that_the_server_accepts(zone: HostedZone) -> None:
    before = RRset("@", "SOA", 300, (f"ns1.{zone.name}. hostmaster.{zone.name}. 0 3600 600 86400 60",))
    after = RRset("@", "SOA", 900, (f"ns1.{zone.name}. dns.{zone.name}. 0 7200 600 86400 60",))
    for _ in range(3):  # the database's serial is always 0, the server's moves on
        zone.nsupdate(f"update add more.{zone.name}. 300 TXT x", f"update delete more.{zone.name}. TXT")
        zone.nsupdate(f"update add more.{zone.name}. 300 TXT x")
        zone.nsupdate(f"update delete more.{zone.name}. TXT")
    serial = update(zone.endpoint, zone.name, [RRsetChange("@", "SOA", before, after)])
    assert zone.dig("@", "SOA") == [f"900 ns1.{zone.name}. dns.{zone.name}. {serial} 7200 600 86400 60"]
    assert serial > 7


def test_an_soa_changed_behind_our_back_is_a_difference(zone: HostedZone) -> None:
    zone.nsupdate(f"update add {zone.name}. 300 SOA ns1.{zone.name}. other.{zone.name}. 50 3600 600 86400 60")
    before = RRset("@", "SOA", 300, (f"ns1.{zone.name}. hostmaster.{zone.name}. 0 3600 600 86400 60",))
    after = RRset("@", "SOA", 300, (f"ns1.{zone.name}. dns.{zone.name}. 0 3600 600 86400 60",))
    with pytest.raises(Drifted, match="@ SOA"):
        update(zone.endpoint, zone.name, [RRsetChange("@", "SOA", before, after)])


def test_names_below_a_delegation_and_under_a_wildcard_are_read_back(zone: HostedZone) -> None:
    """Queries show neither glue nor the absence of a name under a wildcard; the read-back must not depend on them."""
    wildcard = RRsetChange("*", "A", None, a("*", "192.0.2.200"))
    delegation = RRsetChange("sub", "NS", None, RRset("sub", "NS", 300, (f"ns.sub.{zone.name}.",)))
    glue = RRsetChange("ns.sub", "A", None, a("ns.sub", "192.0.2.54"))
    update(zone.endpoint, zone.name, [wildcard, delegation, glue])
    update(zone.endpoint, zone.name, [RRsetChange("www", "A", WWW, None)])
    assert zone.dig("www", "A") == ["300 192.0.2.200"]
    new_glue = a("ns.sub", "192.0.2.55", ttl=60)
    update(zone.endpoint, zone.name, [RRsetChange("ns.sub", "A", glue.after, new_glue)])
    assert new_glue in transfer(zone.endpoint, zone.name).rrsets


@pytest.mark.parametrize(
    ("type", "rdata"),
    [
        ("AAAA", "2001:db8::1"),
        ("CAA", '0 issue "ca.example.net"'),
        ("DNAME", "example.net."),
        ("HTTPS", '1 . alpn="h2,h3"'),
        ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m"),
        ("MX", "10 nowhere.example.net."),
        ("NAPTR", '100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .'),
        ("PTR", "host.example.net."),
        ("SRV", "10 60 5060 sip.example.net."),
        ("SSHFP", "4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789"),
        ("TLSA", "3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        ("TXT", '"quotes \\" and \\\\ and \\195\\182" "second; string"'),
        ("KEY", "\\# 4 c0000308"),
        ("TYPE65280", "\\# 4 0a000001"),
        ("URI", '10 1 "https://www.example.com/path"'),
    ],
)
def test_every_type_arrives_as_it_was_written(zone: HostedZone, type: str, rdata: str) -> None:
    rrset = RRset("typed", type, 300, (rdata,))
    update(zone.endpoint, zone.name, [RRsetChange("typed", type, None, rrset)])
    assert rrset in transfer(zone.endpoint, zone.name).rrsets
    update(zone.endpoint, zone.name, [RRsetChange("typed", type, rrset, None)])
    assert zone.dig("typed", type) == []


@pytest.mark.parametrize("name", ["under_score", "*.wild", "sp\\032ace", "do\\.t", "xn--bcher-kva", "a" * 63])
def test_unusual_names_arrive(zone: HostedZone, name: str) -> None:
    rrset = a(name, "192.0.2.9")
    update(zone.endpoint, zone.name, [RRsetChange(name, "A", None, rrset)])
    assert rrset in transfer(zone.endpoint, zone.name).rrsets


def test_a_change_larger_than_a_message_is_split_and_served_whole(zone: HostedZone) -> None:
    changes = [
        RRsetChange(f"host{n}", "TXT", None, RRset(f"host{n}", "TXT", 300, (f'"{n:0200d}"',))) for n in range(600)
    ]
    assert MAX_MESSAGE_BYTES < 600 * 200
    update(zone.endpoint, zone.name, changes)
    served = {rrset.name: rrset for rrset in transfer(zone.endpoint, zone.name).rrsets}
    assert all(served[change.name] == change.after for change in changes)


def test_a_large_change_that_stops_in_the_middle_says_so_and_can_be_continued(zone: HostedZone) -> None:
    changes = [
        RRsetChange(f"host{n:03}", "TXT", None, RRset(f"host{n:03}", "TXT", 300, (f'"{n:0200d}"',))) for n in range(600)
    ]
    zone.nsupdate(f"update add host599.{zone.name}. 300 TXT taken")
    with pytest.raises(PartlyServed) as stopped:
        update(zone.endpoint, zone.name, changes)
    assert 0 < stopped.value.served < stopped.value.total == 600
    assert "partly served" in str(stopped.value)
    assert zone.dig("host000", "TXT")
    zone.nsupdate(f"update delete host599.{zone.name}. TXT")
    update(zone.endpoint, zone.name, changes)
    assert zone.dig("host599", "TXT") == [f'300 "{599:0200d}"']


def test_an_rrset_too_large_for_any_message_is_an_error_in_words(zone: HostedZone) -> None:
    huge = RRset("huge", "TXT", 300, tuple(f'"{n:0250d}"' for n in range(300)))
    with pytest.raises(NameServerError) as refused:
        update(zone.endpoint, zone.name, [RRsetChange("huge", "TXT", None, huge)])
    assert refused.value.code == "too_large"


def test_a_name_outside_the_zone(zone: HostedZone) -> None:
    with pytest.raises(NameServerError) as refused:
        update(
            zone.endpoint, zone.name, [RRsetChange("www.example.net.", "A", None, a("www.example.net.", "192.0.2.1"))]
        )
    assert refused.value.code == "outside_zone"


def test_a_zone_that_is_not_there(endpoint: Endpoint) -> None:
    with pytest.raises(NotHosted, match="has no zone nowhere"):
        update(endpoint, "nowhere.test", [RRsetChange("www", "A", None, WWW)])
    with pytest.raises(NotHosted, match="has no zone nowhere"):
        update(endpoint, "nowhere.test", [])


def test_a_frozen_zone_is_named_as_the_reason_and_worth_a_retry(zone: HostedZone) -> None:
    change = RRsetChange("www", "A", WWW, a("www", "192.0.2.2"))
    Rndc(zone.endpoint).call(f"freeze {zone.name}")
    with pytest.raises(Refused, match=r"REFUSED, the zone is frozen\. Thaw it .* or retry") as refused:
        update(zone.endpoint, zone.name, [change])
    assert refused.value.retry
    Rndc(zone.endpoint).call(f"thaw {zone.name}")
    update(zone.endpoint, zone.name, [change])
    assert zone.dig("www", "A") == ["300 192.0.2.2"]


def test_a_zone_that_is_not_dynamic_is_named_as_the_reason(endpoint: Endpoint) -> None:
    (endpoint.zone_dir / "static").write_text("@ 300 SOA ns h 1 2 3 4 5\n@ 300 NS ns.example.net.\n")
    Rndc(endpoint).call(f'addzone static.test {{ type primary; file "{endpoint.zone_dir}/static"; }};')
    with pytest.raises(Refused, match="does not allow updates") as refused:
        update(endpoint, "static.test", [RRsetChange("www", "A", None, WWW)])
    assert (refused.value.code, refused.value.retry) == ("not_dynamic", False)


def test_a_secondary_zone_is_named_as_the_reason(own_named: PrivateNamed, endpoint: Endpoint) -> None:
    (endpoint.zone_dir / "open").write_text("@ 300 SOA ns h 1 2 3 4 5\n@ 300 NS ns.example.net.\n")
    Rndc(endpoint).call(
        f'addzone open.test {{ type primary; file "{endpoint.zone_dir}/open"; allow-transfer {{ any; }}; }};'
    )
    secondary = own_named.start()
    primaries = f"primaries {{ {endpoint.host} port {endpoint.port}; }}"
    Rndc(secondary).call(f'addzone open.test {{ type secondary; {primaries}; file "{secondary.zone_dir}/open"; }};')
    with pytest.raises(Refused, match="the zone is secondary there") as refused:
        update(secondary, "open.test", [RRsetChange("www", "A", None, WWW)])
    assert (refused.value.code, refused.value.retry) == ("secondary", False)


def test_a_zone_whose_policy_excludes_our_key_is_named_as_the_reason(endpoint: Endpoint) -> None:
    (endpoint.zone_dir / "closed").write_text("@ 300 SOA ns h 1 2 3 4 5\n@ 300 NS ns.example.net.\n")
    Rndc(endpoint).call(
        f'addzone closed.test {{ type primary; file "{endpoint.zone_dir}/closed"; '
        'update-policy { grant "somebody-else" zonesub any; }; };'
    )
    with pytest.raises(Refused, match="update-policy"):
        update(endpoint, "closed.test", [RRsetChange("www", "A", None, WWW)])


def test_a_wrong_secret_and_an_unknown_key_are_told_apart(zone: HostedZone) -> None:
    change = [RRsetChange("www", "A", WWW, None)]
    wrong = msgspec.structs.replace(zone.endpoint, tsig=new_key(zone.endpoint.tsig.name))
    unknown = msgspec.structs.replace(zone.endpoint, tsig=new_key("stranger"))
    with pytest.raises(KeyRefused, match="another secret") as refused:
        update(wrong, zone.name, change)
    assert (refused.value.code, refused.value.retry) == ("key_wrong", False)
    assert wrong.tsig.secret not in str(refused.value)
    with pytest.raises(KeyRefused, match="does not know the TSIG key “stranger”"):
        update(unknown, zone.name, change)
    assert zone.dig("www", "A") == ["300 192.0.2.1"]
