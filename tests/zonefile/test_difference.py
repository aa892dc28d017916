"""Two states of a zone compared, as a person reads it before an import."""

from __future__ import annotations

from zones.rrsets import RRset
from zones.zonefile.difference import difference

SOA = RRset("@", "SOA", 3600, ("ns.example.com. hostmaster.example.com. 0 1 2 3 4",))
WWW = RRset("www", "A", 300, ("192.0.2.1", "192.0.2.2"))
MAIL = RRset("mail", "A", 300, ("192.0.2.9",))


def test_what_comes_what_goes_and_what_changes() -> None:
    moved = RRset("www", "A", 300, ("192.0.2.1", "192.0.2.3"))
    found = difference([SOA, WWW, MAIL], [SOA, moved, RRset("new", "TXT", 60, ('"x"',))])
    assert found.removed == (MAIL,)
    assert found.changed == ((WWW, moved),)
    assert list(found.lines()) == [
        "- mail 300 A 192.0.2.9",
        '+ new 60 TXT "x"',
        "- www 300 A 192.0.2.2",
        "+ www 300 A 192.0.2.3",
    ]


def test_a_new_ttl_shows_every_record_of_the_rrset() -> None:
    found = difference([WWW], [RRset("www", "A", 60, WWW.rdata)])
    assert list(found.lines()) == [
        "- www 300 A 192.0.2.1",
        "- www 300 A 192.0.2.2",
        "+ www 60 A 192.0.2.1",
        "+ www 60 A 192.0.2.2",
    ]


def test_the_order_of_rrsets_makes_no_difference() -> None:
    assert not difference([SOA, WWW, MAIL], [MAIL, SOA, WWW])


def test_all_of_a_new_zone_is_added() -> None:
    assert difference([], [WWW, SOA]).added == (SOA, WWW)
