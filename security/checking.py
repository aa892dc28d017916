"""Why a name is blocked, or not: what the rules say, and what the running `named` does.

The two are found out apart: by the rows here, and by asking the server and reading what its log says about that very query.
Where they differ the answer says so.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
import time
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import msgspec

from security import triggers
from security.matching import Match, acting, rule_of_hit
from security.triggers import Action, TriggerType
from zones.nameserver.endpoint import Endpoint, endpoint
from zones.nameserver.errors import NameServerError
from zones.nameserver.query_log import PolicyHit, Unreadable, parse_hits

ANSWER_WITHIN_S = 2.0
LOG_WITHIN_S = 0.5


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What the name server did with the question. asked: whether it could be asked. as_client: the address it was asked
    from, which is only that of the client where that is ours. hits: what its policies did, those on trial included;
    `None` where its log cannot be read."""

    asked: bool
    as_client: str = ""
    rcode: str = ""
    answer: list[str] = []
    hits: list[dict[str, Any]] | None = None
    policy: str | None = None
    agrees: bool | None = None
    note: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What would happen. acts: the match that decides. trials: what is only logged. later: what would act if that did not."""

    name: str
    client: str | None
    acts: Match | None
    trials: list[Match]
    later: list[Match]
    running: Running


def check(name: str, client: str | None) -> Verdict:
    """Look a name up in all policies, as `client` if given. Raises `ValueError` for what is no name or no address."""
    stored = triggers.trigger(TriggerType.QNAME, name)
    if stored == "*" or stored.startswith("*."):
        raise ValueError("a single name is meant, not a wildcard")
    address = ipaddress.ip_address(client) if client else None
    found = acting(stored, str(address) if address else None)
    decisive = [match for match in found if not match.trial]
    acts = decisive[0] if decisive else None
    return Verdict(
        name=stored,
        client=str(address) if address else None,
        acts=acts,
        trials=[match for match in found if match.trial],
        later=decisive[1:],
        running=_ask(stored, str(address) if address else None, acts),
    )


def _ask(name: str, client: str | None, expected: Match | None) -> Running:
    try:
        where = endpoint()
    except NameServerError as error:
        return Running(asked=False, note=error.message)
    source = client if client and ipaddress.ip_address(client).is_loopback else ""
    query = dns.message.make_query(name, dns.rdatatype.A)
    query.id = secrets.randbits(16)
    log = _end_of_log(where)
    try:
        port, response = _exchange(where, query, source)
    except OSError as error:
        return Running(asked=False, note=f"the name server cannot be asked: {error}")
    hits = _hits(where, log, port, expects=expected is not None)
    acted = next((hit for hit in hits if not hit.trial), None) if hits is not None else None
    return Running(
        asked=True,
        as_client=source or "127.0.0.1",
        rcode=dns.rcode.to_text(response.rcode()) if response else "no answer",
        answer=[rrset.to_text() for rrset in response.answer][:20] if response else [],
        hits=[_shown(hit) for hit in hits] if hits is not None else None,
        policy=policy_name(acted),
        agrees=_agrees(expected, acted) if hits is not None else None,
        note=_note(client, source, response),
    )


def _exchange(where: Endpoint, query: dns.message.Message, source: str) -> tuple[int, dns.message.Message | None]:
    """The port asked from, and the answer, if one came."""
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        if source:
            asking.bind((source, 0))
        asking.connect((where.host, where.port))
        asking.settimeout(ANSWER_WITHIN_S)
        asking.send(query.to_wire())
        port: int = asking.getsockname()[1]
        try:
            answer = dns.message.from_wire(asking.recv(65535))
        except (TimeoutError, dns.exception.DNSException):
            return port, None
        return port, answer if answer.id == query.id else None


def _end_of_log(where: Endpoint) -> int | None:
    if where.log_dir is None:
        return None
    try:
        return (where.log_dir / "rpz.log").stat().st_size
    except OSError:
        return None


def _hits(where: Endpoint, start: int | None, port: int, *, expects: bool) -> list[PolicyHit] | None:
    """What the log says about the query from `port`. Where nothing is expected, a short look is enough."""
    if start is None or where.log_dir is None:
        return None
    deadline = time.monotonic() + (LOG_WITHIN_S if expects else LOG_WITHIN_S / 5)
    while True:
        with open(where.log_dir / "rpz.log", "rb") as file:
            file.seek(start)
            found = [hit for hit in parse_hits(file.read(), Unreadable()) if hit.port == str(port)]
        if any(not hit.trial for hit in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def _shown(hit: PolicyHit) -> dict[str, Any]:
    return {
        "policy": policy_name(hit),
        "trigger_type": triggers.OF_LOG.get(hit.trigger, hit.trigger.lower()),
        "action": hit.action.lower().replace("-", "_"),
        "via": hit.via,
        "trial": hit.trial,
    }


def policy_name(hit: PolicyHit | None) -> str | None:
    """The name of the policy that acted."""
    found = rule_of_hit(hit) if hit is not None else None
    return found.policy if found else None


def _agrees(expected: Match | None, acted: PolicyHit | None) -> bool:
    if acted is None or expected is None:
        return acted is None and expected is None
    found = rule_of_hit(acted)
    return found is not None and (found.policy_id, found.rule_id) == (expected.policy_id, expected.rule_id)


def _note(client: str | None, source: str, response: dns.message.Message | None) -> str:
    if client and not source:
        return f"It was asked from this machine, not as {client}: rules on client addresses were not tried there."
    if response is None:
        return "It did not answer, as a rule that drops queries makes it do; or it resolves for too long."
    return ""


def explain(match: Match | None) -> str:
    """A match in a sentence."""
    if match is None:
        return (
            "No rule on the name or the client acts. Rules on addresses in the answer, or on name servers, "
            "show in what the name server did."
        )
    through = "is let through" if match.action == Action.PASSTHRU else f"is met with “{match.action}”"
    why = f"the rule for {match.trigger}" if match.rule_id else f"the feed’s entry {match.trigger}"
    return f"The query {through} by {why} in {match.policy}."
