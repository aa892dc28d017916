"""The single road of every write to policies and their rules: checks, versions, events, and a wake-up for the enforcer.

Each function is one transaction. What is wrong raises `InvalidChange`, a version that is not the present one
`StaleVersion`, and what should not happen unasked `NeedsConfirmation`; then nothing was changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, Min, QuerySet
from django.utils import timezone
from django.utils.text import slugify

from realtime.actors import current_actor
from realtime.broadcasting import emit
from realtime.events import EventType
from security import enforcement, triggers
from security.events import Change, PolicyData, PolicyUpdate, RuleData, RuleEvent
from security.guards import NeedsConfirmation, dangers
from security.models import Mode, Policy, PolicyKind, Rule
from security.triggers import Action
from zones.models import SyncState
from zones.refusals import InvalidChange, StaleVersion
from zones.validation import MAX_COMMENT, Problem

POLICY_FIELDS = ("name", "mode", "position", "comment")
RULE_FIELDS = (
    "policy", "trigger_type", "trigger", "action", "target", "category", "comment", "enabled", "trial", "expires_at",
)  # fmt: skip
SERVED_FIELDS = frozenset({"policy", "trigger_type", "trigger", "action", "target", "enabled", "trial", "expires_at"})
"""A change of one of these concerns the name server."""

MOST_POLICIES = 30
"""`named` takes 64 policy zones (BIND ARM); each policy has one, and one for its rules on trial."""


# -- rules ----------------------------------------------------------------------------------------------------------------


def create_rule(policy: Policy | None = None, *, confirm: bool = False, **fields: Any) -> Rule:
    """Make a rule; without `policy` in the one that is the site's default for its action."""
    rule = Rule()
    asked = {"trigger_type": triggers.TriggerType.QNAME, "action": Action.NXDOMAIN, **fields}
    policy = policy or default_policy(asked["action"])
    _fill(rule, {**asked, "policy": policy}, confirm=confirm)
    rule.created_by_id = rule.updated_by_id = _author()
    with transaction.atomic():
        _write(rule)
        emit(EventType.RPZ_RULE_CREATED, RuleEvent(rule=RuleData.of(rule)))
    enforcement.wake_on_commit()
    return rule


def create_many(policy: Policy, many: Iterable[Mapping[str, Any]]) -> list[int]:
    """Make rules of checked fields together, announced as one import; the caller has looked at what they would do."""
    author = _author()
    with transaction.atomic():
        made = []
        for fields in many:
            rule = Rule(created_by_id=author, updated_by_id=author)
            _fill(rule, {**fields, "policy": policy}, confirm=True)
            _write(rule)
            made.append(rule.pk)
        told = PolicyUpdate(policy=PolicyData.of(policy), what="imported", rules=made[:1000], count=len(made))
        emit(EventType.RPZ_UPDATE, told)
    enforcement.wake_on_commit()
    return made


def update_rule(pk: int, *, version: int | None = None, confirm: bool = False, **fields: Any) -> Rule:
    """Change some fields of a rule. Raises `Rule.DoesNotExist` when there is none."""
    with transaction.atomic():
        rule = _locked(pk)
        if version not in (None, rule.version):
            raise StaleVersion(snapshot(rule), _plain({"version": version, **fields}))
        before = {field: getattr(rule, field) for field in RULE_FIELDS}
        _fill(rule, {**before, **fields}, confirm=confirm, before=before)
        changed = [field for field in RULE_FIELDS if getattr(rule, field) != before[field]]
        if not changed:
            return rule
        rule.version += 1
        rule.updated_by_id = _author()
        if SERVED_FIELDS.intersection(changed):
            rule.sync_state, rule.sync_error = SyncState.PENDING, ""
        _write(rule)
        emit(
            EventType.RPZ_RULE_UPDATED,
            RuleEvent(rule=RuleData.of(rule), changes=_changes(before, rule, changed)),
        )
    enforcement.wake_on_commit()
    return rule


