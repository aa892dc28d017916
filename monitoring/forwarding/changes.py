"""Forwarders are added, changed and removed here: checked, written, announced, and brought to the name server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dns.exception
import dns.name
import dns.rdatatype
from django.db import transaction

from monitoring.events import ConfigChange
from monitoring.forwarding import applying
from monitoring.forwarding.telling import alert_key, target_data, tell
from monitoring.models import Forwarder, ForwarderTarget, ForwarderUse, Health, Transport
from realtime import alerts
from realtime.broadcasting import emit
from realtime.events import EventType
from zones.events import FieldChange
from zones.models import Zone
from zones.names import zone_name
from zones.nameserver.errors import BadName
from zones.nameserver.hosting import checked_name
from zones.nameserver.peers import peer
from zones.refusals import InvalidChange, StaleVersion
from zones.validation import Problem

MOST_TARGETS = 16
"""Of one forwarder."""
REMOVED = "removed"

FIELDS = (
    "domain",
    "comment",
    "enabled",
    "only",
    "use",
    "probe_name",
    "probe_type",
    "expected",
    "slow_ms",
)
"""What people decide of a forwarder, besides its targets."""


def create(fields: Mapping[str, Any], targets: Sequence[Mapping[str, Any]]) -> Forwarder:
    """Add a forwarder. Raises `InvalidChange`. Whether the name server took it is in `apply_error` of what is returned."""
    forwarder = Forwarder()
    _take(forwarder, fields)
    kept = _checked(forwarder, targets)
    with transaction.atomic():
        forwarder.save()
        _write_targets(forwarder, kept)
        _announce(forwarder, "none", [])
    return _applied(forwarder)


def change(
    forwarder: Forwarder,
    fields: Mapping[str, Any],
    targets: Sequence[Mapping[str, Any]] | None = None,
    *,
    version: int | None = None,
) -> Forwarder:
    """Change some fields, and all targets when they are given. Targets that stay keep their state and history.

    Raises `InvalidChange`, or `StaleVersion` when `version` is not the present one.
    """
    with transaction.atomic():
        present = Forwarder.objects.select_for_update().filter(pk=forwarder.pk).first()
        if present is None or version not in (None, present.version):
            raise StaleVersion(shown(present) if present else None, {**fields, "version": version})
        before = shown(present)
        _take(present, fields)
        given = before["targets"] if targets is None else targets
        kept = _checked(present, given)
        present.version += 1
        if not present.enabled:
            present.state, present.reason, present.since = Health.UNKNOWN, "it is switched off", datetime.now(UTC)
        present.save()
        if targets is not None:
            _write_targets(present, kept)
        after = shown(present)
        changes = [
            FieldChange(field=name, old=before[name], new=after[name])
            for name in (*FIELDS, "targets")
            if before[name] != after[name]
        ]
        if changes:
            _announce(present, before["state"], changes)
        if not present.enabled:
            alerts.resolve(alert_key(present), reason="The forwarder was switched off.")
    return _applied(present)


def remove(forwarder: Forwarder, *, version: int | None = None) -> None:
    """Remove a forwarder; the name server looks for itself again. Raises `StaleVersion`."""
    with transaction.atomic():
        present = Forwarder.objects.select_for_update().filter(pk=forwarder.pk).first()
        if present is None or version not in (None, present.version):
            raise StaleVersion(shown(present) if present else None, {"version": version})
        changes = [FieldChange(field="domain", old=present.domain, new=None)]
        emit(EventType.CONFIG_CHANGE, ConfigChange(what=f"forwarder {present.domain}", changes=changes))
        _emit_state(present, present.state, REMOVED, "it was removed", [])
        alerts.resolve(alert_key(present), reason="The forwarder was removed.")
        present.delete()
    applying.apply_and_note()


def shown(forwarder: Forwarder) -> dict[str, Any]:
    """What people decided of a forwarder, as plain values, with its state."""
    values = {name: getattr(forwarder, name) for name in (*FIELDS, "version", "state")}
    targets = ForwarderTarget.objects.filter(forwarder=forwarder).order_by("place", "pk") if forwarder.pk else ()
    values["targets"] = [{name: getattr(target, name) for name in ForwarderTarget.FIELDS} for target in targets]
    return values


def _take(forwarder: Forwarder, fields: Mapping[str, Any]) -> None:
    old_domain = forwarder.domain
    for name in FIELDS:
        if name in fields:
            setattr(forwarder, name, fields[name])
    domain = str(forwarder.domain).strip()
    try:
        forwarder.domain = domain if domain == applying.EVERYTHING else checked_name(zone_name(domain))
    except (ValueError, BadName) as error:
        raise _invalid("domain", str(error)) from error
    if not forwarder.probe_name or ("probe_name" not in fields and forwarder.probe_name == old_domain):
        forwarder.probe_name = forwarder.domain
    try:
        forwarder.probe_name = dns.name.from_text(forwarder.probe_name).to_text(omit_final_dot=True)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise _invalid("probe_name", f"{forwarder.probe_name!r} is not a domain name") from error
    try:
        forwarder.probe_type = forwarder.probe_type.upper()
        if dns.rdatatype.is_metatype(dns.rdatatype.from_text(forwarder.probe_type)):
            raise dns.rdatatype.UnknownRdatatype
    except (dns.rdatatype.UnknownRdatatype, ValueError) as error:
        raise _invalid("probe_type", f"{forwarder.probe_type!r} is not a type of records") from error
    if forwarder.use not in ForwarderUse.values:
        raise _invalid("use", f"one of {', '.join(ForwarderUse.values)}")
    others = Forwarder.objects.exclude(pk=forwarder.pk)
    if others.filter(domain=forwarder.domain).exists():
        raise _invalid("domain", f"there is a forwarder for {forwarder.domain} already", "exists")
    if Zone.objects.living().filter(name=forwarder.domain).exists():
        raise _invalid("domain", f"{forwarder.domain} is a zone of this site", "is_a_zone")


def _checked(forwarder: Forwarder, targets: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The targets as they are to be written. Raises `InvalidChange`."""
    problems, kept = [], []
    for place, given in enumerate(targets):
        target: dict[str, Any] = {
            "address": str(given.get("address", "")),
            "port": given.get("port") or (853 if given.get("transport") == Transport.DOT else 53),
            "transport": given.get("transport") or Transport.UDP.value,
            "tls_name": given.get("tls_name") or "",
        }
        try:
            target["address"] = peer(target["address"], target["port"]).address
            if target["transport"] not in Transport.values:
                raise ValueError(f"one of {', '.join(Transport.values)}")
            if target["tls_name"]:
                target["tls_name"] = checked_name(zone_name(target["tls_name"]))
        except (BadName, ValueError) as error:
            problems.append(Problem(field="targets", message=str(error), code="bad_target", index=place))
            continue
        if target in kept:
            problems.append(
                Problem(field="targets", message=f"{target['address']} is there twice", code="twice", index=place)
            )
        kept.append(target)
    if not 1 <= len(targets) <= MOST_TARGETS:
        problems.append(Problem(field="targets", message=f"from 1 to {MOST_TARGETS} targets", code="count"))
    elif not problems and all(target["transport"] == Transport.DOT for target in kept):
        message = "BIND 9.18 cannot forward over TLS: those targets are watched, name one for UDP or TCP as well"
        problems.append(Problem(field="targets", message=message, code="none_usable"))
    if problems:
        raise InvalidChange(problems)
    return kept


