"""The documents, served by the site itself: what an error's `help` points to is there, in the release that runs."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe
from markdown import Markdown

EXTENSIONS = ["tables", "fenced_code", "toc", "sane_lists"]
NAME = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)*")


@require_safe
def document(request: HttpRequest, name: str = "index") -> HttpResponse:
    """A page of `docs/` by its path without `.md`; no sign-in, as it holds nothing of this site."""
    name = name.strip("/")
    if name.endswith(".md"):
        return HttpResponsePermanentRedirect(f"/docs/{name[:-3]}/")
    path = source(name)
    if path is None:
        raise Http404(name)
    title, body = _rendered(path, path.stat().st_mtime_ns)
    return render(request, "document.html", {"title": title, "body": body, "is_index": name == "index"})


def source(name: str) -> Path | None:
    """The file of a page, or `None`."""
    if not NAME.fullmatch(name):
        return None
    docs = settings.BASE_DIR / "docs"
    found = (docs / f"{name}.md", docs / name / "README.md")
    return next((path for path in found if path.is_file()), None)


@lru_cache(maxsize=64)
def _rendered(path: Path, changed: int) -> tuple[str, SafeString]:
    """Title and HTML. The text is ours, a file of the release, so it may hold HTML."""
    markdown = Markdown(extensions=EXTENSIONS)
    here = path.parent.relative_to(settings.BASE_DIR / "docs")

    def to_page(match: re.Match[str]) -> str:
        target = (Path("/docs") / here / match["path"]).as_posix()
        parts: list[str] = []
        for part in target.split("/")[1:]:
            parts = parts[:-1] if part == ".." else [*parts, part]
        return f"]({'/' + '/'.join(parts).removesuffix('/README') + '/'}{match['anchor'] or ''})"

    text = re.sub(r"\]\((?P<path>[\w./-]+)\.md(?P<anchor>#[\w-]+)?\)", to_page, path.read_text())
    title = next((line[2:] for line in text.splitlines() if line.startswith("# ")), path.stem)
    return title, mark_safe(markdown.convert(text))  # noqa: S308  # see above
