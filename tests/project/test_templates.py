"""The pages obey the content security policy by construction: nothing inline, nothing from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = sorted((CHECKOUT / "templates").rglob("*.html"))


class Offences(HTMLParser):
    """What in a page the policy would refuse."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if tag == "style" or "style" in values:
            self.found.append(f"<{tag}>: an inline style")
        # Data for scripts is no script: browsers do not run a type that they do not know.
        if tag == "script" and "src" not in values and values.get("type") != "application/json":
            self.found.append("<script>: an inline script")
        self.found += [f"<{tag} {name}>: an inline handler" for name in values if name.startswith("on")]
        for name in ("src", "href", "action", "formaction"):
            if values.get(name, "").strip().lower().startswith("javascript:"):
                self.found.append(f"<{tag} {name}>: a script as address")
        if tag in ("script", "link", "img", "iframe") and "//" in (values.get("src") or values.get("href") or ""):
            self.found.append(f"<{tag}>: from another site")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_template_has_nothing_inline_and_loads_nothing_from_elsewhere(template: Path) -> None:
    assert Offences(template.read_text()).found == []


class ProblemsOfFields(HTMLParser):
    """Where problems of fields are shown, and what says that it is described there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: list[str] = []
        self.described: set[str] = set()
        self.feed(text.replace("{{ ", "{{").replace(" }}", "}}"))  # ids have no spaces

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        if "data-problem-of" in values:
            self.places.append(values.get("id", ""))
        self.described.update(values.get("aria-describedby", "").split())


def test_what_is_wrong_with_a_field_is_shown_where_the_field_is_described() -> None:
    found = [ProblemsOfFields(template.read_text()) for template in TEMPLATES]
    assert any(page.places for page in found)
    assert [place for page in found for place in page.places if place not in page.described] == []


def test_the_policy_allows_nothing_inline() -> None:
    from django.conf import settings

    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    sources = [source for directive in policy.values() for source in directive]
    assert policy["default-src"] == ["'none'"]
    assert [source for source in sources if "unsafe" in source or source == "*"] == []


@pytest.mark.parametrize(
    "page",
    [
        "<p style='color: red'>",
        "<script>run()</script>",
        "<a onclick='run()'>",
        "<a href='javascript:run()'>",
        "<script src='https://elsewhere.example/x.js'></script>",
    ],
)
def test_an_offence_is_found(page: str) -> None:
    assert len(Offences(page).found) == 1
