"""What the server tells of itself by its statistics channel (BIND ARM, section 7; JSON, version 1)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import dns.name
import dns.rdatatype
import msgspec

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import NameServerError, Unreachable
from zones.nameserver.exchange import Exchange

FEW = 20
"""Zones that are asked for one by one rather than looked up in a list of all that a server of others has."""

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The environment's proxy is not for a server next door."""


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """booted_at: start of the process. configured_at: last time that it read its configuration.
    serials: of each zone that is loaded, by name without the final dot."""

    version: str
    booted_at: datetime
    configured_at: datetime
    serials: Mapping[str, int]


def statistics(endpoint: Endpoint, *, timeout_s: float = 3.0) -> Statistics:
    """Ask the statistics channel. Raises `Unreachable`, or `NameServerError` (`no_statistics`) when there is none."""
    status = fetch(endpoint, "status", timeout_s=timeout_s)
    try:
        return Statistics(
            version=status["version"],
            booted_at=datetime.fromisoformat(status["boot-time"]),
            configured_at=datetime.fromisoformat(status["config-time"]),
            serials=zone_serials(endpoint, timeout_s=timeout_s),
        )
    except (KeyError, ValueError) as error:
        raise NameServerError("bad_answer", f"the statistics channel answers something else: {error}") from error


def zone_serials(endpoint: Endpoint, *, timeout_s: float = 3.0) -> dict[str, int]:
    """The serial of each zone that the server has loaded, by name without the final dot. Raises as `statistics` does."""
    views = fetch(endpoint, "zones", timeout_s=timeout_s).get("views", {})
    return {
        zone["name"].lower().removesuffix("."): zone["serial"]
        for name, view in views.items()
        if name != "_bind"
        for zone in view.get("zones", ())
        if "serial" in zone
    }


def serials(endpoint: Endpoint, names: Collection[str]) -> dict[str, int]:
    """The serials of zones that should be there, by name; those that the server does not serve are left out.

    The statistics channel is read where there is one: it stands in no query log. It lists every zone of the server, so it is
    not worth its length when a few are meant of a server with zones of others; and what it does not list is asked for, since
    zones may be told to keep no statistics. Raises what `statistics` and `Exchange` raise.
    """
    listed: dict[str, int] = {}
    if endpoint.statistics_url and (endpoint.private or len(names) > FEW):
        listed = zone_serials(endpoint)
    known = {name: listed[name] for name in names if name in listed}
    if missing := [name for name in names if name not in known]:
        known |= asked_serials(endpoint, missing)
    return known


def asked_serials(endpoint: Endpoint, names: Iterable[str], *, timeout_s: float = 10.0) -> dict[str, int]:
    """The serials of zones by a question for each. Zones that the server does not serve are left out. Raises what `Exchange`
    raises."""
    serials: dict[str, int] = {}
    with Exchange(endpoint, timeout_s=timeout_s) as exchange:
        for name in names:
            zone = dns.name.from_text(name)
            for rrset in exchange.lookup(zone, dns.rdatatype.SOA).answer:
                if rrset.name == zone and rrset.rdtype == dns.rdatatype.SOA:
                    serials[name] = rrset[0].serial
    return serials


def fetch(endpoint: Endpoint, path: str, *, timeout_s: float = 3.0) -> dict[str, Any]:
    """One document of the channel (`status`, `server`, `zones`, `mem`, …), as it comes. Raises as `statistics` does."""
    if not endpoint.statistics_url:
        raise NameServerError("no_statistics", "there is no statistics channel: set DNSADMIN_NAMED_STATISTICS_URL")
    url = f"{endpoint.statistics_url}/json/v1/{path}"
    try:
        with _OPENER.open(url, timeout=timeout_s) as answer:
            document = json.load(answer)
    except TimeoutError as error:
        raise Unreachable(f"the statistics channel gave no answer within {timeout_s:g} s", code="timed_out") from error
    except urllib.error.HTTPError as error:
        raise NameServerError("bad_answer", f"the statistics channel answers {error.code} to {url}") from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(f"the statistics channel at {endpoint.statistics_url} cannot be reached: {reason}") from error
    except ValueError as error:
        raise NameServerError("bad_answer", f"{url} does not answer with JSON") from error
    if not isinstance(document, dict):
        raise NameServerError("bad_answer", f"{url} does not answer with a JSON object")
    return document


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the server counts and holds. counters: by our names, since it started (a counter at 0 is absent from the
    channel). cache_memory, in_use: bytes."""

    version: str
    booted_at: datetime
    configured_at: datetime
    counters: Mapping[str, int]
    cache_memory: int
    in_use: int


_COUNTED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "dns_queries": ("opcodes", ("QUERY",)),
    "dns_updates": ("opcodes", ("UPDATE",)),
    "dns_answered": ("nsstats", ("QrySuccess", "QryReferral")),
    "dns_nodata": ("nsstats", ("QryNxrrset",)),
    "dns_nxdomain": ("nsstats", ("QryNXDOMAIN",)),
    "dns_servfail": ("nsstats", ("QrySERVFAIL",)),
    "dns_refused": ("rcodes", ("REFUSED",)),
    "dns_dropped": ("nsstats", ("QryDropped", "RateDropped")),
    "dns_blocked": ("nsstats", ("RPZRewrites",)),
    "dns_recursive": ("nsstats", ("QryRecursion",)),
    "dns_transfers": ("nsstats", ("XfrReqDone",)),
}
"""Our name -> where in `/json/v1/server`, and which counters of BIND make it up (BIND ARM, section 7.2)."""


def figures(endpoint: Endpoint, *, timeout_s: float = 3.0) -> Figures:
    """Ask for everything that is counted. Raises as `statistics` does."""
    server = fetch(endpoint, "server", timeout_s=timeout_s)
    memory = fetch(endpoint, "mem", timeout_s=timeout_s).get("memory", {})
    views = [view for name, view in server.get("views", {}).items() if name != "_bind"]
    caches = [view.get("resolver", {}).get("cachestats", {}) for view in views]
    counters = {
        name: sum(server.get(group, {}).get(key, 0) for key in keys) for name, (group, keys) in _COUNTED.items()
    }
    counters["cache_hits"] = sum(cache.get("QueryHits", 0) for cache in caches)
    counters["cache_misses"] = sum(cache.get("QueryMisses", 0) for cache in caches)
    try:
        return Figures(
            version=server["version"],
            booted_at=datetime.fromisoformat(server["boot-time"]),
            configured_at=datetime.fromisoformat(server["config-time"]),
            counters=counters,
            cache_memory=sum(cache.get("TreeMemInUse", 0) + cache.get("HeapMemInUse", 0) for cache in caches),
            in_use=memory.get("InUse", 0),
        )
    except (KeyError, ValueError) as error:
        raise NameServerError("bad_answer", f"the statistics channel answers something else: {error}") from error
