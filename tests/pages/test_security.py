"""The page of response policies, in front of real people: one makes a rule, the other sees it, and sees it act."""

from __future__ import annotations

import subprocess
import time

import pytest
from playwright.sync_api import expect

from tests.alerts.hostile import HOSTILE, acts
from tests.pages.conftest import live


def dig(site, name: str) -> str:
    """What `dig` prints for a name, asked at the site's own name server."""
    command = ["dig", "@127.0.0.1", "-p", str(site.named_port), "+tries=1", "+time=5", name]
    return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout


def rule_row(page, trigger: str):
    return page.locator("tr.rule-row", has=page.locator("[data-slot=trigger]").get_by_text(trigger, exact=True))


@pytest.fixture(autouse=True)
def house_rules(site) -> None:
    """The policy that the demo has too, with a rule."""
    admin = site.client("admin")
    if admin.get("/api/rpz/policies/").data["count"] == 0:
        policy = admin.post("/api/rpz/policies/", {"name": "House rules"}).data["id"]
        assert admin.post("/api/rpz/rules/", {"policy": policy, "trigger": "*.malware.test"}).status == 201
        rules = "/api/rpz/rules/?sync_state=served"
        while not admin.get(rules).data["count"]:
            time.sleep(0.1)


def page_of(profile, site, who: str):
    page = profile(site).sign_in(who)
    page.goto("/security/")
    return live(page)


def test_a_rule_made_in_the_page_acts_and_everybody_sees_it_and_its_hits(site, profile):
    sam, olivia = page_of(profile, site, "sam"), page_of(profile, site, "olivia")
    sam.get_by_role("button", name="Add rule").click()
    sam.get_by_label("is", exact=True).fill("fresh.blocked.test")
    sam.locator("#rule-category").fill("malware")
    sam.get_by_label("And all names below it").check()
    sam.get_by_role("button", name="Save").click()
    for page in (sam, olivia):
        expect(rule_row(page, "fresh.blocked.test").locator("[data-slot=state]")).to_have_text("In force")
        expect(rule_row(page, "*.fresh.blocked.test").locator("[data-slot=state]")).to_have_text("In force")
    assert "status: NXDOMAIN" in dig(site, "fresh.blocked.test")
    assert "status: NXDOMAIN" in dig(site, "deep.fresh.blocked.test")
    assert "status: NXDOMAIN" in dig(site, "other.fresh.blocked.test")
    expect(rule_row(olivia, "fresh.blocked.test").locator("[data-slot=hits]")).to_have_text("1")
    expect(rule_row(olivia, "*.fresh.blocked.test").locator("[data-slot=hits]")).to_have_text("2")

    rule_row(sam, "fresh.blocked.test").get_by_role("button", name="Switch off").click()
    expect(rule_row(olivia, "fresh.blocked.test").locator("[data-slot=state]")).to_have_text("Switched off")
    assert "house-rules.rpz" not in dig(site, "fresh.blocked.test")


def test_a_deleted_rule_can_be_taken_back(site, profile):
    site.client("sam").post("/api/rpz/rules/", {"trigger": "undone.test", "comment": "kept", "category": "c"})
    sam = page_of(profile, site, "sam")
    rule_row(sam, "undone.test").get_by_role("button", name="Delete undone.test").click()
    expect(rule_row(sam, "undone.test")).to_have_count(0)
    sam.get_by_role("button", name="Undo").click()
    expect(rule_row(sam, "undone.test")).to_contain_text("kept")
    expect(rule_row(sam, "undone.test").locator("[data-slot=state]")).to_have_text("In force")


