"""What a response policy rule looks for and does, and how BIND writes it down: owner and rdata of a policy zone's record.

Sources: the RPZ internet draft (draft-vixie-dnsop-dns-rpz), BIND ARM, "Response Policy Zone (RPZ) Rewriting". `named` takes a
malformed owner with NOERROR and only logs that it ignores it, so nothing goes there that was not checked here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any

import dns.name
import msgspec
from django.db import models

from zones import names

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TTL_S = 60
"""Of the records of a rule; `named` gives clients at most `max-policy-ttl`, 5 s by default."""

LONGEST_TARGETS = 20
_WITHIN_A_ZONE = 64
"""Octets of a name on the wire that are kept free for the policy zone's own name behind it."""


class TriggerType(models.TextChoices):
    """What of a query or its answer a rule looks at; in the order in which `named` prefers them within a policy."""

    CLIENT_IP = "client_ip", "client address"
    QNAME = "qname", "name asked for"
    RESPONSE_IP = "response_ip", "address in the answer"
    NSDNAME = "nsdname", "name of a name server"
    NSIP = "nsip", "address of a name server"


class Action(models.TextChoices):
    """What a rule does: the name does not exist, or has no such record; the answer goes through as it is; none is given; the
    client has to ask by TCP; the answer is another one."""

    NXDOMAIN = "nxdomain", "NXDOMAIN"
    NODATA = "nodata", "NODATA"
    PASSTHRU = "passthru", "let through"
    DROP = "drop", "drop"
    TCP_ONLY = "tcp_only", "TCP only"
    REDIRECT = "redirect", "redirect"


_SUFFIX = {
    TriggerType.CLIENT_IP: "rpz-client-ip",
    TriggerType.RESPONSE_IP: "rpz-ip",
    TriggerType.NSDNAME: "rpz-nsdname",
    TriggerType.NSIP: "rpz-nsip",
}
OF_LOG = {
    "CLIENT-IP": TriggerType.CLIENT_IP,
    "QNAME": TriggerType.QNAME,
    "IP": TriggerType.RESPONSE_IP,
    "NSDNAME": TriggerType.NSDNAME,
    "NSIP": TriggerType.NSIP,
}
"""How `named` names the triggers in its log."""

_TYPE = {suffix: kind for kind, suffix in _SUFFIX.items()}
_ADDRESSES = (TriggerType.CLIENT_IP, TriggerType.RESPONSE_IP, TriggerType.NSIP)

_CNAME = {
    Action.NXDOMAIN: ".",
    Action.NODATA: "*.",
    Action.PASSTHRU: "rpz-passthru.",
    Action.DROP: "rpz-drop.",
    Action.TCP_ONLY: "rpz-tcp-only.",
}
_ACTION = {target: action for action, target in _CNAME.items()}

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


class PolicyRecord(msgspec.Struct, frozen=True, order=True):
    """One RRset of a policy zone. name: relative to the zone, lower case. rdata: sorted."""

    name: str
    type: str
    rdata: tuple[str, ...]


def trigger(kind: str, text: str) -> str:
    """The trigger as it is stored: a name in A-labels without the final dot (`*.` in front: all below it), or a network.

    Raises `ValueError` in plain words.
    """
    if kind in _ADDRESSES:
        return str(network(text))
    return _name(text, kind)


