"""Forwarders of the demo, and small DNS servers on loopback for them to lead to: one that is good, one that is not always.

The same servers stand in for bad ones in the tests: they die, slow down and answer wrongly when they are told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import Literal

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from channels.db import database_sync_to_async
from django.conf import settings

from monitoring.forwarding import changes
from monitoring.models import Forwarder, ForwarderTarget
from zones.collectors import collector
from zones.nameserver.private import LOOPBACK, free_port

Mood = Literal["good", "silent", "slow", "wrong", "refusing"]

SLOW_S = 0.5
GOOD, FLAPPING = "branch.example", "lab.example"
"""The domains of the demo's two forwarders."""

_PLAYED: tuple[tuple[Mood, float], ...] = (
    ("good", 90),
    ("silent", 45),
    ("good", 90),
    ("slow", 60),
    ("good", 90),
    ("wrong", 45),
)
"""What the flapping server does, one after the other, and for how many seconds."""


class SmallServer(asyncio.DatagramProtocol):
    """Answers for every name: an SOA, an address. Over UDP and TCP on one port and, with `tls`, TLS instead of TCP.

    mood: how it behaves from now on. asked: questions that came, however it behaved.
    """

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.mood: Mood = "good"
        self.asked = 0
        self._tls = tls
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises `OSError` when the port is taken."""
        self._tcp = await asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=self._tls)
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(LOOPBACK, self.port))

    async def stop(self) -> None:
        """Stop listening."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for task in self._tasks:
            task.cancel()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.ensure_future(self._answer_datagram(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_datagram(self, data: bytes, addr: tuple[str, int]) -> None:
        if (answer := await self._answer(data)) is not None and self._udp is not None:
            self._udp.sendto(answer, addr)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = await self._answer(await reader.readexactly(length))
                if answer is None:
                    break
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        writer.close()

    async def _answer(self, data: bytes) -> bytes | None:
        self.asked += 1
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        if self.mood == "silent" or not query.question:
            return None
        if self.mood == "slow":
            await asyncio.sleep(SLOW_S)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        if self.mood == "refusing":
            answer.set_rcode(dns.rcode.REFUSED)
            return answer.to_wire()
        asked = query.question[0]
        host = "rogue" if self.mood == "wrong" else "ns1"
        texts = {
            dns.rdatatype.SOA: f"{host}.{GOOD}. hostmaster.{GOOD}. 1 3600 600 86400 60",
            dns.rdatatype.A: "203.0.113.66" if self.mood == "wrong" else "192.0.2.10",
        }
        if text := texts.get(asked.rdtype):
            answer.answer.append(dns.rrset.from_text(asked.name, 5, "IN", dns.rdatatype.to_text(asked.rdtype), text))
        return answer.to_wire()


def make_forwarders() -> None:
    """The demo's forwarders, on ports that are free now."""
    good, spare, flapping = (free_port() for _ in range(3))
    changes.create(
        {"domain": GOOD, "comment": "Names of the branch office (demo: two good servers on this machine)"},
        [{"address": LOOPBACK, "port": good}, {"address": LOOPBACK, "port": spare}],
    )
    changes.create(
        {
            "domain": FLAPPING,
            "comment": "Names of the lab (demo: its first server is not always well)",
            "expected": f"SOA ns1.{GOOD}. hostmaster.{GOOD}.",
        },
        [{"address": LOOPBACK, "port": flapping}, {"address": LOOPBACK, "port": good}],
    )


@collector("demo forwarders", wanted=lambda: settings.SITE.demo)
async def play() -> None:
    """Serve what the demo's forwarders lead to, until cancelled. The first target of `FLAPPING` has its moods."""
    ports = await database_sync_to_async(_ports, thread_sensitive=False)()
    servers = {port: SmallServer(port) for port, _ in ports}
    try:
        for server in servers.values():
            await server.start()
        actors = [servers[port] for port, flaps in ports if flaps]
        began = time.monotonic()
        while True:
            for actor in actors:
                actor.mood = _mood(time.monotonic() - began)
            await asyncio.sleep(1)
    finally:
        for server in servers.values():
            await server.stop()


def _ports() -> list[tuple[int, bool]]:
    """The ports on this machine that the demo's forwarders lead to, and whether what listens there flaps."""
    targets = ForwarderTarget.objects.filter(forwarder__domain__in=(GOOD, FLAPPING), address=LOOPBACK)
    flapping = Forwarder.objects.filter(domain=FLAPPING).first()
    first = flapping.targets.first() if flapping else None
    ports = sorted(set(targets.exclude(port=settings.NAMED.port).values_list("port", flat=True)))
    return [(port, first is not None and port == first.port) for port in ports if port > 1023]


def _mood(seconds: float) -> Mood:
    passed = seconds % sum(length for _, length in _PLAYED)
    for mood, length in _PLAYED:
        if passed < length:
            return mood
        passed -= length
    return "good"
