"""The first paint needs no script: lists, search, filter, order and pages are plain HTML."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect


@pytest.fixture
def page(site, profile):
    return profile(site, java_script_enabled=False).sign_in_by_hand("vera")


def test_a_hundred_records_a_page_with_search_filter_and_order(make_zone, page):
    zone = make_zone(*((f"host{number:03}", "A", "192.0.2.1") for number in range(120)), ("mail", "MX", "10 host001"))
    page.goto(f"/zones/{zone}/")
    expect(page.locator("tr.record")).to_have_count(100)
    expect(page.get_by_text("1–100 of 123 records")).to_be_visible()

    page.get_by_role("link", name="Next").click()
    expect(page.locator("tr.record")).to_have_count(23)

    page.goto(f"/zones/{zone}/?type=MX")
    expect(page.locator("tr.record [data-slot=name]")).to_have_text(["mail"])

    page.get_by_role("searchbox", name="Part of name, content or comment").fill("host11")
    page.get_by_role("combobox", name="Type").select_option("")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tr.record")).to_have_count(10)

    page.get_by_role("link", name="Name").click()
    expect(page.locator("tr.record [data-slot=name]").first).to_have_text("host119")


def test_the_apex_comes_first_and_its_soa_before_all(make_zone, page):
    zone = make_zone(("@", "A", "192.0.2.1"), ("*", "A", "192.0.2.2"), ("a", "A", "192.0.2.3"))
    page.goto(f"/zones/{zone}/")
    assert page.locator("tr.record [data-slot=type]").all_inner_texts()[:3] == ["SOA", "NS", "A"]
    assert page.locator("tr.record [data-slot=name]").all_inner_texts()[3:] == ["*", "a"]


def test_a_filter_without_a_result_says_so_and_leads_back(make_zone, page):
    zone = make_zone()
    page.goto(f"/zones/{zone}/?q=nothing-like-this")
    expect(page.get_by_role("heading", name="No record fits")).to_be_visible()
    page.get_by_role("link", name="Show all records").click()
    expect(page.locator("tr.record")).to_have_count(2)


def test_whole_names_are_found_as_people_write_them(make_zone, page):
    zone = make_zone(("www", "A", "192.0.2.1"), ("mail", "A", "192.0.2.2"))
    page.goto(f"/zones/{zone}/?q=www.{zone}.")
    expect(page.locator("tr.record [data-slot=name]")).to_have_text(["www"])