def delete_rule(pk: int, *, version: int | None = None) -> None:
    """Delete a rule: it is gone for people at once, and its row when the name server has let go of it."""
    with transaction.atomic():
        rule = _locked(pk)
        if version not in (None, rule.version):
            raise StaleVersion(snapshot(rule), {"version": version})
        rule.deleted_at, rule.version = timezone.now(), rule.version + 1
        rule.sync_state, rule.sync_error = SyncState.PENDING, ""
        rule.save()
        emit(EventType.RPZ_RULE_DELETED, RuleEvent(rule=RuleData.of(rule)))
    enforcement.wake_on_commit()


def retry_rule(pk: int) -> Rule:
    """Bring a rule to the name server again that it refused. Raises `Rule.DoesNotExist`; does nothing to one that waits
    or is in force."""
    with transaction.atomic():
        rule = _locked(pk)
        if rule.sync_state != SyncState.FAILED:
            return rule
        rule.sync_state, rule.sync_error = SyncState.PENDING, ""
        rule.save(update_fields=["sync_state", "sync_error"])
        told = PolicyUpdate(policy=PolicyData.of(rule.policy), what="retried", rules=[rule.pk], rule=RuleData.of(rule))
        emit(EventType.RPZ_UPDATE, told)
    enforcement.wake_on_commit()
    return rule


def next_expiry() -> datetime | None:
    """When the next rule runs out; in the past, when `expire()` has something to do."""
    return _expiring().aggregate(next=Min("expires_at"))["next"]  # type: ignore[no-any-return]


def expire() -> int:
    """Switch off the rules whose time has come; returns how many. Each is announced like a change by people."""
    due = _expiring().filter(expires_at__lte=timezone.now())
    expired = 0
    for pk in list(due.values_list("pk", flat=True)[:500]):
        with transaction.atomic():
            if not due.filter(pk=pk).update(enabled=False):  # another process was faster, or somebody prolonged it
                continue
            rule = Rule.objects.select_related("policy").get(pk=pk)
            rule.version += 1
            rule.sync_state, rule.sync_error = SyncState.PENDING, ""
            rule.save(update_fields=["version", "sync_state", "sync_error", "updated_at"])
            emit(
                EventType.RPZ_RULE_UPDATED,
                RuleEvent(rule=RuleData.of(rule), changes=[Change(field="enabled", old=True, new=False)]),
            )
            expired += 1
    return expired


def snapshot(rule: Rule) -> dict[str, Any]:
    """A rule as plain values."""
    return {"id": rule.pk, **_plain({field: getattr(rule, field) for field in RULE_FIELDS}), "version": rule.version}


def _locked(pk: int) -> Rule:
    """A rule with its policy, which nobody else changes until the transaction ends. Raises `Rule.DoesNotExist`."""
    return Rule.objects.living().select_for_update(of=("self",)).select_related("policy").get(pk=pk)


def default_policy(action: str) -> Policy:
    """Where a rule goes that names no policy: what is let through into the first policy that people make, so that it comes
    before all others, the rest into the last. Raises `InvalidChange` when there is none."""
    made_here = Policy.objects.filter(kind=PolicyKind.RULES, mode=Mode.ENFORCED).order_by("position", "id")
    found = made_here.first() if action == Action.PASSTHRU else made_here.last()
    if found is None:
        raise invalid("required", "there is no enforced policy to put the rule into; make one first", "policy")
    return found


