"""People in front of a real Chromium, each in a browser profile of their own, signed in through the login page."""

from __future__ import annotations

import shutil
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Response

from tests.parts.site import PASSWORD, Site

FLAGS = [
    "--no-sandbox",  # the sandbox does not work for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright: Playwright) -> Browser:
    program = shutil.which("chromium")
    assert program, "chromium is not installed"
    return playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)


class Profile:
    """One person's browser: pages that share cookies, storage and workers.

    `complaints` gathers what no page should ever cause: uncaught errors, refusals by the content security policy, and
    server errors. Failed requests are not among them: tests end servers on purpose.
    """

    def __init__(self, browser: Browser, site: Site, **options: Any) -> None:
        self.site = site
        self.complaints: list[str] = []
        self.context: BrowserContext = browser.new_context(base_url=site.url, **options)
        self.context.set_default_timeout(15_000)
        self.context.on("page", self._watch)

    def sign_in(self, username: str, path: str = "/") -> Page:
        """Have a new session of this person, and open a page in it."""
        pairs = (pair.split("=", 1) for pair in self.site.cookie(username).split("; "))
        self.context.add_cookies([{"name": name, "value": value, "url": self.site.url} for name, value in pairs])
        return self.open(path)

    def sign_in_by_hand(self, username: str) -> Page:
        """Sign in on the login page; answers the page that one lands on."""
        page = self.open("/accounts/login/")
        page.locator("input[name=username]").fill(username)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)
        return page

    def open(self, path: str) -> Page:
        """Open a page in a new tab."""
        page = self.context.new_page()
        page.goto(path)
        return page

    def close(self) -> None:
        self.context.close()

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("console", self._listen)
        page.on("response", self._check)

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def _check(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status} {response.url}")