def test_what_would_block_much_is_asked_about_first(site, profile):
    sam = page_of(profile, site, "sam")
    sam.get_by_role("button", name="Add rule").click()
    sam.get_by_label("is", exact=True).fill("*.zz")
    sam.get_by_role("button", name="Save").click()
    expect(sam.get_by_text("*.zz is all of a top-level domain.")).to_be_visible()
    assert site.client("sam").get("/api/rpz/rules/", trigger="*.zz").data["count"] == 0
    sam.get_by_label("I have read this and want it").check()
    sam.get_by_role("button", name="Save").click()
    expect(rule_row(sam, "*.zz").locator("[data-slot=state]")).to_have_text("In force")


def test_why_a_name_is_blocked_is_told_with_what_the_server_did(site, profile):
    olivia = page_of(profile, site, "olivia")
    olivia.get_by_role("button", name="Why is a name blocked?").click()
    olivia.get_by_label("Name", exact=True).fill("deep.malware.test")
    olivia.get_by_role("button", name="Find out").click()
    expect(olivia.locator("[data-verdict]")).to_contain_text("*.malware.test in House rules")
    expect(olivia.locator("[data-verdict]")).to_contain_text("That is what the rules say.")


def test_hits_are_drawn_over_time_and_may_raise_an_alert(site, profile):
    sam, olivia = page_of(profile, site, "sam"), page_of(profile, site, "olivia")
    dig(site, "hit.malware.test")
    expect(rule_row(olivia, "*.malware.test").locator("[data-slot=hits]")).not_to_have_text("0")
    rule_row(olivia, "*.malware.test").locator("[data-hits-of]").click()
    dialog = olivia.get_by_role("dialog")
    expect(dialog.locator("h2")).to_have_text("Hits of the rule for *.malware.test")
    expect(dialog.locator("[data-total]")).to_contain_text("in 7 days")
    expect(dialog.locator("canvas")).to_be_visible()
    olivia.get_by_role("button", name="Close").click()

    sam.locator("#watch-category").fill("phishing")
    sam.get_by_role("button", name="Raise an alert", exact=True).click()
    watch = olivia.locator("#watches li", has_text="hits of any policy in the category phishing")
    expect(watch).to_be_visible()
    expect(olivia.locator("[data-unwatch], [data-watch-form]")).to_have_count(0)
    sam.locator("#watch-category").fill("phishing")
    sam.get_by_role("button", name="Raise an alert", exact=True).click()
    expect(sam.get_by_text("These hits are watched already.", exact=True)).to_be_visible()
    sam.get_by_role("button", name="Raise no alert for hits of any policy phishing").click()
    expect(watch).to_have_count(0)


@pytest.mark.parametrize(("who", "status"), [("vera", 200), ("zoe", 403)])
def test_who_only_looks_finds_nothing_to_press_and_owners_find_nothing(site, profile, who, status):
    person = profile(site).sign_in(who)
    answer = person.goto("/security/")
    assert answer.status == status
    expect(person.get_by_role("button", name="Add rule")).to_have_count(0)
    expect(person.locator("[data-delete], [data-toggle], [data-mode]")).to_have_count(0)
    if who == "zoe":
        expect(person.locator('nav a[href="/security/"]')).to_have_count(0)


def test_addresses_of_clients_are_for_those_who_may_see_them(site, profile):
    made = site.client("sam").post(
        "/api/rpz/rules/", {"trigger_type": "client_ip", "trigger": "127.0.0.44", "action": "passthru"}
    )
    assert made.data["trigger"] == "127.0.0.44/32"
    vera = page_of(profile, site, "vera")
    expect(vera.locator(f"#rule-{made.data['id']}")).to_contain_text("an address you may not see")
    assert "127.0.0.44" not in vera.content()
    assert site.client("vera").get(f"/api/rpz/rules/{made.data['id']}/").data["trigger"] is None


