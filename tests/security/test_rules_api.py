"""Policies, rules and feeds over the API: who may, what is refused, what is told; without a name server."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone
from rest_framework.test import APIClient

from realtime.models import LogEvent
from security.models import Policy, Rule
from security.rules import create_policy, create_rule, expire
from zones.lifecycle import create_zone
from zones.roles import ANALYSTS, OPERATORS, OWNERS, VIEWERS

pytestmark = pytest.mark.django_db


def client(role: str | None) -> APIClient:
    user = User.objects.create_user(f"user-{User.objects.count()}", is_superuser=role is None)
    if role is not None:
        user.groups.add(Group.objects.get(name=role))
    made = APIClient()
    made.force_authenticate(user)
    return made


@pytest.fixture
def sam(db) -> APIClient:
    return client(ANALYSTS)


@pytest.fixture
def policy(db) -> Policy:
    create_policy("Allow list")
    return create_policy("House rules")


def told(kind: str) -> dict:
    return json.loads(LogEvent.objects.filter(event_type=kind).latest("id").data)


@pytest.mark.parametrize(
    ("role", "see", "change"),
    [(None, 200, 201), (ANALYSTS, 200, 201), (OPERATORS, 200, 403), (VIEWERS, 200, 403), (OWNERS, 403, 403)],
)
def test_who_may_see_and_who_may_change(policy, role, see, change):
    asker = client(role)
    for path in ("policies", "rules", "feeds"):
        assert asker.get(f"/api/rpz/{path}/").status_code == see
    assert asker.post("/api/rpz/rules/", {"trigger": "x.test"}, format="json").status_code == change
    assert asker.post("/api/rpz/policies/", {"name": "Another"}, format="json").status_code == change
    feed = {"name": "Feed", "url": "https://lists.example.org/x"}
    assert asker.post("/api/rpz/feeds/", feed, format="json").status_code == change


def test_a_rule_goes_where_it_belongs_by_default(policy, sam):
    blocked = sam.post("/api/rpz/rules/", {"trigger": "x.test"}, format="json").json()
    allowed = sam.post("/api/rpz/rules/", {"trigger": "y.test", "action": "passthru"}, format="json").json()
    assert (blocked["policy_name"], allowed["policy_name"]) == ("House rules", "Allow list")


def test_events_tell_the_rule_before_and_after(policy, sam):
    rule = sam.post("/api/rpz/rules/", {"trigger": "X.Test.", "comment": "a"}, format="json").json()
    assert told("rpz_rule_created")["rule"]["trigger"] == "x.test"
    answer = sam.patch(f"/api/rpz/rules/{rule['id']}/", {"action": "drop", "version": 1}, format="json")
    assert answer.json()["version"] == 2
    assert told("rpz_rule_updated")["changes"] == [{"field": "action", "old": "nxdomain", "new": "drop"}]
    stale = sam.patch(f"/api/rpz/rules/{rule['id']}/", {"comment": "b", "version": 1}, format="json")
    assert (stale.status_code, stale.json()["code"], stale.json()["current"]["action"]) == (
        409,
        "stale_version",
        "drop",
    )
    assert sam.delete(f"/api/rpz/rules/{rule['id']}/?version=1").status_code == 409
    assert sam.delete(f"/api/rpz/rules/{rule['id']}/").status_code == 204
    assert told("rpz_rule_deleted")["rule"]["id"] == rule["id"]
    assert sam.get(f"/api/rpz/rules/{rule['id']}/").status_code == 404
    assert sam.post("/api/rpz/rules/", {"trigger": "x.test"}, format="json").status_code == 201


@pytest.mark.parametrize(
    ("kind", "trigger", "stored"),
    [
        ("qname", "WWW.Evil.Test.", "www.evil.test"),
        ("qname", "*.münchen.test", "*.xn--mnchen-3ya.test"),
        ("client_ip", "192.0.2.1", "192.0.2.1/32"),
        ("response_ip", "2001:DB8::/32", "2001:db8::/32"),
        ("nsip", "192.0.2.0/24", "192.0.2.0/24"),
        ("nsdname", "*.ns.evil.test", "*.ns.evil.test"),
    ],
)
def test_triggers_are_kept_in_one_form(policy, sam, kind, trigger, stored):
    fields = {"trigger_type": kind, "trigger": trigger}
    made = sam.post("/api/rpz/rules/", fields, format="json")
    assert made.json()["trigger"] == stored
    again = sam.post("/api/rpz/rules/", fields, format="json")
    assert (again.status_code, again.json()["problems"][0]["code"]) == (400, "exists")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"trigger": ""}, "trigger"),
        ({"trigger": "a b.test"}, "trigger"),
        ({"trigger": 'x"; }; zone "y'}, "trigger"),
        ({"trigger": "x.test\n$INCLUDE /etc/passwd"}, "trigger"),
        ({"trigger": "x.rpz-ip"}, "trigger"),
        ({"trigger": "a*.test"}, "trigger"),
        ({"trigger": f"{'a' * 63}." * 3 + "test"}, "trigger"),
        ({"trigger": "192.0.2.1"}, "trigger"),
        ({"trigger": "192.0.2.1/24", "trigger_type": "client_ip"}, "trigger"),
        ({"trigger": "0.0.0.0/0", "trigger_type": "client_ip"}, "trigger"),
        ({"trigger": "::ffff:192.0.2.1", "trigger_type": "nsip"}, "trigger"),
        ({"trigger": "x.test", "action": "redirect"}, "target"),
        ({"trigger": "x.test", "action": "redirect", "target": "rpz-drop"}, "target"),
        ({"trigger": "x.test", "action": "redirect", "target": "192.0.2.1 www.test"}, "target"),
        ({"trigger": "x.test", "action": "drop", "target": "192.0.2.1"}, "target"),
        ({"trigger": "x.test", "action": "explode"}, "action"),
        ({"trigger": "x.test", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"trigger": "x.test", "comment": "x" * 2001}, "comment"),
        ({"trigger": "x.test", "policy": 4711}, "policy"),
    ],
)
def test_what_is_wrong_is_told_by_field_and_nothing_is_made(policy, sam, fields, field):
    answer = sam.post("/api/rpz/rules/", fields, format="json")
    assert answer.status_code == 400
    assert field in answer.json()["errors"]
    assert not Rule.objects.exists()


@pytest.mark.parametrize(
    ("kind", "trigger"),
    [
        ("qname", "*"), ("qname", "com"), ("qname", "*.com"), ("qname", "ours.test"), ("qname", "*.ours.test"),
        ("qname", "*.test"), ("qname", "localhost"), ("qname", "*.in-addr.arpa"), ("client_ip", "128.0.0.0/1"),
        ("nsdname", "*.net"), ("nsip", "::/8"),
    ],
)  # fmt: skip
def test_what_would_block_much_needs_a_second_word(policy, sam, kind, trigger):
    create_zone("ours.test")
    fields = {"trigger_type": kind, "trigger": trigger}
    answer = sam.post("/api/rpz/rules/", fields, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "needs_confirmation")
    assert answer.json()["reasons"]
    assert not Rule.objects.exists()
    assert sam.post("/api/rpz/rules/", {**fields, "action": "passthru"}, format="json").status_code == 201
    assert (
        sam.post("/api/rpz/rules/", {**fields, "policy": policy.pk, "confirm": True}, format="json").status_code == 201
    )


def test_a_rule_that_runs_out_is_switched_off_and_told(policy):
    rule = create_rule(policy, trigger="x.test", expires_at=timezone.now() + timedelta(hours=2))
    assert expire() == 0
    Rule.objects.filter(pk=rule.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert (expire(), expire()) == (1, 0)
    assert told("rpz_rule_updated")["changes"] == [{"field": "enabled", "old": True, "new": False}]


def test_policies_are_put_in_order(policy, sam):
    third = sam.post("/api/rpz/policies/", {"name": "Third"}, format="json").json()
    assert third["position"] == 3
    sam.patch(f"/api/rpz/policies/{third['id']}/", {"position": 1}, format="json")
    order = [one["name"] for one in sam.get("/api/rpz/policies/").json()["results"]]
    assert order == ["Third", "Allow list", "House rules"]
    sam.post("/api/rpz/feeds/", {"name": "Feed", "url": "https://lists.example.org/x"}, format="json")
    assert sam.get("/api/rpz/policies/").json()["results"][-1]["kind"] == "feed"


def test_a_policy_zone_goes_out_and_comes_in_again(policy, sam):
    for fields in (
        {"trigger": "x.test", "comment": "why\n; not"}, {"trigger": "*.y.test", "action": "nodata"},
        {"trigger": "192.0.2.0/24", "trigger_type": "response_ip", "action": "drop"},
        {"trigger": "2001:db8::1", "trigger_type": "nsip"},
        {"trigger": "z.test", "action": "redirect", "target": "192.0.2.1 2001:db8::1"},
        {"trigger": "w.test", "action": "redirect", "target": "www.example.com"},
    ):  # fmt: skip
        assert sam.post("/api/rpz/rules/", {**fields, "policy": policy.pk}, format="json").status_code == 201
    text = sam.get(f"/api/rpz/policies/{policy.pk}/export/").content
    other = create_policy("Copy")
    path = f"/api/rpz/policies/{other.pk}/import/"
    assert sam.post(f"{path}?dry_run=1", text, content_type="text/dns").json()["created"] == 6
    assert sam.post(path, text, content_type="text/dns").json() == {"created": 6, "present": 0, "refused": []}
    columns = ("trigger_type", "trigger", "action", "target")
    assert set(other.rules.values_list(*columns)) == set(policy.rules.values_list(*columns))
    more = b"new.test CNAME .\ncom CNAME .\nodd.test TXT hello\nx.test CNAME .\n"
    answer = sam.post(path, more, content_type="text/dns").json()
    assert (answer["created"], answer["present"]) == (1, 1)
    assert {one["name"] for one in answer["refused"]} == {"com", "odd.test"}
    assert sam.post(path, b"$INCLUDE /etc/passwd\n", content_type="text/dns").status_code == 400


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "https://a:b@example.org/", "http://example.org:22/", "axfr://x/", "x"]
)
def test_a_feed_has_an_address_that_can_be_fetched(policy, sam, url):
    answer = sam.post("/api/rpz/feeds/", {"name": "Feed", "url": url}, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["url"])


def test_why_is_told_by_rules_and_feeds_in_order(policy, sam, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    create_rule(policy, trigger="*.evil.test", category="malware")
    create_rule(policy, trigger_type="client_ip", trigger="192.0.2.0/24", action="drop")
    allow = Policy.objects.get(name="Allow list")
    create_rule(allow, trigger="good.evil.test", action="passthru")
    create_rule(policy, trigger="trial.test", trial=True)

    def ask(name: str, client: str | None = None) -> dict:
        return sam.post("/api/rpz/check/", {"name": name, "client": client}, format="json").json()

    assert (ask("a.b.evil.test")["trigger"], ask("a.b.evil.test")["action"]) == ("*.evil.test", "nxdomain")
    good = ask("good.evil.test")
    assert (good["policy_name"], good["action"], good["later"][0]["trigger"]) == (
        "Allow list",
        "passthru",
        "*.evil.test",
    )
    assert ask("any.test", "192.0.2.9")["action"] == "drop"
    assert ask("evil.test")["rule"] is None
    assert (ask("trial.test")["acts"], ask("trial.test")["trials"][0]["trigger"]) == (None, "trial.test")
    assert ask("evil.test")["named"]["asked"] is False
    assert sam.post("/api/rpz/check/", {"name": "a..b"}, format="json").status_code == 400
