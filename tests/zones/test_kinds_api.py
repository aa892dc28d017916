"""Kinds of zones over the API: what each needs, names with slashes, and who may say which servers the site speaks to."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.zones.examples import Api, Make
from zones import grants, operations, roles
from zones.changes import change_set
from zones.lifecycle import create_zone
from zones.models import ChangeSet, Operation, Record, SyncState, TransferKey, Zone

SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0"


def test_a_secondary_zone_has_primaries_and_no_records_of_its_own(api: Api, olivia: User) -> None:
    client = api(olivia)
    answer = client.post(
        "/api/zones/",
        {
            "name": "copy.example",
            "kind": "secondary",
            "primaries": ["192.0.2.1", {"address": "2001:DB8::1", "port": 5300}],
        },
    )
    assert answer.status_code == 201, answer.data
    assert answer.data["kind"] == "secondary"
    assert answer.data["primaries"] == [
        {"address": "192.0.2.1", "port": 53, "key": ""},
        {"address": "2001:db8::1", "port": 5300, "key": ""},
    ]
    assert (answer.data["sync_state"], answer.data["record_count"]) == ("pending", 0)
    refused = client.post(
        "/api/zones/copy.example/records/", {"name": "www", "type": "A", "ttl": 60, "content": "192.0.2.1"}
    )
    assert refused.status_code == 400
    assert "it is a secondary zone" in refused.data["detail"]


def test_a_forward_zone_has_forwarders(api: Api, olivia: User) -> None:
    client = api(olivia)
    made = client.post("/api/zones/", {"name": "corp.example", "kind": "forward", "forwarders": ["192.0.2.1:5353"]})
    assert made.status_code == 201, made.data
    assert made.data["forwarders"] == [{"address": "192.0.2.1", "port": 5353, "key": ""}]
    assert made.data["forward_only"] is True
    changed = client.patch("/api/zones/corp.example/", {"forwarders": ["192.0.2.2"], "forward_only": False})
    assert changed.status_code == 200, changed.data
    assert changed.data["forwarders"][0]["address"] == "192.0.2.2"
    assert changed.data["version"] == made.data["version"] + 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "secondary"}, "primaries"),
        ({"kind": "forward", "forwarders": []}, "forwarders"),
        ({"kind": "forward", "primaries": ["192.0.2.1"]}, "primaries"),
        ({"kind": "primary", "forwarders": ["192.0.2.1"]}, "forwarders"),
        ({"kind": "secondary", "primaries": ["ns.example.net"]}, "primaries"),
        ({"kind": "secondary", "primaries": ["192.0.2.1:99999"]}, "primaries"),
        ({"kind": "secondary", "primaries": [{"address": "192.0.2.1", "key": 'x"; };'}]}, "primaries"),
        ({"kind": "secondary", "primaries": [{"address": "192.0.2.1", "secret": "x"}]}, "primaries"),
        ({"kind": "forward", "forwarders": [{"address": "192.0.2.1", "key": "k"}]}, "forwarders"),
        ({"kind": "secondary", "primaries": ["192.0.2.1"], "tsig": {"name": "k", "secret": "%"}}, "tsig"),
        ({"kind": "primary", "follows_addresses": True}, "follows_addresses"),
        ({"kind": "stub"}, "kind"),
    ],
)
def test_what_does_not_fit_the_kind_is_refused_by_field(
    api: Api, olivia: User, body: dict[str, Any], field: str
) -> None:
    answer = api(olivia).post("/api/zones/", {"name": "new.example", **body})
    assert answer.status_code == 400
    assert field in answer.data["errors"], answer.data
    assert not Zone.objects.exists()
    assert not TransferKey.objects.exists()
    assert set(answer.data["errors"]) == {field}


def test_a_key_is_kept_for_the_name_server_and_never_shown(api: Api, olivia: User) -> None:
    client = api(olivia)
    body = {"kind": "secondary", "primaries": ["192.0.2.1"], "tsig": {"name": "Between.", "secret": SECRET}}
    answer = client.post("/api/zones/", {"name": "copy.example", **body})
    assert answer.data["primaries"] == [{"address": "192.0.2.1", "port": 53, "key": "between"}]
    assert TransferKey.objects.get().secret == SECRET
    assert SECRET not in str(client.get("/api/zones/copy.example/").data)
    other = client.post("/api/zones/", {"name": "b.example", **body, "tsig": {"name": "between", "secret": "b3RoZXI="}})
    assert other.status_code == 400
    assert "another secret" in other.data["errors"]["tsig"][0]


def test_a_mistyped_secret_is_mended_where_no_other_zone_needs_it(api: Api, olivia: User) -> None:
    client = api(olivia)
    body = {"kind": "secondary", "primaries": ["192.0.2.1"], "tsig": {"name": "between", "secret": "bWlzdHlwZWQ="}}
    client.post("/api/zones/", {"name": "copy.example", **body})
    Zone.objects.update(hosted=True, sync_state=SyncState.SERVED)
    given = {"primaries": ["192.0.2.1"], "tsig": {"name": "between", "secret": SECRET}}
    answer = client.patch("/api/zones/copy.example/", given)
    assert answer.status_code == 200, answer.data
    assert answer.data["version"] == 2
    assert TransferKey.objects.get().secret == SECRET
    zone = Zone.objects.get()
    assert (zone.hosted, zone.sync_state) == (False, SyncState.PENDING)
    made = ChangeSet.objects.filter(zone=zone).latest("id")
    assert made.settings == [{"field": "tsig", "old": None, "new": None}]
    assert client.patch("/api/zones/copy.example/", given).data["version"] == 2

    client.post("/api/zones/", {"name": "b.example", **body, "tsig": given["tsig"]})
    refused = client.patch("/api/zones/copy.example/", {**given, "tsig": body["tsig"]})
    assert "other zones use" in refused.data["errors"]["tsig"][0]


def test_a_page_says_where_records_come_from_and_why_there_are_none(client: Client, olivia: User) -> None:
    create_zone("corp.example", kind="forward", servers=[{"address": "192.0.2.1"}])
    create_zone("copy.example", kind="secondary", servers=[{"address": "192.0.2.1"}])
    create_zone("2.0.192.in-addr.arpa", follows_addresses=True)
    client.force_login(olivia)
    assert "whose PTRs follow addresses" in client.get("/zones/2.0.192.in-addr.arpa/").content.decode()
    assert "A forward zone has no records" in client.get("/zones/corp.example/").content.decode()
    assert "No records yet" in client.get("/zones/copy.example/").content.decode()


@pytest.mark.parametrize(
    "name", ["-", "-a.example", "a-.example", "a b.example", "*.example", 'x"y.example', "a/b", "a//b.example"]
)
def test_names_that_named_cannot_host_are_refused(api: Api, olivia: User, name: str) -> None:
    answer = api(olivia).post("/api/zones/", {"name": name, "kind": "primary"})
    assert answer.status_code == 400
    assert "name" in answer.data["errors"], answer.data


def test_a_classless_reverse_zone_is_reached_in_the_api(api: Api, olivia: User) -> None:
    client = api(olivia)
    made = client.post("/api/zones/", {"name": "0/25.2.0.192.in-addr.arpa"})
    assert made.status_code == 201
    assert made["Location"] == "/api/zones/0%2F25.2.0.192.in-addr.arpa/"
    for path in ("/api/zones/0/25.2.0.192.in-addr.arpa/", "/api/zones/0%2F25.2.0.192.in-addr.arpa/"):
        assert client.get(path).data["name"] == "0/25.2.0.192.in-addr.arpa"
        assert client.get(f"{path}records/").data["count"] == 2
        assert client.get(f"{path}changes/").status_code == 200
    record = {"name": "1", "type": "PTR", "ttl": 60, "content": "www.example.com."}
    added = client.post("/api/zones/0%2F25.2.0.192.in-addr.arpa/records/", record)
    assert added.status_code == 201
    assert client.get(added["Location"]).data["content"] == "www.example.com."
    assert client.delete("/api/zones/0%2F25.2.0.192.in-addr.arpa/").status_code == 204


def test_who_may_only_edit_a_zone_does_not_say_which_servers_the_site_speaks_to(
    api: Api, olivia: User, person: Make
) -> None:
    api(olivia).post("/api/zones/", {"name": "copy.example", "kind": "secondary", "primaries": ["192.0.2.1"]})
    owner = person("owner", roles.OWNERS)
    grants.give(Zone.objects.get(), level="manage", user=owner)
    client = api(owner)
    assert client.patch("/api/zones/copy.example/", {"comment": "mine"}).status_code == 200
    assert client.patch("/api/zones/copy.example/", {"primaries": ["169.254.169.254"]}).status_code == 403
    assert client.post("/api/zones/transfer/", {"name": "x.example", "server": "192.0.2.1"}).status_code == 403
    assert not Record.objects.exists()


def test_a_clone_has_the_records_of_another_zone_at_the_same_places(api: Api, olivia: User, zone: Zone) -> None:
    with change_set(zone) as changes:
        changes.create(name="@", type="MX", ttl=60, content="10 mail.example.com.", comment="ours")
        changes.create(name="mail", type="A", ttl=60, content="192.0.2.9", comment="between us", private=True)
        changes.create(name="svc", type="HTTPS", ttl=60, content="1 www.example.com. alpn=h2")
        changes.create(name="far", type="CNAME", ttl=60, content="www.notexample.com.")
    answer = api(olivia).post("/api/zones/", {"name": "copy.example", "clone_of": "example.com", "comment": "a copy"})
    assert answer.status_code == 201, answer.data
    made = Zone.objects.get(name="copy.example")
    assert made.comment == "a copy"
    records = {(record.name, record.type): (record.content, record.comment) for record in made.records.all()}
    assert records["@", "MX"] == ("10 mail.copy.example.", "ours")
    assert records["mail", "A"] == ("192.0.2.9", "between us")
    assert records["svc", "HTTPS"][0].startswith("1 www.copy.example. ")
    assert records["far", "CNAME"] == ("www.notexample.com.", "")
    assert records["@", "NS"] == ("ns.example.net.", "")
    assert made.change_sets.count() == 1
    assert made.records.count() == zone.records.count()


def test_a_clone_is_an_operation_that_others_watch(api: Api, olivia: User, zone: Zone) -> None:
    body = {"name": "copy.example", "clone_of": "example.com"}
    assert api(olivia).post("/api/zones/", body).status_code == 201
    done = Operation.objects.get(kind="zone_clone")
    made = done.zone.change_sets.get()
    assert (done.state, done.done, done.total) == ("completed", 4, 4)
    assert done.result == {"change_set": made.pk, "clone_of": "example.com"}
    assert api(olivia).get(f"/api/operations/{done.pk}/").data["state"] == "completed"
    assert api(olivia).post("/api/zones/", body).status_code == 400
    assert Operation.objects.get(kind="zone_clone", state="failed").errors == ["there is a zone copy.example already"]


def test_a_clone_that_is_cancelled_leaves_nothing(
    api: Api, olivia: User, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "PROGRESS_EVERY_S", 0)
    told = operations.stream

    def cancel(*event: Any, **where: Any) -> None:
        Operation.objects.update(cancel_requested=True)
        told(*event, **where)

    monkeypatch.setattr(operations, "stream", cancel)
    answer = api(olivia).post("/api/zones/", {"name": "copy.example", "clone_of": "example.com"})
    assert (answer.status_code, answer.data["code"]) == (409, "cancelled")
    assert Zone.objects.count() == 1
    assert Operation.objects.get().state == "cancelled"


@pytest.mark.parametrize(
    "body",
    [{"clone_of": "nowhere.example"}, {"clone_of": "example.com", "kind": "secondary", "primaries": ["192.0.2.1"]}],
)
def test_what_cannot_be_cloned_is_refused(api: Api, olivia: User, zone: Zone, body: dict[str, Any]) -> None:
    answer = api(olivia).post("/api/zones/", {"name": "copy.example", **body})
    assert (answer.status_code, "clone_of" in answer.data["errors"]) == (400, True)
    assert Zone.objects.count() == 1


def test_one_clones_only_what_one_may_see_and_without_comments_for_editors(
    api: Api, person: Make, zone: Zone, vera: User
) -> None:
    with change_set(zone) as changes:
        changes.create(name="mail", type="A", ttl=60, content="192.0.2.9", comment="between us", private=True)
    maker = person("maker")
    maker.user_permissions.add(Permission.objects.get(codename="add_zone"))
    body = {"name": "copy.example", "clone_of": "example.com"}
    assert api(maker).post("/api/zones/", body).status_code == 400
    vera.user_permissions.add(Permission.objects.get(codename="add_zone"))
    assert api(vera).post("/api/zones/", body).status_code == 201
    assert Record.objects.get(zone__name="copy.example", name="mail").comment == ""
