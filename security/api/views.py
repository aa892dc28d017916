"""The HTTP interface of response policies and their rules."""

from __future__ import annotations

import contextvars
import logging
import threading
from datetime import timedelta
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from security import exchange, rules, serving
from security.access import may_edit, may_manage, may_see, may_see_clients
from security.api import serializers as shapes
from security.checking import check, explain
from security.feeds import registry as feeds
from security.feeds.refresh import refresh
from security.guards import hosted_hints
from security.models import IN_ORDER, Feed, Policy, PolicyKind, Rule
from security.triggers import TriggerType
from zones.api.transfer_views import PlainTextParser, ZoneFileParser
from zones.api.views import IF_MATCH, tagged
from zones.api.views import View as ZoneView
from zones.nameserver.errors import BadName
from zones.transfer_keys import keep

logger = logging.getLogger(__name__)


class View(ZoneView):
    """A view for those who may see policies. `needed`: what else writing takes."""

    def check_permissions(self, request: Request) -> None:
        super().check_permissions(request)
        if not may_see(request.user):
            raise PermissionDenied("You may not see response policies.")
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            self.check_writer(request)

    def check_writer(self, request: Request) -> None:
        if not may_manage(request.user):
            raise PermissionDenied("You may see response policies, but not change them.")

    def seen(self) -> dict[str, Any]:
        """What serializers of rules need to know of the asker."""
        return {"clients": may_see_clients(self.request.user), "request": self.request}


def counted(policies: QuerySet[Policy]) -> QuerySet[Policy]:
    """`policies` with the number of their rules."""
    counts = policies.annotate(rule_count=Count("rules", filter=Q(rules__deleted_at=None)))
    return counts.order_by(*IN_ORDER)


# -- policies ---------------------------------------------------------------------------------------------------------------


