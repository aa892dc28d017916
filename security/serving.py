"""Brings policies and rules to the name server: the configuration first, then the rules that wait, one update per zone.

The rows are what people want. Each rule remembers the RRsets that the server has for it; they are the prerequisites of its
change, so that nobody's change at the server is overwritten unseen. A push may be cut off at any point and done again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from realtime.broadcasting import emit
from realtime.events import EventSeverity, EventType
from security import configuration, triggers
from security.events import PolicyData, PolicyUpdate, RuleData
from security.in_force import Watch
from security.models import Enforcement, Mode, Policy, PolicyKind, Rule
from zones.leases import lease
from zones.models import SyncState
from zones.nameserver.comparison import RRsetChange, differences
from zones.nameserver.endpoint import Endpoint, endpoint
from zones.nameserver.errors import Drifted, NameServerError
from zones.nameserver.statistics import serials
from zones.nameserver.transfer import transfer
from zones.nameserver.updates import update
from zones.rrsets import APEX, RRset

logger = logging.getLogger(__name__)

AT_ONCE = 2000
"""Rules that are brought to the server in one go."""
TAKEN_IN_WITHIN_S = 20.0
SOON_S = 1.0
"""After that long, people are told that the server has the rules and does not act by them yet."""
DRIFTED = "changed at the name server: "

Key = tuple[str, str, str]
"""Zone, owner name, type."""


def bring_up_to_date() -> bool:
    """Do what waits, if no other process is at it; returns whether anything did. Raises `NameServerError`; then it waits
    on."""
    if not _something_waits():
        return False
    Enforcement.objects.get_or_create(pk=1)
    with lease(Enforcement, 1) as ours:
        if ours is None:
            return True
        where = endpoint()
        try:
            _configure(where)
            while _push_rules(where):
                pass
        except NameServerError as error:
            _tell_failure(error)
            raise
    return True


def _something_waits() -> bool:
    if Rule.objects.filter(sync_state=SyncState.PENDING).exists():
        return True
    zones = configuration.zones_of(Policy.objects.all())
    return not configuration.in_place(endpoint(), zones) or Policy.objects.filter(sync_state=SyncState.PENDING).exists()


def _configure(where: Endpoint) -> None:
    policies = list(Policy.objects.all())
    zones = configuration.zones_of(policies)
    if not configuration.in_place(where, zones):
        new = set(configuration.apply(where, zones))
        if new:
            _start_anew(policies, new)
    for policy in policies:
        if policy.sync_state != SyncState.SERVED and not _waiting(policy):
            _tell(policy, "in_force", [])


def _start_anew(policies: Iterable[Policy], new: set[str]) -> None:
    """Zones that the server did not know hold nothing yet, whatever we knew of an earlier life of theirs."""
    for policy in policies:
        if policy.zone in new or policy.trial_zone in new:
            Rule.objects.filter(policy=policy).update(served=[], sync_state=SyncState.PENDING)


def _push_rules(where: Endpoint) -> bool:
    """Bring the longest waiting rules to the server; returns whether there were any."""
    waiting = Rule.objects.filter(sync_state=SyncState.PENDING).select_related("policy").order_by("updated_at", "id")
    rules = list(waiting[:AT_ONCE])
    if not rules:
        return False
    watch = Watch(where)
    changes_by_zone = _changes(rules)
    failures: dict[str, NameServerError] = {}
    updated: dict[str, int] = {}  # zone -> its new serial
    for zone, changes in changes_by_zone.items():
        try:
            updated[zone] = _update(where, zone, changes)
        except NameServerError as error:
            if error.retry:
                raise
            failures[zone] = error
    touched = [zone for zone, changes in changes_by_zone.items() if changes and zone not in failures]
    try:
        took_in = watch.wait(touched, timeout_s=SOON_S)
    except TimeoutError:
        _record(rules, updated, failures, what="accepted", state=SyncState.PUSHING)
        try:
            took_in = watch.wait(touched, timeout_s=TAKEN_IN_WITHIN_S)
        except TimeoutError as error:
            raise NameServerError("not_in_force", str(error), retry=True) from error
    if took_in is False:
        raise NameServerError("not_in_force", "named could not take in the rules: see its log", retry=True)
    _record(rules, updated, failures, what="accepted" if took_in is None else "in_force")
    return True


def wanted(rule: Rule) -> dict[Key, RRset]:
    """The RRsets that the server is to have for a rule."""
    if not rule.active:
        return {}
    zone = rule.policy.trial_zone if rule.trial else rule.policy.zone
    return {
        (zone, record.name, record.type): RRset(record.name, record.type, triggers.TTL_S, record.rdata)
        for record in triggers.records(rule.trigger_type, rule.trigger, rule.action, rule.target)
    }


def _had(rule: Rule) -> dict[Key, RRset]:
    """The RRsets that the server has for it, as we know."""
    return {
        (zone, name, kind): RRset(name, kind, triggers.TTL_S, tuple(rdata)) for zone, name, kind, *rdata in rule.served
    }


def _changes(rules: Iterable[Rule]) -> dict[str, list[RRsetChange]]:
    """What is to be done by zone. A deleted rule and a new one of the same trigger make one change."""
    before: dict[Key, RRset] = {}
    after: dict[Key, RRset] = {}
    for rule in rules:
        before |= _had(rule)
        after |= wanted(rule)
    changes: dict[str, list[RRsetChange]] = defaultdict(list)
    for key in sorted(before.keys() | after.keys()):
        zone, name, kind = key
        together = changes[zone]  # also where there is nothing to do
        if before.get(key) != after.get(key):
            together.append(RRsetChange(name, kind, before.get(key), after.get(key)))
    return changes


def _update(where: Endpoint, zone: str, changes: Sequence[RRsetChange]) -> int:
    try:
        return update(where, zone, changes)
    except Drifted as drifted:
        # Somebody was at the very names that people have now decided about here: what was decided here holds.
        logger.warning("%s: %s; it is set right", zone, drifted.message)
        names = {change.name for change in changes}
        served = [rrset for rrset in transfer(where, zone).rrsets if rrset.name in names]
        return update(where, zone, differences(served, [each.after for each in changes if each.after], zone))


# -- what came of it ----------------------------------------------------------------------------------------------------


def _record(
    rules: Sequence[Rule],
    serials: Mapping[str, int],
    failures: Mapping[str, NameServerError],
    *,
    what: str,
    state: SyncState = SyncState.SERVED,
) -> None:
    """Write down what the server has now, and tell. A rule that was changed meanwhile waits on."""
    by_policy: dict[int, list[Rule]] = defaultdict(list)
    with transaction.atomic():
        for rule in rules:
            zones = {key[0] for key in (*_had(rule), *wanted(rule))}
            error = next((failures[zone] for zone in zones if zone in failures), None)
            by_policy[rule.policy_id].append(rule)
            present = Rule.objects.filter(pk=rule.pk, version=rule.version)
            if error is not None:
                rule.sync_state, rule.sync_error = SyncState.FAILED, error.message
                present.update(sync_state=rule.sync_state, sync_error=rule.sync_error)
                continue
            served = [[zone, name, kind, *rrset.rdata] for (zone, name, kind), rrset in wanted(rule).items()]
            rule.sync_state, rule.sync_error = state, ""
            if rule.deleted_at is not None and not served:
                Rule.objects.filter(pk=rule.pk).delete()
                continue
            Rule.objects.filter(pk=rule.pk).update(served=served)
            present.update(sync_state=rule.sync_state, sync_error="")
        for pk, those in by_policy.items():
            policy = Policy.objects.filter(pk=pk).first()
            if policy is not None:
                failed = any(rule.sync_state == SyncState.FAILED for rule in those)
                _tell(policy, "failed" if failed else what, those, state=state, serial=serials.get(policy.zone))


def _tell(
    policy: Policy,
    what: str,
    rules: Sequence[Rule],
    *,
    state: SyncState = SyncState.SERVED,
    serial: int | None = None,
) -> None:
    """Write down how a policy stands, and announce it."""
    policy.sync_state, policy.sync_error = state, ""
    if what == "failed":
        policy.sync_state = SyncState.FAILED
        policy.sync_error = next((rule.sync_error for rule in rules if rule.sync_error), "")
    elif _waiting(policy):
        policy.sync_state = SyncState.PENDING
    policy.serial, policy.synced_at = serial or policy.serial, timezone.now()
    with transaction.atomic():
        Policy.objects.filter(pk=policy.pk).update(
            sync_state=policy.sync_state,
            sync_error=policy.sync_error,
            serial=policy.serial,
            synced_at=policy.synced_at,
        )
        told = PolicyUpdate(
            policy=PolicyData.of(policy),
            what=what,
            rules=[rule.pk for rule in rules[:1000] if rule.pk],
            rule=RuleData.of(rules[0]) if len(rules) == 1 else None,
            count=len(rules),
        )
        severity = EventSeverity.ERROR if what == "failed" else EventSeverity.INFO
        emit(EventType.RPZ_UPDATE, told, severity=severity)


def _waiting(policy: Policy) -> bool:
    return Rule.objects.filter(policy=policy, sync_state=SyncState.PENDING).exists()


def _tell_failure(error: NameServerError) -> None:
    """Say at each policy that waits why it does; the same reason again is not told again."""
    for policy in Policy.objects.exclude(sync_error=error.message):
        if policy.sync_state == SyncState.PENDING or _waiting(policy):
            state = SyncState.PENDING if error.retry else SyncState.FAILED
            with transaction.atomic():
                Policy.objects.filter(pk=policy.pk).update(sync_state=state, sync_error=error.message)
                policy.sync_state, policy.sync_error = state, error.message
                told = PolicyUpdate(policy=PolicyData.of(policy), what="failed")
                emit(EventType.RPZ_UPDATE, told, severity=EventSeverity.WARNING)


# -- drift --------------------------------------------------------------------------------------------------------------


def look_for_drift() -> None:
    """Find policies that somebody changed at the server, and say so. Raises `NameServerError`."""
    policies = Policy.objects.filter(kind=PolicyKind.RULES, sync_state=SyncState.SERVED).exclude(mode=Mode.OFF)
    known = {policy.zone: policy for policy in policies if policy.serial is not None}
    if not known:
        return
    where = endpoint()
    served = serials(where, known)
    for zone, policy in known.items():
        if served.get(zone) == policy.serial or _waiting(policy):
            continue
        with lease(Enforcement, 1) as ours:
            if ours is not None and not _waiting(policy):
                _examine(where, policy)


def _examine(where: Endpoint, policy: Policy) -> None:
    found = transfer(where, policy.zone)
    changes = _foreign(policy, found.rrsets)
    if not changes:
        Policy.objects.filter(pk=policy.pk).update(serial=found.serial)
        return
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    policy.sync_state = SyncState.FAILED
    policy.sync_error = f"{DRIFTED}{', '.join(str(change) for change in changes[:3])}{more}"
    policy.serial = found.serial
    with transaction.atomic():
        policy.save(update_fields=["sync_state", "sync_error", "serial"])
        told = PolicyUpdate(policy=PolicyData.of(policy), what="drifted", count=len(changes))
        emit(EventType.RPZ_UPDATE, told, severity=EventSeverity.WARNING)


def _foreign(policy: Policy, served: Iterable[RRset], zone: str | None = None) -> list[RRsetChange]:
    """What leads from the zone as served to the zone as wanted; its SOA and NS are nobody's business."""
    zone = zone or policy.zone
    rules = Rule.objects.active().filter(policy=policy).select_related("policy")
    here = [rrset for rule in rules for (name, _, _), rrset in wanted(rule).items() if name == zone]
    return differences([rrset for rrset in served if rrset.name != APEX], here, zone)