def _write_targets(forwarder: Forwarder, kept: Sequence[Mapping[str, Any]]) -> None:
    present = {
        (target.address, target.port, target.transport): target
        for target in ForwarderTarget.objects.filter(forwarder=forwarder)
    }
    for place, values in enumerate(kept):
        key = (values["address"], values["port"], values["transport"])
        target = present.pop(key, None) or ForwarderTarget(forwarder=forwarder)
        for name, value in {**values, "place": place}.items():
            setattr(target, name, value)
        target.save()
    ForwarderTarget.objects.filter(pk__in=[target.pk for target in present.values()]).delete()
    targets = list(ForwarderTarget.objects.filter(forwarder=forwarder))
    used = {target.pk for target in applying.chosen(forwarder, targets)} if forwarder.enabled else set()
    ForwarderTarget.objects.filter(forwarder=forwarder).update(in_use=False)
    ForwarderTarget.objects.filter(pk__in=used).update(in_use=True)


def _announce(forwarder: Forwarder, old: str, changes: list[FieldChange]) -> None:
    """What changed, for those who may see configuration; and the forwarder as it stands, for all who watch it."""
    what = changes or [FieldChange(field=name, old=None, new=value) for name, value in shown(forwarder).items()]
    emit(EventType.CONFIG_CHANGE, ConfigChange(what=f"forwarder {forwarder.domain}", changes=what))
    _emit_state(
        forwarder,
        old,
        forwarder.state,
        "it was changed" if changes else "it was added",
        list(ForwarderTarget.objects.filter(forwarder=forwarder)),
    )


def _emit_state(forwarder: Forwarder, old: str, new: str, why: str, targets: Sequence[ForwarderTarget]) -> None:
    tell(forwarder, None, old, str(new), why, [target_data(target) for target in targets])


def _applied(forwarder: Forwarder) -> Forwarder:
    applying.apply_and_note()
    forwarder.refresh_from_db()
    return forwarder


def _invalid(field: str, message: str, code: str = "invalid") -> InvalidChange:
    return InvalidChange([Problem(field=field, message=message, code=code)])
