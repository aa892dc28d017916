"""A newcomer follows the documents, to the letter: the site stands, and its upgrade loses no event."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator

import pytest

from tests.deploy.machine import Machine
from tests.parts.json_client import JsonClient
from tests.parts.site import CHECKOUT, PASSWORD
from tests.realtime.peer import Peer

DEPLOY = CHECKOUT / "deploy"
pytestmark = pytest.mark.timeout(600)  # two processes are started twice, one after the other


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which somebody has followed `how-to/deploy.md`. Its certificate is trusted here."""
    made = Machine(tmp_path_factory.mktemp("machine"))
    with pytest.MonkeyPatch.context() as patch:
        try:
            made.prepare()
            said = made.follow("how-to/deploy.md")
            assert said.count('"status": "ok"') == 3, said
            patch.setenv("SSL_CERT_FILE", str(made.certificate))
            yield made
        finally:
            made.stop()


def token(machine: Machine) -> str:
    answer = JsonClient(machine.url).post("/api/token/", {"username": "admin", "password": PASSWORD})
    assert answer.status == 200, answer.text
    return str(answer.data["access"])


def socket_url(machine: Machine) -> str:
    return f"{machine.url.replace('https', 'wss')}/ws/"


async def test_nginx_passes_sockets_on_and_keeps_figures_inside(machine: Machine) -> None:
    mine = await asyncio.to_thread(token, machine)
    async with Peer(socket_url(machine), token=mine) as admin:
        await admin.welcome()
        answer = await admin.ask("list_connections")
    assert answer["type"] == "response"
    assert (await asyncio.to_thread(JsonClient(machine.url).get, "/metrics")).status == 404
    for port in machine.web:
        figures = await asyncio.to_thread(JsonClient(f"http://127.0.0.1:{port}").get, "/metrics")
        assert "dnsadmin_realtime_" in figures.text
    assert mine not in machine.logs()


def test_pages_and_the_charts_library_are_served(machine: Machine) -> None:
    assert JsonClient(machine.url).get("/accounts/login/").status == 200
    assert JsonClient(machine.url).get("/static/uplot/uPlot.esm.js").status == 200


class Writer:
    """Makes zones through nginx until told to stop; a change that did not get through is sent again by its author."""

    def __init__(self, machine: Machine) -> None:
        self._client = JsonClient(machine.url, {"Authorization": f"Bearer {token(machine)}"})
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.made: list[str] = []
        self._thread.start()

    def _write(self) -> None:
        while not self._enough.wait(0.3):
            name = f"z{len(self.made)}.example"
            while not self._create(name) and not self._enough.wait(0.2):
                pass
            self.made.append(name)

    def _create(self, name: str) -> bool:
        try:
            answer = self._client.post("/api/zones/", {"name": name, "kind": "primary"})
        except OSError:
            return False
        # 400: it was made, though the answer to the first attempt got lost.
        return answer.status == 201 or (answer.status == 400 and "exists" in answer.text)

    def stop(self) -> None:
        self._enough.set()
        self._thread.join()


async def test_an_upgrade_by_the_document_loses_no_event(machine: Machine) -> None:
    from realtime.client import Client

    seen: list[str] = []

    async def follow(watching: Client) -> None:
        async for event in watching.events():
            if event["event_type"] == "zone_created":
                seen.append(event["data"]["zone"])  # noqa: PERF401  # looked at while it grows

    mine = await asyncio.to_thread(token, machine)
    async with Client(socket_url(machine), token=mine, name="upgrade") as watching:
        await watching.subscribe("zone_created")
        following = asyncio.create_task(follow(watching))
        writer = await asyncio.to_thread(Writer, machine)
        try:
            await asyncio.to_thread(machine.release)
            said = await asyncio.to_thread(machine.follow, "how-to/upgrade.md")
        finally:
            await asyncio.to_thread(writer.stop)
        async with asyncio.timeout(60):
            while len(seen) < len(writer.made):  # noqa: ASYNC110  # what it looks at has no event to wait for
                await asyncio.sleep(0.2)
        following.cancel()
    assert "next_release" in said, "its migration was applied"
    assert sorted(seen) == sorted(writer.made), "each once, none missed"
    assert len(seen) > 5


def test_every_figure_of_dashboard_and_rules_exists(machine: Machine) -> None:
    figures = JsonClient(f"http://127.0.0.1:{machine.web[0]}").get("/metrics").text
    known = set(re.findall(r"^# TYPE (\S+)", figures, re.MULTILINE))
    text = (DEPLOY / "grafana" / "dashboard.json").read_text() + (DEPLOY / "prometheus" / "rules.yml").read_text()
    json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
    used = {name.removesuffix("_bucket") for name in re.findall(r"dnsadmin_realtime_\w+", text)}
    assert used <= known, sorted(used - known)
