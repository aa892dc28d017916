"""Import and export on a whole site, with its web process, its synchronizer and its name server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.parts.site import CHECKOUT, Site
from zones.zonefile.read import read_zone_file

pytestmark = pytest.mark.timeout(300)


def zone_text(zone: str, hosts: int) -> str:
    head = f"$ORIGIN {zone}.\n$TTL 1h\n@ SOA ns hostmaster 2026112201 1d 2h 4w 5m\n@ NS ns\nns A 192.0.2.1\n"
    return head + "".join(f"h{number} A 10.0.{number // 250}.{number % 250}\n" for number in range(hosts))


def dig(site: Site, name: str, kind: str) -> list[str]:
    command = ["dig", "+short", "+norec", "@127.0.0.1", "-p", str(site.named_port), name, kind]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def test_a_file_sent_to_the_api_is_served_within_seconds(site: Site) -> None:
    olivia = site.client("olivia")
    answer = olivia.post(
        "/api/zones/by-http.test/import/", zone_text("by-http.test", 3).encode(), Content_Type="text/dns"
    )
    assert answer.status == 201, answer.text
    deadline = time.monotonic() + 20
    while olivia.get("/api/zones/by-http.test/").data["sync_state"] != "served":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert dig(site, "h2.by-http.test", "A") == ["10.0.0.2"]
    exported = olivia.get("/api/zones/by-http.test/export/")
    assert exported.headers["Content-Type"] == "text/dns; charset=us-ascii"
    assert len(read_zone_file(exported.text.encode(), "by-http.test").records) == 6


def test_a_script_imports_quietly_and_the_zone_is_served_when_it_ends(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "db"
    file.write_text(zone_text("by-script.test", 2000))
    ran = site.manage("zone_import", str(file), "--json")
    assert ran.stderr == ""
    assert json.loads(ran.stdout)["state"] == "served"
    assert dig(site, "h1999.by-script.test", "A") == ["10.0.7.249"]
    assert site.manage("zone_export", "by-script.test").stdout.count("\n") == 2004


def test_on_a_terminal_there_is_a_bar(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "db"
    file.write_text(zone_text("by-hand.test", 3000))
    ours, theirs = pty.openpty()
    command = [sys.executable, "manage.py", "zone_import", str(file)]
    environment = site.environment() | {"TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=theirs, stderr=theirs, close_fds=True)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        seen += piece
    assert process.wait() == 0
    assert "━".encode() in seen
    assert b"by-hand.test: new zone with 3,003 records; served at serial 2026112202" in seen


def test_others_are_answered_while_a_large_zone_comes_in(site: Site) -> None:
    """The web process reads and writes it in a thread, and its event loop stays free."""
    text = zone_text("large.test", 20_000).encode()
    olivia = site.client("olivia")
    answers: list[int] = []

    def send() -> None:
        answers.append(olivia.post("/api/zones/large.test/import/", text, Content_Type="text/dns").status)

    importing = threading.Thread(target=send)
    importing.start()
    waits = []
    while importing.is_alive():
        began = time.monotonic()
        assert site.client().get("/health/live").status == 200
        waits.append(time.monotonic() - began)
        time.sleep(0.05)
    assert answers == [201]
    assert len(waits) > 5, "many were answered meanwhile"
