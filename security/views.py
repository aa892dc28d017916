"""The page of response policies: policies in order, feeds, and rules. It only reads; the browser writes by the JSON API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from security.access import may_edit, may_manage, may_see, may_see_clients
from security.api.serializers import FeedSerializer
from security.api.views import counted, filtered
from security.detection.models import HitWatch
from security.matching import conflicts_of
from security.models import FeedFormat, Hits, Mode, Policy, PolicyKind, Rule
from security.triggers import Action, TriggerType

PAGE_SIZE = 100
ORDERS = {
    "trigger": "trigger",
    "action": "action",
    "policy": "policy__position",
    "hits": "hits",
    "expires": "expires_at",
    "changed": "updated_at",
}
STATES = {
    "active": "Active",
    "trial": "On trial",
    "off": "Switched off or run out",
    "waiting": "Not in force yet",
}


@login_required
@require_safe
def security_page(request: HttpRequest) -> HttpResponse:
    """Policies, feeds and rules: `q` (part of trigger, target, category or comment), `policy`, `action`, `trigger_type`,
    `state`, `sort`, `page`. Without the right to see them: 403."""
    if not may_see(request.user):
        raise PermissionDenied
    clients = may_see_clients(request.user)
    wanted = _wanted(request)
    sort = request.GET.get("sort", "-changed")
    column = ORDERS.get(sort.removeprefix("-"))
    if column is None:
        sort, column = "-changed", ORDERS["changed"]
    rules = _in_state(filtered(wanted, clients=clients), wanted["state"])
    rules = rules.select_related("policy", "updated_by").order_by(
        f"-{column}" if sort.startswith("-") else column, "-pk"
    )
    page = Paginator(rules, PAGE_SIZE).get_page(request.GET.get("page"))
    policies = list(counted(Policy.objects.select_related("feed")))
    shown = list(page)
    conflicts = conflicts_of(shown)
    return render(
        request,
        "security/security.html",
        {
            "section": "security",
            "policies": policies,
            "own_policies": [policy for policy in policies if policy.kind == PolicyKind.RULES],
            "feed_data": [FeedSerializer(policy.feed).data for policy in policies if policy.kind == PolicyKind.FEED],
            "page": page,
            "rows": [_row(rule, conflicts.get(rule.pk, []), clients=clients) for rule in shown],
            "wanted": wanted,
            "sort": sort,
            "filtered": any(wanted.values()),
            "states": STATES.items(),
            "modes": Mode.choices,
            "actions": Action.choices,
            "trigger_types": TriggerType.choices,
            "formats": FeedFormat.choices,
            "watches": HitWatch.objects.select_related("policy").order_by("pk"),
            "severities": HitWatch._meta.get_field("severity").choices,
            "hits_today": _hits_since(timedelta(hours=24)),
            "may_edit": may_edit(request.user),
            "may_manage": may_manage(request.user),
        },
    )


def _wanted(request: HttpRequest) -> dict[str, Any]:
    """The filter of the URL; what makes no sense in it is left out."""
    policy = request.GET.get("policy", "")
    action = request.GET.get("action", "")
    kind = request.GET.get("trigger_type", "")
    state = request.GET.get("state", "")
    return {
        "search": request.GET.get("q", "").strip()[:255],
        "policy": int(policy) if policy.isascii() and policy.isdigit() and len(policy) < 19 else "",
        "action": action if action in Action.values else "",
        "trigger_type": kind if kind in TriggerType.values else "",
        "state": state if state in STATES else "",
    }


def _in_state(rules: Any, state: str) -> Any:
    active = Rule.objects.active()
    match state:
        case "active":
            return rules.filter(pk__in=active.filter(trial=False).values("pk"))
        case "trial":
            return rules.filter(pk__in=active.filter(trial=True).values("pk"))
        case "off":
            return rules.exclude(pk__in=active.values("pk"))
        case "waiting":
            return rules.exclude(sync_state="served")
    return rules


def _row(rule: Rule, conflicts: list[str], *, clients: bool) -> dict[str, Any]:
    """A rule as the page and its script know it."""
    hidden = rule.trigger_type == TriggerType.CLIENT_IP and not clients
    return {
        "id": rule.pk,
        "policy": rule.policy_id,
        "policy_name": rule.policy.name,
        "trigger_type": rule.trigger_type,
        "trigger": None if hidden else rule.trigger,
        "action": rule.action,
        "action_name": rule.get_action_display(),
        "trigger_name": rule.get_trigger_type_display(),
        "target": rule.target,
        "target_labels": rule.target.split("."),  # where a long name may be broken
        "category": rule.category,
        "comment": rule.comment,
        "enabled": rule.enabled,
        "trial": rule.trial,
        "active": rule.active,
        "expired": rule.expired,
        "expires_at": rule.expires_at.isoformat(timespec="seconds") if rule.expires_at else None,
        "sync_state": rule.sync_state,
        "sync_error": rule.sync_error,
        "hits": rule.hits,
        "last_hit_at": rule.last_hit_at,
        "version": rule.version,
        "updated_at": rule.updated_at,
        "updated_by": rule.updated_by.get_username() if rule.updated_by else "",
        "conflicts": conflicts,
    }


def _hits_since(time: timedelta) -> int:
    since = timezone.now() - time
    total: int = Hits.objects.filter(hour__gte=since).aggregate(total=Sum("count"))["total"] or 0
    return total
