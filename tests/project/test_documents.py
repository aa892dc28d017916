"""The documents: links lead somewhere, examples run, and what the code points to is there."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser

from realtime.events import EventType
from realtime.export import CloseCode, ErrorCode
from realtime.protocol import HELP
from tests.parts.site import CHECKOUT, Site

DOCS = CHECKOUT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[\w-]+)?\)")
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {"#" + re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower())).strip("-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md"], ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name} -> {target}"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{page.name} -> {target}{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_site_serves_every_page_and_its_links(page: Path, db: None) -> None:
    name = str(page.relative_to(DOCS)).removesuffix(".md").removesuffix("/README")
    answer = Browser().get("/docs/" if name == "index" else f"/docs/{name}/")
    assert answer.status_code == 200
    for link in set(re.findall(r'href="(/docs/[^"#]*)', answer.content.decode())):
        assert Browser().get(link).status_code == 200, link


@pytest.mark.parametrize("name", ["nowhere", "../settings", "how-to", "reference/asyncapi.json"])
def test_what_is_no_page_is_not_found(name: str, db: None) -> None:
    assert Browser().get(f"/docs/{name}/").status_code == 404


def test_what_errors_point_to_is_there(db: None) -> None:
    path, _, anchor = HELP.partition("#")
    answer = Browser().get(path)
    assert answer.status_code == 200
    assert f'id="{anchor}"' in answer.content.decode()


def test_every_code_is_explained() -> None:
    text = (DOCS / "reference" / "protocol.md").read_text()
    assert [code for code in ErrorCode if f"`{code}`" not in text] == []
    assert [int(code) for code in CloseCode if f"| {int(code)} |" not in text] == []


def test_every_event_is_in_the_reference() -> None:
    from realtime.registry import registry

    text = (DOCS / "reference" / "events.md").read_text()
    assert [spec.event_type for spec in registry if spec.event_type in EventType and spec.event_type not in text] == []


def test_the_documents_build_as_a_site_of_files(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(CHECKOUT / "zensical.toml", tmp_path)
    program = Path(sys.executable).parent / "zensical"
    done = subprocess.run([program, "build"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "var" / "documents" / "how-to" / "leave-the-old-sockets" / "index.html").is_file()


# -- examples ---------------------------------------------------------------------------------------------------------------


def commands(page: Path) -> list[str]:
    return [line[2:] for block in CONSOLE.findall(page.read_text()) for line in block.splitlines() if line[:2] == "$ "]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_work_in_their_order(page: Path, site: Site, tmp_path: Path) -> None:
    site.client("admin").post("/api/zones/", {"name": f"{page.stem}.documented.example", "kind": "primary"})
    events = site.client("admin").get("/api/realtime/events/", event_type="zone_created").data["results"]
    for command in commands(page):
        words = shlex.split(command.replace("$EVENT_ID", events[0]["id"]))
        assert words[:2] == [".venv/bin/python", "manage.py"], command
        words = [str(tmp_path / word) if word.endswith(".tar.gz") else word for word in words[2:]]
        site.manage(*words)


EXAMPLES = [(page.stem, code) for page in PAGES for code in PYTHON.findall(page.read_text())]


@pytest.mark.parametrize(("name", "code"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
async def test_the_python_of_a_page_runs(name: str, code: str, site: Site) -> None:
    names: dict[str, Any] = {}
    exec(compile(code, name, "exec"), names)  # our own example
    example = names.get("watch") or names["follow"]
    came = asyncio.Event()
    heard: list[dict[str, Any]] = []
    arguments = [lambda data: heard.append(data) or came.set()] if example.__code__.co_argcount == 3 else []
    token = await asyncio.to_thread(site.token, "olivia")
    running = asyncio.create_task(example(site.socket_url(), token, *arguments))
    zone = f"{name}.example"
    client = await asyncio.to_thread(site.client, "olivia")
    await asyncio.to_thread(client.post, "/api/zones/", {"name": zone, "kind": "primary"})
    record = {"name": "www", "type": "A", "ttl": 300, "content": "192.0.2.1"}
    answer = await asyncio.to_thread(client.post, f"/api/zones/{zone}/records/", record)
    async with asyncio.timeout(60):
        number = 0
        while not (running.done() or came.is_set()):  # until the example listens, and hears one
            number += 1
            record = {"ttl": 300 + number, "content": f"192.0.2.{number % 250}", "version": answer.data["version"]}
            answer = await asyncio.to_thread(client.patch, f"/api/zones/{zone}/records/{answer.data['id']}/", record)
            more = {"name": f"n{number}", "type": "A", "ttl": 300, "content": "192.0.2.9"}
            await asyncio.to_thread(client.post, f"/api/zones/{zone}/records/", more)
            await asyncio.sleep(0.2)
    if not running.cancel():
        running.result()
    await asyncio.gather(running, return_exceptions=True)
    assert all("record" in data for data in heard)
