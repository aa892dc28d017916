"""Traffic of the demo: a few questions a second to its own name server, on loopback, so that its pages are alive.

Only names of the demo's own zones and policies are asked for, so nothing leaves the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import random

import dns.asyncquery
import dns.exception
import dns.message
import dns.rdatatype
from django.conf import settings

from zones.collectors import collector
from zones.nameserver.endpoint import endpoint

PER_S = 3.0
ANSWER_WITHIN_S = 1.0

ASKED = (
    (20, "www.example.com A"), (14, "www.example.com AAAA"), (10, "api.example.com A"), (7, "www.example.net A"),
    (7, "example.com MX"), (6, "mail.example.com A"), (5, "www.example.org A"), (5, "status.example.net AAAA"),
    (4, "www.team.example A"), (3, "wiki.team.example A"), (3, "build.team.example AAAA"), (3, "example.com TXT"),
    (2, "25.2.0.192.in-addr.arpa PTR"), (2, "_sip._tcp.example.com SRV"), (2, "example.com HTTPS"),
    (2, "git.example.com SSHFP"), (1, "pr-17.preview.example.com A"), (1, "old-printer.example.com A"),
    (1, "wpad.team.example A"), (1, "example.org NS"), (1, "example.com CAA"), (1, "_dmarc.example.com TXT"),
)  # fmt: skip
"""How often, and what: most questions are about few names, and some about names that are not there."""

BLOCKED = ("malware.test", "cdn.malware.test", "phish.test", "tracker.test", "banners.adserver.test")
"""Names that the demo's policies stop; about one in twenty questions."""


def _in_the_demo() -> bool:
    return bool(settings.SITE.demo and not settings.NAMED.host)


@collector("demo queries", wanted=_in_the_demo)
async def ask_now_and_then() -> None:
    """Ask until cancelled. Raises `NameServerError` while it is not known where the server is."""
    where = endpoint()
    weights = [weight for weight, _ in ASKED]
    while True:
        await asyncio.sleep(random.expovariate(PER_S))
        if random.random() < 0.05:
            name, kind = random.choice(BLOCKED), "A"
        else:
            name, kind = random.choices(ASKED, weights)[0][1].split()
        question = dns.message.make_query(name, dns.rdatatype.from_text(kind))
        with contextlib.suppress(dns.exception.DNSException, OSError):  # the server may be down; others tell of that
            client = f"127.0.0.{random.randint(2, 30)}"
            await dns.asyncquery.udp(question, where.host, ANSWER_WITHIN_S, where.port, source=client)