class PoliciesView(View):
    """Response policies, in the order in which the name server asks them."""

    serializer_class = shapes.PolicySerializer

    @extend_schema(
        operation_id="rpz_policies_list", parameters=[shapes.PolicyFilter], responses=shapes.PolicySerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        wanted = self.valid(shapes.PolicyFilter, request.query_params)
        return self.page(counted(Policy.objects.filter(**wanted)), shapes.PolicySerializer)

    @extend_schema(request=shapes.NewPolicySerializer, responses={201: shapes.PolicySerializer})
    def post(self, request: Request) -> Response:
        """Make a policy, last among those that people make."""
        made = rules.create_policy(**self.valid(shapes.NewPolicySerializer))
        return policy_answer(made.pk, status=201, headers={"Location": f"/api/rpz/policies/{made.pk}/"})


class PolicyView(View):
    """One response policy."""

    serializer_class = shapes.PolicySerializer

    def get(self, request: Request, policy_id: int) -> Response:
        return policy_answer(policy_id)

    @extend_schema(request=shapes.PolicyChangeSerializer, parameters=[IF_MATCH])
    def patch(self, request: Request, policy_id: int) -> Response:
        """Change fields of the policy itself, or its place."""
        asked = self.valid(shapes.PolicyChangeSerializer)
        rules.update_policy(policy_id, version=self.version(asked.pop("version", None)), **asked)
        return policy_answer(policy_id)

    @extend_schema(request=shapes.NewPolicySerializer, parameters=[IF_MATCH])
    def put(self, request: Request, policy_id: int) -> Response:
        """Change all that is given; the name must be."""
        self.valid(shapes.NewPolicySerializer)
        return self.patch(request, policy_id)

    @extend_schema(parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, policy_id: int) -> Response:
        """Delete the policy with all of its rules."""
        rules.delete_policy(policy_id, version=self.version())
        return Response(status=204)


class PolicySyncView(View):
    """Setting a policy right that somebody changed at the name server."""

    serializer_class = shapes.PolicySerializer

    @extend_schema(request=None)
    def post(self, request: Request, policy_id: int) -> Response:
        """Make the name server have exactly the rules of this policy."""
        serving.repair(get_object_or_404(Policy, pk=policy_id))
        return policy_answer(policy_id)


class PolicyExportView(View):
    """A policy as a zone file."""

    @extend_schema(responses={(200, "text/dns"): str})
    def get(self, request: Request, policy_id: int) -> HttpResponse:
        """The rules in force now, as a policy zone."""
        policy = get_object_or_404(Policy, pk=policy_id, kind=PolicyKind.RULES)
        if not may_see_clients(request.user):
            clients = policy.rules.living().filter(trigger_type=TriggerType.CLIENT_IP)
            if clients.exists():
                raise PermissionDenied("This policy has rules on client addresses, which you may not see.")
        answer = HttpResponse("".join(exchange.export(policy)), content_type="text/dns; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{policy.zone}.db"'
        return answer


class PolicyImportView(View):
    """Rules from a zone file."""

    most_bytes = 4 * 1024 * 1024
    parser_classes = (ZoneFileParser, PlainTextParser, MultiPartParser)

    @extend_schema(
        request={"text/dns": OpenApiTypes.STR, "multipart/form-data": {"type": "object"}},
        parameters=[OpenApiParameter("dry_run", bool), OpenApiParameter("confirm", bool)],
        responses=shapes.ImportAnswer,
    )
    def post(self, request: Request, policy_id: int) -> Response:
        """Make a rule of each record of a policy zone (`text/dns` body or multipart `file`) that has none yet."""
        policy = get_object_or_404(Policy, pk=policy_id, kind=PolicyKind.RULES)
        data: Any = request.data
        sent = data if isinstance(data, bytes) else data.get("file")
        if sent is None:
            raise ValidationError({"file": "a zone file is missing"}, code="required")
        text = sent if isinstance(sent, bytes) else sent.read()
        wishes = {wish: request.query_params.get(wish) in ("1", "true") for wish in ("dry_run", "confirm")}
        return Response(msgspec.to_builtins(exchange.load(policy, text, **wishes)))


def policy_answer(pk: int, **options: Any) -> Response:
    policy = get_object_or_404(counted(Policy.objects.all()), pk=pk)
    return tagged(Response(shapes.PolicySerializer(policy).data, **options), policy.version)


# -- rules ------------------------------------------------------------------------------------------------------------------


class AnswersWithARule(View):
    """What one rule and all of them have in common."""

    serializer_class = shapes.RuleSerializer

    def check_writer(self, request: Request) -> None:
        if not may_edit(request.user):
            raise PermissionDenied("You may see policy rules, but not change them.")

    def rule_answer(self, pk: int, *, hints: bool = False, **options: Any) -> Response:
        """A rule as an answer, with its version as `ETag`."""
        found = Rule.objects.living().select_related("policy", "created_by", "updated_by")
        rule = get_object_or_404(found, pk=pk)
        data: dict[str, Any] = dict(shapes.RuleSerializer(rule, context=self.seen()).data)
        if hints:
            data["warnings"] = hosted_hints(rule.trigger_type, rule.trigger, rule.action)
        return tagged(Response(data, **options), rule.version)


class RuleView(AnswersWithARule):
    """One rule."""

    def get(self, request: Request, rule_id: int) -> Response:
        return self.rule_answer(rule_id)

    @extend_schema(request=shapes.RuleChange, parameters=[IF_MATCH], responses=shapes.RuleAnswer)
    def patch(self, request: Request, rule_id: int) -> Response:
        """Change some fields. A `version` (or `If-Match`) that is not the present one answers 409 with the rule as it is."""
        return self._change(rule_id, partial=True)

    @extend_schema(request=shapes.RuleChange, parameters=[IF_MATCH], responses=shapes.RuleAnswer)
    def put(self, request: Request, rule_id: int) -> Response:
        """Change all fields; what is not sent gets its default."""
        return self._change(rule_id, partial=False)

    @extend_schema(parameters=[IF_MATCH, OpenApiParameter("version", int)], responses={204: None})
    def delete(self, request: Request, rule_id: int) -> Response:
        """Delete the rule; it goes out of force."""
        sent = request.query_params.get("version", "")
        version = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 19 else None
        rules.delete_rule(rule_id, version=self.version(version))
        return Response(status=204)

    def _change(self, rule_id: int, *, partial: bool) -> Response:
        asked = rule_fields(self.valid(shapes.RuleChange, partial=partial))
        version = self.version(asked.pop("version", None))
        if not partial:
            plain = {"target": "", "category": "", "comment": "", "enabled": True, "trial": False, "expires_at": None}
            asked = plain | asked
        elif asked.get("action", "redirect") != "redirect":
            asked.setdefault("target", "")
        rules.update_rule(rule_id, version=version, **asked)
        return self.rule_answer(rule_id, hints=True)


class RulesView(AnswersWithARule):
    """Rules, newest first."""

    @extend_schema(
        operation_id="rpz_rules_list", parameters=[shapes.RuleFilter], responses=shapes.RuleSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        wanted = self.valid(shapes.RuleFilter, request.query_params)
        found = filtered(wanted, clients=may_see_clients(request.user))
        return self.page(
            found.select_related("policy", "created_by", "updated_by"), shapes.RuleSerializer, **self.seen()
        )

    @extend_schema(request=shapes.RuleFields, responses={201: shapes.RuleAnswer})
    def post(self, request: Request) -> Response:
        """Make a rule. To block a name with one call, send nothing but `trigger`; to let it through, `action` as well."""
        made = rules.create_rule(**rule_fields(self.valid(shapes.RuleFields)))
        return self.rule_answer(made.pk, hints=True, status=201, headers={"Location": f"/api/rpz/rules/{made.pk}/"})


class RuleRetryView(RuleView):
    """Bringing a rule to the name server once more."""

    http_method_names = ("post", "options")

    @extend_schema(request=None, responses=shapes.RuleAnswer)
    def post(self, request: Request, rule_id: int) -> Response:
        """Try a rule again that the name server refused; one that waits or is in force stays as it is."""
        rules.retry_rule(rule_id)
        return self.rule_answer(rule_id)


def rule_fields(asked: dict[str, Any]) -> dict[str, Any]:
    """What was sent, as `security.rules` takes it."""
    seconds = asked.pop("expires_in", None)
    if seconds is not None:
        if asked.get("expires_at"):
            raise ValidationError({"expires_in": "either expires_in or expires_at"}, code="invalid")
        asked["expires_at"] = timezone.now() + timedelta(seconds=seconds)
    return asked


def filtered(wanted: dict[str, Any], *, clients: bool) -> QuerySet[Rule]:
    """The rules that fit. clients: whether triggers on client addresses may be searched."""
    found: QuerySet[Rule] = Rule.objects.living()
    for field in ("policy", "trigger_type", "action", "category", "sync_state", "enabled", "trial"):
        if wanted.get(field) not in (None, ""):
            found = found.filter(**{field: wanted[field]})
    visible = Q() if clients else ~Q(trigger_type=TriggerType.CLIENT_IP)
    if trigger := wanted.get("trigger"):
        found = found.filter(visible, trigger=trigger.lower().rstrip("."))
    if search := wanted.get("search"):
        text = search.strip().lower().rstrip(".")
        found = found.filter(
            (Q(trigger__icontains=text) & visible)
            | Q(target__icontains=text)
            | Q(category__icontains=text)
            | Q(comment__icontains=search)
        )
    return found


# -- feeds ------------------------------------------------------------------------------------------------------------------


class FeedView(View):
    """One threat feed."""

    serializer_class = shapes.FeedSerializer

    def get(self, request: Request, feed_id: int) -> Response:
        return feed_answer(feed_id)

    @extend_schema(request=shapes.FeedChange, parameters=[IF_MATCH])
    def patch(self, request: Request, feed_id: int) -> Response:
        """Change some fields; what concerns its content is fetched anew."""
        asked = self.valid(shapes.FeedChange, partial=True)
        feeds.update_feed(feed_id, version=self.version(asked.pop("version", None)), **with_key(asked))
        return feed_answer(feed_id)

    @extend_schema(request=shapes.FeedFields, parameters=[IF_MATCH])
    def put(self, request: Request, feed_id: int) -> Response:
        """Change all that is given; the name and the URL must be."""
        self.valid(shapes.FeedFields)
        return self.patch(request, feed_id)

    @extend_schema(parameters=[IF_MATCH], responses={204: None})
    def delete(self, request: Request, feed_id: int) -> Response:
        """Delete the feed; its entries go out of force."""
        feeds.delete_feed(feed_id, version=self.version())
        return Response(status=204)


class FeedsView(View):
    """Threat feeds, in the order in which the name server asks their policies."""

    serializer_class = shapes.FeedSerializer

    @extend_schema(operation_id="rpz_feeds_list", responses=shapes.FeedSerializer(many=True))
    def get(self, request: Request) -> Response:
        return self.page(
            Feed.objects.select_related("policy").order_by("policy__position", "pk"), shapes.FeedSerializer
        )

    @extend_schema(request=shapes.FeedFields, responses={201: shapes.FeedSerializer})
    def post(self, request: Request) -> Response:
        """Make a feed; it is fetched within seconds."""
        made = feeds.create_feed(**with_key(self.valid(shapes.FeedFields)))
        return feed_answer(made.pk, status=201, headers={"Location": f"/api/rpz/feeds/{made.pk}/"})


def with_key(asked: dict[str, Any]) -> dict[str, Any]:
    """What was sent, with its TSIG key kept here, and named."""
    key = asked.pop("tsig", None)
    if key is not None:
        try:
            keep(key)
        except BadName as error:
            raise ValidationError({"tsig": error.message}, code=error.code) from error
        asked["key"] = key.name
    return asked


class FeedRefreshView(View):
    """Fetching a feed now."""

    serializer_class = shapes.FeedSerializer

    @extend_schema(
        request=shapes.RefreshFields,
        responses={200: shapes.FeedSerializer, 202: shapes.FeedSerializer},
    )
    def post(self, request: Request, feed_id: int) -> Response:
        """Fetch the feed. Answers 200 with what came of it (see `state`), or 202 when that takes more than a few seconds."""
        get_object_or_404(Feed, pk=feed_id)
        accept = self.valid(shapes.RefreshFields)["accept"]
        done = in_background(feed_id, accept=accept)
        return feed_answer(feed_id, status=200 if done.wait(ANSWERS_WITHIN_S) else 202)


ANSWERS_WITHIN_S = 8.0


def in_background(feed_id: int, *, accept: bool) -> threading.Event:
    """Refresh a feed in a thread of its own; the event is set at the end."""
    done = threading.Event()
    actor = contextvars.copy_context()

    def work() -> None:
        try:
            actor.run(refresh, feed_id, accept=accept)
        except Exception:
            logger.exception("feed %s could not be refreshed", feed_id)
        finally:
            connection.close()
            done.set()

    threading.Thread(target=work, name=f"feed-{feed_id}", daemon=True).start()
    return done


def feed_answer(pk: int, **options: Any) -> Response:
    feed = get_object_or_404(Feed.objects.select_related("policy"), pk=pk)
    return tagged(Response(shapes.FeedSerializer(feed).data, **options), feed.version)


# -- why --------------------------------------------------------------------------------------------------------------------


class CheckView(View):
    """Which rule would act."""

    serializer_class = shapes.CheckAnswer

    def check_writer(self, request: Request) -> None:
        """It changes nothing."""

    @extend_schema(request=shapes.CheckFields)
    def post(self, request: Request) -> Response:
        """Look a name up in all policies, and ask the running name server."""
        asked = self.valid(shapes.CheckFields)
        try:
            verdict = check(asked["name"], asked.get("client"))
        except ValueError as error:
            raise ValidationError({"name": str(error)}, code="invalid") from error
        acts = verdict.acts
        if acts and acts.trigger_type == TriggerType.CLIENT_IP and not may_see_clients(request.user):
            acts = msgspec.structs.replace(acts, trigger="")
        shown = {
            **{field: getattr(verdict, field) for field in ("name", "client", "trials", "later", "running")},
            **{
                field: getattr(acts, source) if acts else None
                for field, source in (
                    ("policy", "policy_id"), ("policy_name", "policy"), ("rule", "rule_id"), ("action", "action"),
                    ("trigger_type", "trigger_type"), ("trigger", "trigger"), ("target", "target"),
                )
            },
            "acts": acts,
            "explanation": explain(acts),
        }  # fmt: skip
        return Response(shapes.CheckAnswer(shown).data)
