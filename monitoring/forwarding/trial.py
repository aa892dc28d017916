"""A test on demand: every target asked at once, over each transport that it may be asked by."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from monitoring.forwarding.probes import ask_all, wrong
from monitoring.forwarding.watch import question, server
from monitoring.models import Forwarder, Transport


def try_out(forwarder: Forwarder) -> dict[str, Any]:
    """Ask, and answer what came. Counts for no state: that is what the regular probes are for."""
    asked = [
        (target, msgspec.structs.replace(server(target), transport=transport))
        for target in forwarder.targets.all()
        for transport in _transports(target.transport)
    ]
    answers = asyncio.run(ask_all([(how, question(forwarder)) for _, how in asked]))
    verdicts = wrong(answers, forwarder.expected)
    return {
        "forwarder": forwarder.pk,
        "question": str(question(forwarder)),
        "ok": all(answer.ok for answer in answers) and not any(verdicts),
        "results": [
            {
                "target": target.pk,
                "address": target.address,
                "port": target.port,
                "transport": how.transport,
                "ok": answer.ok,
                "latency_ms": answer.latency_ms,
                "rcode": answer.rcode,
                "records": list(answer.records),
                "error": answer.error,
                "wrong": is_wrong,
            }
            for (target, how), answer, is_wrong in zip(asked, answers, verdicts, strict=True)
        ],
    }


def _transports(own: str) -> tuple[str, ...]:
    """A server for plain DNS has to answer over UDP and TCP (RFC 7766)."""
    return (own,) if own == Transport.DOT else (Transport.UDP.value, Transport.TCP.value)
