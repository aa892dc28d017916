"""What the fields of a type make of a content, and back: nothing is lost on the way, whatever the type."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import live, row
from zones import rdata

TYPES = {declared.name: msgspec.to_builtins(declared) for declared in rdata.catalogue()}

AWKWARD = [
    ("TXT", '"a" "b c"'),
    ("TXT", r'"quote \" backslash \\ tab \009"'),
    ("TXT", r'"\195\188"'),
    ("TXT", r'"\255\254"'),
    ("TXT", '""'),
    ("CAA", '128 issue ";"'),
    ("HTTPS", '1 . alpn="h2,h3" ipv4hint=192.0.2.1'),
    ("NAPTR", '10 20 "" "" "!^.*$!sip:\\\\1@example.com!" .'),
    ("A", "\\# 4 c0000201"),
    ("LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m"),
]


@pytest.fixture(scope="module")
def apart_and_together(site, browser):
    """Take a content apart and put it together again, as the page does; null where it stays text."""
    page = browser.new_page(base_url=site.url)
    page.goto("/accounts/login/")

    def run(kind: str, content: str) -> str | None:
        return page.evaluate(
            """async ([fields, content]) => {
                const { apart, together } = await import("/static/site/zone/rdata.js");
                const values = apart(fields, content);
                return values === null ? null : together(fields, values);
            }""",
            [json.loads(json.dumps(TYPES[kind]["fields"])), content],
        )

    yield run
    page.close()


@pytest.mark.parametrize("kind", TYPES)
def test_the_example_of_every_type_fits_its_fields(apart_and_together, kind):
    example = rdata.canonical(kind, TYPES[kind]["example"], "example.com")
    again = apart_and_together(kind, example)
    assert again is not None
    assert rdata.canonical(kind, again, "example.com") == example


@pytest.mark.parametrize(("kind", "content"), AWKWARD)
def test_awkward_contents_survive_or_stay_text(apart_and_together, kind, content):
    again = apart_and_together(kind, content)
    if again is not None:
        assert _octets(kind, again) == _octets(kind, content)


def _octets(kind: str, content: str) -> str:
    """TXT may be cut into strings elsewhere; what counts is the text that they make together."""
    stored = rdata.canonical(kind, content, "example.com")
    return stored.replace('" "', "") if kind == "TXT" else stored


@pytest.fixture
def zone(make_zone) -> str:
    return make_zone(("www", "A", "192.0.2.1"))


@pytest.fixture
def new_record(site, zone, profile) -> Callable[..., Page]:
    """Begin a record of that name on the page of the zone: `new_record("long", "TXT")`."""

    def begin(name: str, kind: str = "A") -> Page:
        page = live(profile(site).sign_in("olivia", f"/zones/{zone}/"))
        page.get_by_role("button", name="Add record").click()
        page.locator(".editor [name=name]").fill(name)
        page.get_by_label("Type", exact=True).last.select_option(kind)
        return page

    return begin


@pytest.mark.parametrize("length", [255, 256, 600])
def test_long_text_is_cut_into_strings_and_whole_again_in_its_field(new_record, length):
    text = ("ü" + "x" * 99) * 6
    page = new_record("long", "TXT")
    page.get_by_label("Text", exact=True).fill(text[:length])
    page.get_by_role("button", name="Save").click()

    expect(row(page, "long")).to_be_visible()
    row(page, "long").get_by_role("button", name="Edit long TXT").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value(text[:length])


def test_what_saving_would_warn_of_is_said_while_one_types(site, zone, new_record):
    page = new_record("under_score")
    page.get_by_label("IPv4 address").fill("192.0.2.1")

    expect(page.locator(".editor [data-foreseen]")).to_contain_text("under_score is no host name")
    assert site.client("olivia").get(f"/api/zones/{zone}/records/", name="under_score").data["count"] == 0
    page.locator(".editor [name=name]").fill("underscore")
    expect(page.locator(".editor [data-foreseen]")).to_be_empty()
    page.get_by_role("button", name="Save").click()
    expect(row(page, "underscore")).to_be_visible()
    expect(page.locator("#toasts")).not_to_contain_text("but look")


def test_a_new_record_takes_the_ttl_of_its_rrset_and_shows_it(new_record):
    page = new_record("www")
    page.get_by_label("IPv4 address").fill("192.0.2.2")
    expect(page.locator(".editor [name=ttl]")).to_have_attribute("placeholder", "300")
    page.get_by_role("button", name="Save").click()

    expect(row(page, "www").locator("[data-slot=ttl]")).to_have_text(["300", "300"])


def test_a_field_says_what_it_is_for_and_what_is_wrong_with_it(new_record):
    page = new_record("@", "MX")
    preference, exchange = page.get_by_label("Preference", exact=True), page.get_by_label("Mail server", exact=True)
    expect(preference).to_have_accessible_description("Lower is tried first.")
    expect(preference).to_have_attribute("placeholder", "10")
    preference.fill("70000")
    page.get_by_role("button", name="Save").click()

    expect(preference).to_have_accessible_description(
        "Lower is tried first. Preference is a whole number from 0 to 65535"
    )
    expect(exchange).to_have_attribute("aria-invalid", "true")
    preference.fill("10")
    exchange.fill("mail.example.net.")
    page.get_by_role("button", name="Save").click()
    expect(row(page, "@").filter(has_text="mail.example.net.")).to_be_visible()


def test_a_new_record_of_a_reverse_zone_is_a_pointer_to_begin_with(site, make_zone, profile):
    page = live(profile(site).sign_in("olivia", f"/zones/{make_zone(name='113.0.203.in-addr.arpa')}/"))
    page.get_by_role("button", name="Add record").click()
    expect(page.locator(".editor [name=type]")).to_have_value("PTR")
