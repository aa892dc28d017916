"""The page of the query stream: what is asked right now, with filters in its address, and how to look further back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from monitoring.queries import searching
from monitoring.queries.api import QuestionSerializer
from monitoring.queries.events import SEES_QUERIES
from monitoring.queries.live import said
from monitoring.queries.statistics import rows, source, together
from realtime.flow_filter import FlowFilter
from realtime.registry import VIEW_CLIENT_ADDRESSES
from zones.nameserver.errors import NameServerError
from zones.nameserver.query_log import OUTCOMES

SHOWN_AT_FIRST = 100
PATIENCE_S = 0.4
"""Seconds that a page may take to look for the newest rows of a rare kind; the rest is asked for with "Older"."""
FILTERS = ("name_suffix", "client", "qtype", "outcome")
COMMON_TYPES = ("A", "AAAA", "CAA", "CNAME", "DNSKEY", "DS", "HTTPS", "MX", "NS", "PTR", "SOA", "SRV", "SVCB", "TXT")
TOP_LISTS = (
    ("names", "Names asked for", "name_suffix"),
    ("clients", "Clients", "client"),
    ("blocked", "Blocked", "name_suffix"),
)


@login_required
@never_cache
@require_safe
def queries_page(request: HttpRequest) -> HttpResponse:
    """The live stream: `name_suffix`, `client`, `qtype`, `outcome`."""
    user = request.user
    if not searching.may_see_some(user):
        raise PermissionDenied("You may not see queries.")
    given = {name: request.GET[name].strip() for name in FILTERS if request.GET.get(name, "").strip()}
    context = {
        "section": "queries",
        "given": given,
        "outcomes": OUTCOMES,
        "types": sorted({*COMMON_TYPES, *([given["qtype"].upper()] if given.get("qtype") else [])}),
        "sees_all": user.has_perm(SEES_QUERIES),
        "sees_clients": user.has_perm(VIEW_CLIENT_ADDRESSES),
        "may_block": user.has_perm("security.change_rule"),
        **_newest(user, given),
    }
    context["export"] = urlencode(given)
    if context["sees_all"]:
        now = datetime.now(UTC)
        hour = together(rows(now - timedelta(hours=1), now), most=10)
        context["source"] = source()
        context["hour"] = hour
        context["lists"] = [
            {"key": key, "title": title, "filter": field, "values": hour["top"][key], "error": hour["errors"][key]}
            for key, title, field in TOP_LISTS
            if key != "clients" or context["sees_clients"]
        ]
    return render(request, "queries/page.html", context)


def _newest(user: Any, given: dict[str, str]) -> dict[str, Any]:
    """The rows to begin with, the filter as the stream repeats it, and what is wrong with either."""
    asked = QuestionSerializer(data=given)
    if not asked.is_valid():
        problem = "; ".join(str(message) for messages in asked.errors.values() for message in messages)
        return {"rows": [], "problem": problem, "flow": "null"}
    question: searching.Question = asked.validated_data["question"]
    flow = json.dumps(said(question.flow.normal() if given else FlowFilter()))
    try:
        found = searching.ask(user, question, limit=SHOWN_AT_FIRST, patience_s=PATIENCE_S)
    except PermissionDenied as error:
        return {"rows": [], "problem": str(error), "flow": "null"}
    except NameServerError as error:
        return {"rows": [], "problem": str(error), "flow": flow}
    return {
        "rows": [searching.shown(each, user) for each in found.found],
        "older": str(found.after or ""),
        "back_to": found.back_to,
        "flow": flow,
    }
