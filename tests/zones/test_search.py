"""The search of the top line finds names, contents and comments, and nothing that one may not see."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from zones import grants
from zones.changes import change_set
from zones.lifecycle import create_zone
from zones.models import Zone


@pytest.fixture
def commented(zone: Zone) -> Zone:
    with change_set(zone) as changes:
        changes.create(name="a", type="A", ttl=60, content="192.0.2.7", comment="the old Printer")
        changes.create(name="b", type="A", ttl=60, content="192.0.2.8", comment="the printer of the boss", private=True)
    return zone


def found(client: Client, user: User, query: str) -> dict[str, str]:
    client.force_login(user)
    return {record["name"]: record["comment"] for record in client.get("/search/", {"q": query}).json()["records"]}


def test_comments_are_found(client: Client, olivia: User, commented: Zone) -> None:
    assert found(client, olivia, "printer") == {"a": "the old Printer", "b": "the printer of the boss"}


def test_comments_for_editors_are_found_by_editors_only(
    client: Client, vera: User, zoe: User, nils: User, commented: Zone
) -> None:
    other = create_zone("example.org", nameservers=["ns.example.net"])
    with change_set(other) as changes:
        changes.create(name="c", type="A", ttl=60, content="192.0.2.9", comment="printer there", private=True)
    grants.give(other, level="view", user=zoe)
    assert found(client, vera, "printer") == {"a": "the old Printer"}
    assert found(client, vera, "192.0.2.8") == {"b": ""}
    assert found(client, zoe, "printer").keys() == {"a", "b"}
    assert found(client, nils, "printer") == {}


def test_the_list_of_a_zone_finds_comments_as_one_may_see_them(
    client: Client, olivia: User, vera: User, commented: Zone
) -> None:
    for user, names in ((olivia, {"a", "b"}), (vera, {"a"})):
        client.force_login(user)
        page = client.get("/zones/example.com/", {"q": "printer"})
        assert {record["name"] for record in page.context["records"]} == names


def test_whole_u_labels_are_found_wherever_they_stand(client: Client, olivia: User, zone: Zone) -> None:
    create_zone("grün.example", nameservers=["ns.example.net"])
    with change_set(zone) as changes:
        changes.create(name="shop.bücher", type="A", ttl=60, content="192.0.2.7")
        changes.create(name="mail", type="MX", ttl=60, content="10 post.bücher")
        changes.create(name="note", type="A", ttl=60, content="192.0.2.8", comment="Bücher")
    shop, both = "shop.xn--bcher-kva", {"shop.xn--bcher-kva", "mail"}
    for query, names in (
        ("bücher", both | {"note"}),
        ("Bücher", both | {"note"}),
        (".bücher", both),
        ("op.bücher", {shop}),
        ("shop.bücher.example.com", {shop}),
        ("10 post.bücher", {"mail"}),
        ("bücher.", {"mail"}),
        ("büch", {"note"}),
    ):
        client.force_login(olivia)
        page = client.get("/zones/example.com/", {"q": query})
        assert {record["name"] for record in page.context["records"]} == names, query
        if not query.endswith("."):
            assert found(client, olivia, query).keys() == names, query
        answer = client.get("/api/zones/example.com/records/", {"search": query}).json()
        assert {record["name"] for record in answer["results"]} == names, query
    assert client.get("/search/", {"q": "grün"}).json()["zones"][0]["name"] == "xn--grn-ioa.example"
    assert client.get("/api/zones/", {"search": "grün.ex"}).json()["count"] == 1
    assert len(client.get("/zones/example.com/history/", {"name": "shop.bücher"}).context["change_sets"]) == 1
