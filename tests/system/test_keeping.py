"""Backup, restore and maintenance of a running site."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.parts.postgres_server import PostgresServer
from tests.parts.site import Site
from tests.realtime.peer import as_person

EVERY_TABLE = """
import json
from dnsadmin.archive import tables
print(json.dumps({m._meta.db_table: m._base_manager.count() for m in tables()}))
"""


def add_zone(site: Site, name: str) -> int:
    return site.client("olivia").post("/api/zones/", {"name": name, "kind": "primary"}).status


def names(site: Site) -> set[str]:
    return {zone["name"] for zone in site.client("olivia").get("/api/zones/").data["results"]}


async def test_a_restored_site_is_as_it_was_and_its_clients_read_anew(
    start_site: Callable[..., Site], tmp_path: Path
) -> None:
    site = await asyncio.to_thread(start_site)
    archive = str(tmp_path / "all.tar.gz")
    assert await asyncio.to_thread(add_zone, site, "kept.example") == 201
    async with as_person(site, "admin") as admin:
        await admin.welcome()
        made = json.loads((await asyncio.to_thread(site.manage, "backup", archive, "--json")).stdout)
        backup = await admin.event("config_backup")
        assert (backup["data"]["file"], backup["data"]["rows"]) == ("all.tar.gz", made["rows"])
        before = json.loads(await asyncio.to_thread(site.python, EVERY_TABLE))
        assert await asyncio.to_thread(add_zone, site, "lost.example") == 201
        await admin.event("zone_created", zone="lost.example")
        await asyncio.to_thread(site.manage, "restore", archive, "--yes")
        assert await admin.closed(40) == 4002
        stale = admin.position
    after = json.loads(await asyncio.to_thread(site.python, EVERY_TABLE))
    changed = {table for table in before if before[table] != after[table]}
    # The site runs meanwhile, and makes the row of its roll-out when it first looks for one.
    goes_on = {table for table in before if table.startswith("monitoring_")} | {"realtime_rollout"}
    assert changed - goes_on <= {"realtime_logevent", "realtime_processorcursor"}
    assert await asyncio.to_thread(names, site) == {"kept.example"}
    async with as_person(site, "admin", since=stale) as admin:
        welcome = await admin.welcome()
        assert welcome["resumed"] == {"recovered": False, "reason": "epoch_changed"}
        assert await asyncio.to_thread(add_zone, site, "new.example") == 201
        await admin.event("zone_created", zone="new.example")


def test_an_archive_moves_from_sqlite_to_postgresql(
    start_site: Callable[..., Site], postgres_server: PostgresServer, tmp_path: Path
) -> None:
    small, big = start_site(), start_site(DATABASE_URL=postgres_server.create_database())
    add_zone(small, "moving.example")
    small.manage("backup", str(tmp_path / "a.tar.gz"))
    big.manage("restore", str(tmp_path / "a.tar.gz"), "--yes")
    assert "moving.example" in names(big)
    assert add_zone(big, "after.example") == 201  # the sequences go on behind what was restored


def test_a_damaged_archive_changes_nothing(site: Site, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.tar.gz", tmp_path / "bad.tar.gz"
    site.manage("backup", str(good))
    whole = good.read_bytes()

    def refused(content: bytes) -> str:
        bad.write_bytes(content)
        done = site.manage("restore", str(bad), "--yes", check=False)
        assert done.returncode == 1
        return done.stderr

    assert "no archive of this site" in refused(b"not an archive")
    assert "no archive of this site" in refused(whole[: len(whole) // 2])
    tampered = tmp_path / "tampered.tar.gz"
    with tarfile.open(good) as source, tarfile.open(tampered, "w:gz") as target:
        for member in source:
            file = source.extractfile(member)
            assert file is not None
            content = file.read()
            if member.name.endswith("auth_user.jsonl"):
                content = content.replace(b"olivia", b"mallory", 1)
                member.size = len(content)

            target.addfile(member, io.BytesIO(content))
    assert "auth_user.jsonl is not as it was written" in refused(tampered.read_bytes())
    assert add_zone(site, "still.example") == 201


def test_a_restore_asks_first(site: Site, tmp_path: Path) -> None:
    site.manage("backup", str(tmp_path / "a.tar.gz"))
    assert site.manage("restore", str(tmp_path / "a.tar.gz"), check=False).returncode == 1
    checked = json.loads(site.manage("restore", str(tmp_path / "a.tar.gz"), "--check", "--json").stdout)
    assert checked["restored"] is False
    again = site.manage("backup", str(tmp_path / "a.tar.gz"), check=False)
    assert "exists already" in again.stderr


async def test_maintenance_refuses_changes_and_tells_everyone(site: Site) -> None:
    async with as_person(site, "vera") as vera:
        await vera.welcome()
        await asyncio.to_thread(site.manage, "maintenance", "on", "--reason", "an upgrade")
        try:
            assert (await vera.event("maintenance_started"))["data"]["reason"] == "an upgrade"
            zone = {"name": "refused.example", "kind": "primary"}
            answer: Any = await asyncio.to_thread(site.client("olivia").post, "/api/zones/", zone)
            assert (answer.status, answer.data["code"]) == (503, "maintenance")
            assert answer.headers["Retry-After"]
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert (await asyncio.to_thread(site.client("olivia").get, "/api/zones/")).status == 200
            assert await asyncio.to_thread(site.cookie, "olivia")  # one can still sign in
            status = await asyncio.to_thread(site.manage, "maintenance", "status", "--json", check=False)
            assert (status.returncode, json.loads(status.stdout)["on"]) == (1, True)
        finally:
            await asyncio.to_thread(site.manage, "maintenance", "off")
        await vera.event("maintenance_completed")
    assert await asyncio.to_thread(add_zone, site, "taken.example") == 201
