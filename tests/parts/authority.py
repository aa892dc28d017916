"""A small internet: one process's thread that answers with authority for every zone it is given, the root included.

`named` listens only at addresses that an interface has; a resolver under test needs name servers at others of loopback.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Mapping
from typing import cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.zone


class Authority:
    """Answers by UDP and TCP from zones given as text, by name. asked: the names and types of the questions, in order."""

    def __init__(self, address: str, port: int, zones: Mapping[str, str]) -> None:
        self.address, self.port = address, port
        self.zones = {
            dns.name.from_text(name): dns.zone.from_text(
                f"$TTL 60\n@ SOA ns h 1 3600 600 86400 5\n{text}", dns.name.from_text(name), relativize=False
            )
            for name, text in zones.items()
        }
        self.asked: list[tuple[str, str]] = []
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="authority", daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(5), f"{self.address} port {self.port} cannot be used"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def answer(self, wire: bytes) -> bytes:
        """The answer to one question."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        self.asked.append((question.name.to_text(), dns.rdatatype.to_text(question.rdtype)))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        zone = self.zones[max((name for name in self.zones if question.name.is_subdomain(name)), key=len)]
        node = zone.get_node(question.name)
        if node is None and not any(name.is_subdomain(question.name) for name in zone.nodes):
            response.set_rcode(dns.rcode.NXDOMAIN)
        found = node.get_rdataset(zone.rdclass, question.rdtype) if node else None
        if found is not None:
            rrset = response.find_rrset(response.answer, question.name, zone.rdclass, question.rdtype, create=True)
            rrset.update(found)  # type: ignore[no-untyped-call]
        else:
            assert zone.origin is not None
            soa = response.find_rrset(response.authority, zone.origin, zone.rdclass, dns.rdatatype.SOA, create=True)
            soa.update(zone.find_rdataset(zone.origin, dns.rdatatype.SOA))  # type: ignore[no-untyped-call]
        return response.to_wire()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        authority = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = cast("asyncio.DatagramTransport", transport)

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                self.transport.sendto(authority.answer(data), addr)

        async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    wire = self.answer(await reader.readexactly(length))
                    writer.write(struct.pack("!H", len(wire)) + wire)
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        async def listen() -> None:
            where = (self.address, self.port)
            await self._loop.create_datagram_endpoint(Datagrams, local_addr=where)
            await asyncio.start_server(stream, *where)
            self._started.set()

        self._loop.run_until_complete(listen())
        self._loop.run_forever()