def repair(policy: Policy) -> int:
    """Make the server have exactly the rules of the policy, whatever it has now; returns how many RRsets were different.

    Raises `NameServerError`; `busy` when another process is at it.
    """
    Enforcement.objects.get_or_create(pk=1)
    with lease(Enforcement, 1) as ours:
        if ours is None:
            raise NameServerError("busy", "another process is bringing policies to the name server", retry=True)
        where = endpoint()
        _configure(where)
        count = 0
        serial = None
        watch = Watch(where)
        touched = []
        for zone in (policy.zone, policy.trial_zone):
            changes = _foreign(policy, transfer(where, zone).rrsets, zone)
            if changes:
                touched.append(zone)
                count += len(changes)
            new = update(where, zone, changes)
            serial = new if zone == policy.zone else serial
        try:
            took_in = watch.wait(touched, timeout_s=TAKEN_IN_WITHIN_S)
        except TimeoutError as error:
            raise NameServerError("not_in_force", str(error), retry=True) from error
        with transaction.atomic():
            for rule in Rule.objects.filter(policy=policy).select_related("policy"):
                served = [[zone, name, kind, *rrset.rdata] for (zone, name, kind), rrset in wanted(rule).items()]
                if rule.deleted_at is not None:
                    rule.delete()
                else:
                    Rule.objects.filter(pk=rule.pk, version=rule.version).update(
                        served=served, sync_state=SyncState.SERVED, sync_error=""
                    )
            policy.refresh_from_db()
            _tell(policy, "accepted" if took_in is None else "in_force", [], serial=serial)
        return count