def test_a_rule_that_a_colleague_changes_or_deletes_while_it_is_edited_keeps_what_was_typed(site, profile):
    rule = site.client("admin").post("/api/rpz/rules/", {"trigger": "shared.blocked.test", "category": "old"}).data
    sam = page_of(profile, site, "sam")
    rule_row(sam, rule["trigger"]).get_by_role("button", name="Edit").click()
    form, path = sam.locator("#rule-form"), f"/api/rpz/rules/{rule['id']}/"
    form.locator("#rule-comment").fill("asked for by the bank")

    assert site.client("admin").patch(path, {"category": "new"}).status == 200
    expect(form.locator("[data-meanwhile]")).to_contain_text("admin has changed this rule meanwhile: category new")
    assert site.client("admin").delete(path).status == 204
    expect(form.locator("[data-meanwhile]")).to_contain_text("admin has deleted this rule meanwhile")
    expect(form.locator("#rule-comment")).to_have_value("asked for by the bank")

    form.get_by_role("button", name="Save").click()
    expect(rule_row(sam, rule["trigger"])).to_contain_text("asked for by the bank")
    assert site.client("sam").get("/api/rpz/rules/", search=rule["trigger"]).data["count"] == 1


TENS = [
    pytest.param(HOSTILE[place::6], id=str(place), marks=() if place == 3 else pytest.mark.soak) for place in range(6)
]


@pytest.mark.parametrize("strings", TENS)
def test_what_people_write_about_rules_policies_and_feeds_does_nothing_anywhere(site, profile, strings):
    analyst = site.client("sam")
    before = analyst.get("/api/realtime/events/", limit=1).position
    made, told = [], 0
    for number, text in enumerate(strings):
        rule = {"trigger": f"h{number}.hostile.test", "comment": text, "category": text[:50], "confirm": True}
        policy = {"name": f"{number}{text}"[:100], "comment": text}
        feed = {**policy, "name": f"f{number}{text}"[:100], "category": text[:50], "reference": text, "mode": "off"}
        feed["url"] = "http://127.0.0.1:9/"
        for kind, fields in (("rules", rule), ("policies", policy), ("feeds", feed)):
            answer = analyst.post(f"/api/rpz/{kind}/", fields)
            assert answer.status in (201, 400), answer.text
            if answer.status == 201:
                made.append((kind, answer.data))
        assert analyst.post("/api/rpz/rules/", {"trigger": text}).status in (400, 409)
    told = len(made)
    kept = {kind: [data for each, data in made if each == kind] for kind in ("rules", "policies", "feeds")}
    assert len(kept["rules"]) == len([text for text in strings if "\0" not in text])
    try:
        page = profile(site).sign_in("sam")
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        for path in ("/security/?q=hostile.test", "/activity/"):
            page.goto(path)
            live(page)
            acting = "script:not([type='application/json']), iframe, svg script, base, meta, img, details, math, style"
            assert page.locator(f"#main :is({acting})").count() == 0
        page.goto("/security/?q=hostile.test")
        for rule in kept["rules"]:
            expect(rule_row(page, rule["trigger"])).to_contain_text(rule["comment"].strip(), use_inner_text=True)
        for row in kept["policies"] + kept["feeds"]:
            expect(page.locator("#policies [data-slot=name]").get_by_text(row["name"], exact=True)).to_be_visible()

        house = kept["rules"][0]["policy"]
        exported = analyst.get(f"/api/rpz/policies/{house}/export/").text
        assert not acts(exported)
        assert all(line[:1] in ";$@*h" or line.split()[0].isascii() for line in exported.splitlines())
        # Everything that anybody may read in a terminal: the tail, a command, and the site's log.
        names = [str(feed["id"]) for feed in kept["feeds"]]
        fetched = site.manage("feed_refresh", *names, check=False) if names else None
        tail = site.manage(
            "realtime_tail", "--user", "sam", "--since", before, "--count", str(told), "rpz_*", "threat_feed_*"
        )
        assert tail.stdout.count("\n") >= told
        assert not acts(tail.stdout + (fetched.stdout + fetched.stderr if fetched else "") + site.log())
    finally:
        for kind, data in made:
            analyst.delete(f"/api/rpz/{kind}/{data['id']}/")
