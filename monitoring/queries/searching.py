"""Searching recent queries on behalf of somebody: what they may see, in the form in which they may see it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied

from monitoring.queries.events import SEES_QUERIES
from monitoring.queries.hosted import HostedZones
from monitoring.queries.live import shown_client
from realtime.flow_filter import FlowFilter
from realtime.registry import VIEW_CLIENT_ADDRESSES
from zones.access import visible_zone_keys
from zones.nameserver.endpoint import endpoint
from zones.nameserver.errors import NameServerError
from zones.nameserver.query_log import Query
from zones.nameserver.query_search import Cursor, Found, Outcome, search


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for: the filter of the live stream, part of a name in lower case, and a stretch of time."""

    flow: FlowFilter = FlowFilter()
    part: str = ""
    start: datetime | None = None
    end: datetime | None = None
    before: Cursor | None = None


def may_see_some(user: Any) -> bool:
    """Whether the user may see any queries at all."""
    return bool(user.has_perm(SEES_QUERIES) or _granted(user))


def _granted(user: Any) -> frozenset[str]:
    keys = visible_zone_keys([user])[user.pk]
    return keys if isinstance(keys, frozenset) else frozenset()


def ask(user: Any, question: Question, *, limit: int, patience_s: float) -> Outcome:
    """Search for `user`. Raises `PermissionDenied`, `NameServerError` when the log cannot be read from here, and
    `LookupError` (see `search`)."""
    flow = question.flow.normal()
    if flow.client is not None and not user.has_perm(VIEW_CLIENT_ADDRESSES):
        raise PermissionDenied("You may not see the addresses of clients, so you cannot filter by one.")
    in_zones = _in_zones(user)
    client = msgspec.structs.replace(FlowFilter(), client=flow.client)

    def wanted(query: Query, outcome: str) -> bool:
        return (
            (flow.qtype is None or query.type == flow.qtype)
            and (flow.outcome is None or outcome == flow.outcome)
            and flow.matches_name(query.name)
            and question.part in query.name.lower()
            and (flow.client is None or client.matches({"client": shown_client(query.client)}))
            and in_zones(query.name)
        )

    where = endpoint()
    if where.log_dir is None:
        raise NameServerError("no_log", "The query log is not known: set DNSADMIN_NAMED_LOG_DIR.")
    try:
        return search(
            where.log_dir,
            wanted,
            needle=question.part or flow.name_suffix or "",
            start=question.start,
            end=question.end,
            before=question.before,
            limit=limit,
            patience_s=patience_s,
            own_key=where.tsig.name,
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise NameServerError("no_log", f"The query log cannot be read here: {reason}.", retry=True) from None


def _in_zones(user: Any) -> Callable[[str], bool]:
    if user.has_perm(SEES_QUERIES):
        return lambda name: True
    keys = _granted(user)
    if not keys:
        raise PermissionDenied("You may not see queries.")
    zones = HostedZones()
    zones.refresh()
    return lambda name: zones.key(name) in keys


def shown(found: Found, user: Any) -> dict[str, Any]:
    """A query as the user may see it."""
    client = shown_client(found.query.client) if user.has_perm(VIEW_CLIENT_ADDRESSES) else None
    return {
        "time": found.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "client": client,
        "name": found.query.name,
        "type": found.query.type,
        "outcome": found.outcome,
    }