def _fill(rule: Rule, fields: Mapping[str, Any], *, confirm: bool, before: Mapping[str, Any] | None = None) -> None:
    """Set checked values. Raises `InvalidChange` with all that is wrong, or `NeedsConfirmation`."""
    problems: list[Problem] = []
    values = dict(fields)
    if values["policy"].kind != PolicyKind.RULES:
        problems.append(Problem(code="invalid", message="the rules of this policy come from a feed", field="policy"))
    for field, check in (
        ("trigger", lambda: triggers.trigger(values["trigger_type"], values["trigger"])),
        ("target", lambda: triggers.target(values["action"], values.get("target", ""))),
        ("category", lambda: _text(values.get("category", ""), 50)),
        ("comment", lambda: _text(values.get("comment", ""), MAX_COMMENT)),
        ("expires_at", lambda: _expiry(values.get("expires_at"), before, enabled=values.get("enabled", True))),
    ):
        try:
            values[field] = check()
        except ValueError as error:
            problems.append(Problem(code="invalid", message=str(error), field=field))
    if problems:
        raise InvalidChange(problems)
    anew = before is None or any(values[field] != before[field] for field in ("trigger_type", "trigger", "action"))
    reasons = dangers(values["trigger_type"], values["trigger"], values["action"]) if anew and not confirm else []
    if reasons:
        raise NeedsConfirmation(reasons)
    for field, value in values.items():
        setattr(rule, field, value)


def _write(rule: Rule) -> None:
    try:
        with transaction.atomic():
            rule.save()
    except IntegrityError as error:
        other = (
            Rule.objects.living()
            .filter(policy=rule.policy, trigger_type=rule.trigger_type, trigger=rule.trigger)
            .exclude(pk=rule.pk)
            .first()
        )
        if other is None:
            raise
        text = f"the policy {rule.policy} has a rule for {rule.trigger} already: {other.get_action_display()}"
        raise invalid("exists", text, "trigger") from error


def _changes(before: Mapping[str, Any], rule: Rule, changed: Iterable[str]) -> list[Change]:
    """That the client address of a rule changed is told here, not to what: the rule itself says it to those who may know."""
    clients = triggers.TriggerType.CLIENT_IP in (before["trigger_type"], rule.trigger_type)
    return [
        Change(field=field)
        if field == "trigger" and clients
        else Change(field=field, **_plain({"old": before[field], "new": getattr(rule, field)}))
        for field in changed
    ]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="seconds")
        if isinstance(value, datetime)
        else value.pk
        if isinstance(value, Policy)
        else value
        for name, value in values.items()
    }


def _expiry(value: datetime | None, before: Mapping[str, Any] | None, *, enabled: bool) -> datetime | None:
    unchanged = before is not None and before["expires_at"] == value
    if value is not None and value <= timezone.now() and enabled and not (unchanged and not before["enabled"]):  # type: ignore[index]
        raise ValueError("this time is past; choose a later one, or none")
    return value


def _text(value: str, most: int) -> str:
    if len(value) > most or "\0" in value:
        raise ValueError(f"at most {most} characters and no NUL")
    return value


def _expiring() -> QuerySet[Rule]:
    return Rule.objects.living().filter(enabled=True, expires_at__isnull=False)


# -- policies ---------------------------------------------------------------------------------------------------------------


def create_policy(name: str, *, mode: str = Mode.ENFORCED, comment: str = "", kind: str = PolicyKind.RULES) -> Policy:
    """Make a policy, last of its kind."""
    with transaction.atomic():
        if Policy.objects.count() >= MOST_POLICIES:
            raise invalid("too_many", f"{MOST_POLICIES} policies are the most that a name server takes from us", "")
        last = Policy.objects.filter(kind=kind).aggregate(last=Max("position"))["last"]
        policy = Policy(name=name, mode=mode, comment=comment, kind=kind, position=(last or 0) + 1, zone=_zone(name))
        _write_policy(policy)
        emit(EventType.RPZ_UPDATE, PolicyUpdate(policy=PolicyData.of(policy), what="created"))
    enforcement.wake_on_commit()
    return policy


