"""Questions to the targets of forwarders, over UDP, TCP and TLS (RFC 7858), and what comes back."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Sequence

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import msgspec

from monitoring.models import Transport

TIMEOUT_S = 2.0
AT_ONCE = 10
"""Probes under way together; with more of them the latencies would be our own."""

_USEFUL = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


class Question(msgspec.Struct, frozen=True):
    """What targets are asked. name: with or without the final dot."""

    name: str
    type: str

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to ask, and how. tls_name: the name its certificate must be for; without one it is not checked."""

    address: str
    port: int
    transport: str = Transport.UDP.value
    tls_name: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a probe. ok: an answer that is of use (NOERROR or NXDOMAIN). records: sorted, as `TYPE rdata`."""

    ok: bool
    latency_ms: float | None = None
    rcode: str | None = None
    records: tuple[str, ...] = ()
    error: str = ""

    @property
    def says(self) -> tuple[str | None, tuple[str, ...]]:
        """What is compared between targets."""
        return self.rcode, self.records


async def ask(server: Server, question: Question, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Ask one server once. Never raises for what a server or the network does."""
    query = dns.message.make_query(question.name, question.type)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s + 0.5):
            answer = await _exchange(query, server, timeout_s)
    except (TimeoutError, dns.exception.Timeout):
        return Answer(ok=False, error=f"no answer within {timeout_s:g} s")
    except ssl.SSLError as error:
        return Answer(ok=False, error=f"TLS: {error.reason or error}")
    except dns.exception.DNSException as error:
        return Answer(ok=False, error=f"the answer cannot be read: {type(error).__name__}")
    except (OSError, EOFError) as error:
        return Answer(ok=False, error=getattr(error, "strerror", None) or "the connection was closed")
    latency_ms = round(1000 * (time.perf_counter() - began), 2)
    rcode = dns.rcode.to_text(answer.rcode())
    useful = answer.rcode() in _USEFUL
    return Answer(
        ok=useful,
        latency_ms=latency_ms,
        rcode=rcode,
        records=tuple(sorted(_records(answer.answer))),
        error="" if useful else f"it answers {rcode}",
    )


async def ask_all(asked: Sequence[tuple[Server, Question]], *, timeout_s: float = TIMEOUT_S) -> list[Answer]:
    """Ask many, a few at a time; the answers are in the order of the questions."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(server: Server, question: Question) -> Answer:
        async with room:
            return await ask(server, question, timeout_s=timeout_s)

    return list(await asyncio.gather(*(one(server, question) for server, question in asked)))


def wrong(answers: Sequence[Answer], expected: str) -> list[bool]:
    """Which of the answers of one forwarder's targets, in their order, are wrong: not what is expected (sorted lines
    `TYPE rdata`) or, where nothing is, not what most of them say; if they are even, what the first says is right.
    Targets without an answer of use are not wrong: they are worse."""
    useful = [answer.says for answer in answers if answer.ok]
    lines = tuple(sorted(line.strip() for line in expected.splitlines() if line.strip()))
    if lines:
        return [answer.ok and answer.records != lines for answer in answers]
    if not useful:
        return [False] * len(answers)
    votes = Counter(useful)
    right = max(useful, key=lambda says: (votes[says], -useful.index(says)))
    return [answer.ok and answer.says != right for answer in answers]


async def _exchange(query: dns.message.Message, server: Server, timeout_s: float) -> dns.message.Message:
    where, port = server.address, server.port
    if server.transport == Transport.DOT:
        context = ssl.create_default_context()
        if not server.tls_name:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return await dns.asyncquery.tls(
            query, where, timeout_s, port, ssl_context=context, server_hostname=server.tls_name or None
        )
    if server.transport == Transport.TCP:
        return await dns.asyncquery.tcp(query, where, timeout_s, port)
    answer, _ = await dns.asyncquery.udp_with_fallback(query, where, timeout_s, port, ignore_unexpected=True)
    return answer


def _records(rrsets: Sequence[dns.rrset.RRset]) -> list[str]:
    """Without times to live, which count down, and the serial of an SOA, which is not at every server at the same time."""
    found = []
    for rrset in rrsets:
        kind = dns.rdatatype.to_text(rrset.rdtype)
        for rdata in rrset:
            text = f"{rdata.mname} {rdata.rname}" if rrset.rdtype == dns.rdatatype.SOA else rdata.to_text()
            found.append(f"{kind} {text}")
    return found
