"""The page that tries the name server and says what to mend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.parts.site import Site


def test_an_administrator_sees_what_works(site: Site, profile: Callable[..., Any]) -> None:
    page = profile(site).sign_in("admin", f"{site.url}/name-server/check/")
    page.get_by_role("button", name="Check now").click()
    page.get_by_role("heading", name="All is well").wait_for()
    assert page.locator("[data-finding]").count() >= 6


def test_with_a_server_that_is_not_there_each_failure_comes_with_its_remedy(
    start_site: Any, profile: Callable[..., Any]
) -> None:
    site: Site = start_site(NAMED_HOST="127.0.0.1", NAMED_RNDC_PORT=1)
    page = profile(site).sign_in("admin", f"{site.url}/name-server/check/")
    page.get_by_role("button", name="Check now").click()
    page.get_by_role("heading", name="to mend").wait_for()
    assert page.locator("[data-finding] pre").count() >= 1


def test_others_are_not_let_in(site: Site) -> None:
    cookie = site.cookie("olivia")
    answer = site.client().request("GET", "/name-server/check/", Cookie=cookie)
    assert answer.status == 302
