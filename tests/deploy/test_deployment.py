"""The site as `deploy/` sets it up: nginx before two web processes, PostgreSQL, Redis and the monitors.

The files are the real ones; what this machine has differently (ports, paths, a certificate) is put in place of theirs.
"""

from __future__ import annotations

import asyncio
import configparser
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.json_client import JsonClient
from tests.parts.ports import free_port
from tests.parts.postgres_server import PostgresServer
from tests.parts.process import Process
from tests.parts.redis_server import RedisServer
from tests.parts.site import CHECKOUT, PASSWORD, Site
from tests.realtime.peer import Peer

DEPLOY = CHECKOUT / "deploy"
PYTHON = "/opt/dnsadmin/.venv/bin/python"


def command_of(unit: str, instance: str = "") -> list[str]:
    """What a systemd unit starts, with the Python of this checkout."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((DEPLOY / "systemd" / unit).read_text())
    return shlex.split(parser["Service"]["ExecStart"].replace("%i", instance).replace(PYTHON, sys.executable))


class Deployment:
    """All of it. `url` is where nginx listens."""

    def __init__(self, directory: Path, database_url: str, redis_url: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # Plain HTTP here: DNSADMIN_TLS is what the environment file has on a real machine.
        self.site = Site(directory, DATABASE_URL=database_url, REDIS_URL=redis_url, ORIGINS=self.url)
        self.web = [self._web(self.site), self._web(self.site.twin())]
        self.monitors = Process(command_of("dnsadmin-monitors.service"), directory / "monitors.log")
        self.nginx = Process(["nginx", "-c", str(self._configuration())], directory / "nginx.log")

    def _web(self, site: Site) -> Site:
        site.process = Process(
            command_of("dnsadmin-web@.service", str(site.port)), self.directory / f"web-{site.port}.log"
        )
        return site

    def _configuration(self) -> Path:
        """`deploy/nginx/dnsadmin.conf` on ports of this test, without TLS, in an nginx that needs no root."""
        text = (DEPLOY / "nginx" / "dnsadmin.conf").read_text()
        text = text.replace("8001", str(self.web[0].port)).replace("8002", str(self.web[1].port))
        text = re.sub(r"server \{\n    listen 80;.*?\n\}\n", "", text, flags=re.DOTALL)
        text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{self.port};").replace("dns.example.com", "_")
        text = re.sub(r"^    ssl_.*\n", "", text, flags=re.MULTILINE)
        file = self.directory / "nginx.conf"
        paths = "".join(
            f"{kind}_temp_path {self.directory}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file.write_text(
            f"daemon off;\npid {self.directory}/nginx.pid;\nerror_log {self.directory}/error.log;\n"
            f"events {{}}\nhttp {{\naccess_log {self.directory}/access.log;\n{paths}{text}\n}}\n"
        )
        return file

    def start(self) -> None:
        self.site.prepare()
        for web in self.web:
            web.start()
        self.monitors.start(lambda: True, env=self.site.environment(), cwd=CHECKOUT)
        self.nginx.start(self.answers)

    def answers(self) -> bool:
        try:
            return JsonClient(self.url).get("/health/ready").status == 200
        except OSError:
            return False

    def stop(self) -> None:
        for process in (self.nginx, self.monitors):
            process.stop()
        for web in self.web:
            web.stop()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Deployment]:
    directory = tmp_path_factory.mktemp("deployment")
    redis = RedisServer(directory)
    redis.start()
    made = Deployment(directory, postgres_server.create_database(), redis.url)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        redis.stop()


@pytest.mark.timeout(400)  # two processes are restarted, one after the other
def test_an_upgrade_process_by_process_loses_no_event(deployment: Deployment) -> None:
    token = JsonClient(deployment.url).post("/api/token/", {"username": "olivia", "password": PASSWORD}).data["access"]
    client = JsonClient(deployment.url, {"Authorization": f"Bearer {token}"})
    made: list[str] = []

    def add(number: int) -> None:
        """Add a zone; a change that nginx could not hand on is sent again by its author."""
        name = f"z{number}.example"
        until = time.monotonic() + 60
        while client.post("/api/zones/", {"name": name, "kind": "primary"}).status not in (201, 409, 400):
            assert time.monotonic() < until
            time.sleep(0.2)
        made.append(name)

    async def follow() -> list[str]:
        from realtime.client import Client

        url = f"ws://127.0.0.1:{deployment.port}/ws/"
        seen: list[str] = []
        async with Client(url, token=token, name="upgrade") as watching:
            await watching.subscribe("zone_created")
            upgrading = asyncio.create_task(asyncio.to_thread(upgrade))
            async for event in watching.events():
                if event["event_type"] == "zone_created":
                    seen.append(event["data"]["zone"])
                if seen and seen[-1] == "z8.example":
                    break
            await upgrading
        return seen

    def upgrade() -> None:
        number = iter(range(1, 9))
        add(next(number))
        for web in deployment.web:
            web.process.signal(15)
            add(next(number))
            web.process.wait()
            add(next(number))
            web.start()
            add(next(number))
        add(next(number))
        while (last := next(number, None)) is not None:
            add(last)

    seen = asyncio.run(asyncio.wait_for(follow(), 280))
    assert sorted(set(seen)) == sorted(made)


async def test_nginx_passes_sockets_on_and_keeps_figures_inside(deployment: Deployment) -> None:
    token = await asyncio.to_thread(
        lambda: (
            JsonClient(deployment.url).post("/api/token/", {"username": "admin", "password": PASSWORD}).data["access"]
        )
    )
    async with Peer(f"ws://127.0.0.1:{deployment.port}/ws/", token=token) as admin:
        await admin.welcome()
        answer = await admin.ask("list_connections")
    assert answer["type"] == "response"
    assert (await asyncio.to_thread(JsonClient(deployment.url).get, "/metrics")).status == 404
    assert token not in (deployment.directory / "access.log").read_text()


def test_the_nginx_configuration_is_right_as_it_is(tmp_path: Path) -> None:
    certificate = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=dns.example.com",
    ]
    made = [*certificate, "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "pem")]
    subprocess.run(made, check=True, capture_output=True)
    text = (DEPLOY / "nginx" / "dnsadmin.conf").read_text()
    text = text.replace("/etc/ssl/certs/dnsadmin.pem", f"{tmp_path}/pem")
    text = text.replace("/etc/ssl/private/dnsadmin.key", f"{tmp_path}/key")
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{text}\n}}\n")
    tried = subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr


@pytest.mark.parametrize("path", sorted((DEPLOY / "systemd").iterdir()), ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_there_is(path: Path) -> None:
    command = command_of(path.name, "8001")
    done = subprocess.run([*command, "--help"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_figure_of_dashboard_and_rules_exists(site: Site) -> None:
    known = set(re.findall(r"^# TYPE (\S+)", site.client().get("/metrics").text, re.MULTILINE))
    text = (DEPLOY / "grafana" / "dashboard.json").read_text() + (DEPLOY / "prometheus" / "rules.yml").read_text()
    json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    used = {name.removesuffix("_bucket") for name in re.findall(r"dnsadmin_realtime_\w+", text)}
    assert used <= known, sorted(used - known)