def _name(text: str, kind: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("a name is missing")
    if text.rstrip(".") == "*":
        return "*"
    name = names.parse(text, dns.name.root)
    if name == dns.name.root:
        raise ValueError("the root itself cannot be a trigger; * stands for every name")
    stored = name.to_text(omit_final_dot=True)
    labels = stored.removeprefix("*.").split(".")
    if bad := next((label for label in labels if not _HOST.fullmatch(label)), None):
        raise ValueError(f"“{bad}” is not a label of letters, digits, hyphens and underscores")
    if labels[-1].isdigit():
        raise ValueError("this looks like an address; choose a trigger for addresses")
    if labels[-1] in _TYPE:
        raise ValueError(f"a name that ends in {labels[-1]} means something else in a policy zone")
    suffix = len(_SUFFIX[TriggerType.NSDNAME]) + 1 if kind == TriggerType.NSDNAME else 0
    if len(stored) + 2 + suffix + _WITHIN_A_ZONE > 255:
        raise ValueError(f"the name is too long for a policy zone: {255 - 2 - suffix - _WITHIN_A_ZONE} characters fit")
    return stored


def network(text: str) -> Network:
    """An address or a network, as people type it. Raises `ValueError`."""
    text = text.strip()
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError("an address (192.0.2.1) or a network (192.0.2.0/24, 2001:db8::/32) is meant") from None
        raise ValueError(f"{text} has bits behind its prefix; the network is {meant}") from None
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.ipv4_mapped:
        raise ValueError("write IPv4 addresses as such, not mapped into IPv6")
    if found.prefixlen == 0:
        raise ValueError("a prefix of 0 is every address there is; BIND takes 1 and longer")
    return found


def target(action: str, text: str) -> str:
    """What a redirect leads to as it is stored: a name without the final dot, or addresses. Empty for other actions.

    Raises `ValueError` in plain words.
    """
    words = text.replace(",", " ").split()
    if action != Action.REDIRECT:
        if words:
            raise ValueError("only a redirect has a target")
        return ""
    if not words:
        raise ValueError("a redirect needs a target: a name, or one or more addresses")
    if len(words) > LONGEST_TARGETS:
        raise ValueError(f"at most {LONGEST_TARGETS} addresses")
    try:
        return " ".join(sorted({str(ipaddress.ip_address(word)) for word in words}))
    except ValueError:
        if len(words) > 1:
            raise ValueError("either one name, or addresses only") from None
    name = names.parse(words[0], dns.name.root)
    stored = name.to_text(omit_final_dot=True)
    if name == dns.name.root or stored in _ACTION or f"{stored}." in _ACTION:
        raise ValueError("this name has a meaning of its own in a policy zone; choose the action instead")
    if stored.rpartition(".")[2].isdigit():
        raise ValueError(f"{stored} is neither a name nor an address")
    return stored


def owner(kind: str, stored: str) -> str:
    """The owner name of a trigger, relative to its policy zone.

    `192.0.2.0/24` is `24.0.2.0.192.rpz-ip`; `2001:db8::/32` is `32.zz.db8.2001.rpz-ip`, where `zz` stands for `::`.
    """
    if kind == TriggerType.QNAME:
        return stored
    suffix = _SUFFIX[TriggerType(kind)]
    if kind == TriggerType.NSDNAME:
        return f"{stored}.{suffix}"
    found = ipaddress.ip_network(stored)
    if isinstance(found, ipaddress.IPv4Network):
        words = str(found.network_address).split(".")
    else:
        words = _ipv6_words(found.network_address)
    return ".".join([str(found.prefixlen), *reversed(words), suffix])


def _ipv6_words(address: ipaddress.IPv6Address) -> list[str]:
    """The words of an address as BIND insists on them: no leading zeros, the longest run of zeros as `zz`."""
    text = str(address)
    if "::" not in text:
        return text.split(":")
    before, after = text.split("::")
    return [*filter(None, before.split(":")), "zz", *filter(None, after.split(":"))]


def from_owner(name: str) -> tuple[TriggerType, str]:
    """Trigger type and trigger of an owner name relative to its policy zone. Raises `ValueError`."""
    front, _, suffix = name.rpartition(".")
    kind = _TYPE.get(suffix.lower(), TriggerType.QNAME)
    if kind is TriggerType.QNAME:
        return kind, trigger(kind, name)
    if kind is TriggerType.NSDNAME:
        return kind, trigger(kind, front)
    prefix, *words = front.lower().split(".")
    words.reverse()
    if len(words) == 4 and "zz" not in words:
        return kind, trigger(kind, f"{'.'.join(words)}/{prefix}")
    text = ":".join("" if word == "zz" else word for word in words)
    if words[:1] == ["zz"]:
        text = f":{text}"
    if words[-1:] == ["zz"]:
        text = f"{text}:"
    return kind, trigger(kind, f"{text}/{prefix}")


def records(kind: str, stored: str, action: str, stored_target: str) -> list[PolicyRecord]:
    """The RRsets that carry out one rule."""
    name = owner(kind, stored)
    if action != Action.REDIRECT:
        return [PolicyRecord(name, "CNAME", (_CNAME[Action(action)],))]
    try:
        addresses = [ipaddress.ip_address(word) for word in stored_target.split()]
    except ValueError:
        return [PolicyRecord(name, "CNAME", (f"{stored_target}.",))]
    return [
        PolicyRecord(name, f"A{'AAA' if version == 6 else ''}", some)
        for version in (4, 6)
        if (some := tuple(sorted(str(address) for address in addresses if address.version == version)))
    ]


def from_records(found: Iterable[tuple[str, Iterable[str]]]) -> tuple[Action, str]:
    """Action and target of the RRsets (type, rdata) at one owner name. Raises `ValueError` for what no rule here can say."""
    addresses: list[str] = []
    for kind, rdata in found:
        if kind == "CNAME":
            (name,) = rdata
            if (action := _ACTION.get(name.lower())) is not None:
                return action, ""
            return Action.REDIRECT, target(Action.REDIRECT, name)
        if kind not in ("A", "AAAA"):
            raise ValueError(f"answers of the type {kind} cannot be kept as a rule here")
        addresses.extend(rdata)
    return Action.REDIRECT, target(Action.REDIRECT, " ".join(addresses))


# -- which of several would act -------------------------------------------------------------------------------------------


def ancestors(name: str) -> list[str]:
    """The wildcards that cover `name`, nearest first: `*.example.com`, `*.com`, `*` for `www.example.com`."""
    labels = name.removeprefix("*.").split(".")
    start = 0 if name.startswith("*.") else 1
    return [*(f"*.{'.'.join(labels[cut:])}" for cut in range(start, len(labels))), "*"]


def covers(kind: str, wider: str, narrower: str) -> bool:
    """Whether whatever fires `narrower` fires `wider` too."""
    if wider == narrower:
        return True
    if kind not in _ADDRESSES:
        return wider in ancestors(narrower)
    outer, inner = ipaddress.ip_network(wider), ipaddress.ip_network(narrower)
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # of one version


def nearest(name: str, has: Callable[[str], Any]) -> Any:
    """What `has` knows of the exact name or, before wider ones, of the nearest wildcard over it; `None` for nothing."""
    for candidate in (name, *ancestors(name)):
        if (found := has(candidate)) is not None:
            return found
    return None