def update_policy(pk: int, *, version: int | None = None, **fields: Any) -> Policy:
    """Change a policy's own fields; with `position` the others of its kind make room. Raises `Policy.DoesNotExist`."""
    with transaction.atomic():
        policy = Policy.objects.select_for_update().get(pk=pk)
        if version not in (None, policy.version):
            raise StaleVersion(policy_snapshot(policy), {"version": version, **fields})
        before = {field: getattr(policy, field) for field in POLICY_FIELDS}
        for field, value in fields.items():
            setattr(policy, field, value)
        if policy.position != before["position"]:
            policy.position = _make_room(policy)
        changed = [field for field in POLICY_FIELDS if getattr(policy, field) != before[field]]
        if not changed:
            return policy
        policy.version += 1
        policy.sync_state, policy.sync_error = SyncState.PENDING, ""
        _write_policy(policy)
        changes = [Change(field=field, old=before[field], new=getattr(policy, field)) for field in changed]
        emit(EventType.RPZ_UPDATE, PolicyUpdate(policy=PolicyData.of(policy), what="changed", changes=changes))
    enforcement.wake_on_commit()
    return policy


def delete_policy(pk: int, *, version: int | None = None) -> None:
    """Delete a policy with all of its rules; the name server forgets its zone. Raises `Policy.DoesNotExist`."""
    with transaction.atomic():
        policy = Policy.objects.select_for_update().get(pk=pk)
        if version not in (None, policy.version):
            raise StaleVersion(policy_snapshot(policy), {"version": version})
        rules = list(policy.rules.living().values_list("pk", flat=True))
        told = PolicyUpdate(policy=PolicyData.of(policy), what="deleted", rules=rules[:1000], count=len(rules))
        emit(EventType.RPZ_UPDATE, told)
        policy.delete()
    enforcement.wake_on_commit()


def policy_snapshot(policy: Policy) -> dict[str, Any]:
    """A policy's own fields as plain values."""
    return {"id": policy.pk, **{field: getattr(policy, field) for field in POLICY_FIELDS}, "version": policy.version}


def _make_room(policy: Policy) -> int:
    """Put a policy at the place it asks for (from 1), and number all of its kind anew; returns its place."""
    others = list(Policy.objects.filter(kind=policy.kind).exclude(pk=policy.pk).order_by("position", "id"))
    place = max(1, min(policy.position, len(others) + 1))
    others.insert(place - 1, policy)
    for number, each in enumerate(others, 1):
        if each is not policy and each.position != number:
            Policy.objects.filter(pk=each.pk).update(position=number)
    return place


def _write_policy(policy: Policy) -> None:
    problems = []
    if not policy.name.strip() or len(policy.name) > 100 or any(ord(character) < 32 for character in policy.name):
        problems.append(Problem(code="invalid", message="a name has 1 to 100 printable characters", field="name"))
    if policy.mode not in Mode.values:
        problems.append(Problem(code="invalid", message=f"one of {', '.join(Mode.values)}", field="mode"))
    if len(policy.comment) > MAX_COMMENT or "\0" in policy.comment:
        text = f"at most {MAX_COMMENT} characters and no NUL"
        problems.append(Problem(code="invalid", message=text, field="comment"))
    if problems:
        raise InvalidChange(problems)
    try:
        with transaction.atomic():
            policy.save()
    except IntegrityError as error:
        raise invalid("exists", f"there is a policy {policy.name} already", "name") from error


def _zone(name: str) -> str:
    """A short name for the policy zone, readable in what `named` logs and in the answers of `dig`."""
    stem = slugify(name)[:30].strip("-_") or "policy"
    stem = stem.replace("_", "-")
    taken = set(Policy.objects.values_list("zone", flat=True))
    candidates = (f"{stem}{number}.rpz" for number in ["", *(f"-{n}" for n in range(2, 1000))])
    return next(zone for zone in candidates if zone not in taken)


def invalid(code: str, message: str, field: str) -> InvalidChange:
    """One thing that is wrong, as an error to raise."""
    return InvalidChange([Problem(code=code, message=message, field=field)])


def _author() -> int | None:
    user = current_actor().user
    return user.id if user else None
