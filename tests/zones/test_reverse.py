"""PTR records follow addresses in reverse zones that were told to, in the same transaction, and touch nothing else."""

from __future__ import annotations

import pytest

from zones.changes import change_set
from zones.lifecycle import create_zone, delete_zone, update_zone
from zones.models import ChangeSet, Record, Zone
from zones.refusals import InvalidChange
from zones.reverting import revert
from zones.rrsets import RRset


@pytest.fixture
def reverse(zone: Zone) -> Zone:
    """The zone of 192.0.2.0/24, which follows."""
    return create_zone("2.0.192.in-addr.arpa", follows_addresses=True, nameservers=["ns.example.net"])


def pointers(zone: Zone) -> dict[str, str]:
    return dict(Record.objects.filter(zone=zone, type="PTR").values_list("name", "content"))


def test_a_zone_that_begins_to_follow_gets_what_is_there(reverse: Zone) -> None:
    assert pointers(reverse) == {"1": "www.example.com.", "2": "www.example.com."}


def test_pointers_come_change_and_go_with_addresses(zone: Zone, reverse: Zone) -> None:
    with change_set(zone) as changes:
        host = changes.create(name="host", type="A", ttl=60, content="192.0.2.50")
        changes.create(name="*.wild", type="A", ttl=60, content="192.0.2.51")
        changes.create(name="far", type="A", ttl=60, content="198.51.100.1")
    assert pointers(reverse)["50"] == "host.example.com."
    assert "51" not in pointers(reverse)
    made = ChangeSet.objects.filter(zone=reverse).latest("id")
    assert made.comment == "follows the addresses of example.com"
    with change_set(zone) as changes:
        changes.update(host, content="192.0.2.60")
    assert pointers(reverse).get("50") is None
    assert pointers(reverse)["60"] == "host.example.com."
    with change_set(zone) as changes:
        changes.update(host, name="renamed")
    assert pointers(reverse)["60"] == "renamed.example.com."
    with change_set(zone) as changes:
        changes.delete(host)
    assert "60" not in pointers(reverse)
    assert changes.result
    revert(changes.result)
    assert pointers(reverse)["60"] == "renamed.example.com."


def test_an_address_that_loses_one_of_its_names_gets_the_next(zone: Zone, reverse: Zone) -> None:
    other = create_zone("example.org", nameservers=["ns.example.net"], rrsets=[RRset("b", "A", 60, ("192.0.2.50",))])
    with change_set(zone) as changes:
        changes.create(name="c", type="A", ttl=70, content="192.0.2.50")
        changes.create(name="*.wild", type="A", ttl=70, content="192.0.2.50")
    assert pointers(reverse)["50"] == "b.example.org."
    delete_zone(other)
    assert pointers(reverse)["50"] == "c.example.com."
    with change_set(zone) as changes:
        changes.delete(Record.objects.get(zone=zone, name="c"))
    assert "50" not in pointers(reverse)


@pytest.mark.parametrize(
    "name", ["0/25.2.0.192.in-addr.arpa", "0-63.2.0.192.in-addr.arpa", "0-7.8.b.d.0.1.0.0.2.ip6.arpa"]
)
def test_a_zone_in_which_no_address_has_its_name_cannot_be_told_to_follow(db: None, name: str) -> None:
    with pytest.raises(InvalidChange, match="RFC 2317"):
        create_zone(name, follows_addresses=True)
    assert not create_zone(name).reverse


def test_what_somebody_has_set_is_not_touched(zone: Zone, reverse: Zone) -> None:
    with change_set(reverse) as changes:
        changes.create(name="70", type="PTR", ttl=60, content="chosen.example.net.")
    with change_set(zone) as changes:
        host = changes.create(name="host", type="A", ttl=60, content="192.0.2.70")
    assert pointers(reverse)["70"] == "chosen.example.net."
    with change_set(zone) as changes:
        changes.delete(host)
    assert pointers(reverse)["70"] == "chosen.example.net."


def test_ipv6_and_the_most_specific_zone(zone: Zone) -> None:
    wide = create_zone("8.b.d.0.1.0.0.2.ip6.arpa", follows_addresses=True, nameservers=["ns.example.net"])
    near = create_zone("0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", follows_addresses=True, nameservers=["ns.example.net"])
    with change_set(zone) as changes:
        changes.create(name="six", type="AAAA", ttl=60, content="2001:db8::1")
        changes.create(name="far", type="AAAA", ttl=60, content="2001:db8:1::1")
    assert list(pointers(near).values()) == ["six.example.com."]
    assert list(pointers(wide).values()) == ["far.example.com."]


def test_a_zone_that_does_not_follow_stays_as_it_is(zone: Zone, reverse: Zone) -> None:
    update_zone(reverse, follows_addresses=False)
    with change_set(zone) as changes:
        changes.create(name="host", type="A", ttl=60, content="192.0.2.50")
    assert "50" not in pointers(reverse)
    update_zone(reverse, follows_addresses=True)
    assert pointers(reverse)["50"] == "host.example.com."


def test_an_import_is_followed_and_a_failed_change_is_not(zone: Zone, reverse: Zone) -> None:
    with change_set(zone) as changes:
        changes.replace([RRset("new", "A", 60, ("192.0.2.80",))], keep_others=True)
    assert pointers(reverse)["80"] == "new.example.com."
    with pytest.raises(InvalidChange), change_set(zone) as changes:
        changes.replace([RRset("b", "A", 60, ("192.0.2.90",)), RRset("b", "CNAME", 60, ("x.",))], keep_others=True)
    assert "90" not in pointers(reverse)
    delete_zone(reverse)
    with change_set(zone) as changes:
        changes.create(name="late", type="A", ttl=60, content="192.0.2.91")


def test_pointers_go_with_the_zone_of_their_addresses(zone: Zone, reverse: Zone) -> None:
    with change_set(reverse) as changes:
        changes.create(name="1", type="PTR", ttl=60, content="chosen.example.net.")
    delete_zone(zone)
    assert set(Record.objects.filter(zone=reverse, type="PTR").values_list("name", "content")) == {
        ("1", "chosen.example.net.")
    }
    assert ChangeSet.objects.filter(zone=reverse).latest("id").comment == "the zone example.com was deleted"
