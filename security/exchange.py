"""Policies as zone files, the form in which other resolvers and other people's tools keep them, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from security import rules, triggers
from security.guards import dangers
from security.models import Policy, Rule
from security.serving import wanted
from zones.refusals import InvalidChange
from zones.rrsets import APEX
from zones.zonefile.read import read_zone_file

MOST_RULES = 5000
"""Of one import; what is longer is a feed."""

_HEAD = "$TTL 60\n@ SOA localhost. hostmaster.localhost. 1 3600 600 86400 60\n@ NS localhost.\n"
_ORIGIN = re.compile(rb"^\s*\$ORIGIN\s+(\S+?)\.?\s*(?:;.*)?$", re.MULTILINE | re.IGNORECASE)
_SOA = re.compile(rb"^(\S+)\s+(?:\d+\s+)?(?:IN\s+)?(?:\d+\s+)?SOA\s", re.MULTILINE | re.IGNORECASE)


class Imported(msgspec.Struct, kw_only=True):
    """What an import did. present: triggers that have a rule already, which stays. refused: with the reason."""

    created: int = 0
    present: int = 0
    refused: list[dict[str, str]] = []


def export(policy: Policy) -> Iterator[str]:
    """The lines of the policy's zone: the rules in force now, with their comments."""
    yield f"; {_one_line(policy.name)}\n$ORIGIN {policy.zone}.\n{_HEAD}"
    for rule in Rule.objects.active().filter(policy=policy, trial=False).order_by("trigger_type", "trigger"):
        said = " / ".join(filter(None, (_one_line(rule.category), _one_line(rule.comment))))
        for (_, name, kind), rrset in wanted(rule).items():
            for rdata in rrset.rdata:
                yield f"{name} {kind} {rdata}{f' ; {said}' if said else ''}\n"


def load(policy: Policy, text: bytes, *, confirm: bool = False, dry_run: bool = False) -> Imported:
    """Make a rule of each trigger of a policy zone that has none yet. confirm: also of those that would block much.

    Raises `ZoneFileError` for a file that `named` would not load, `InvalidChange` when it holds too many rules.
    """
    soa = _SOA.search(text)
    if soa is None:
        text = _HEAD.encode() + text
    origin = _ORIGIN.search(text)
    zone = policy.zone
    if origin is not None:
        zone = origin[1].decode("ascii", "replace").lower()
    elif soa is not None and soa[1].endswith(b"."):
        zone = soa[1].decode("ascii", "replace").lower().rstrip(".")
    by_owner: dict[str, list[tuple[str, str]]] = {}
    for record in read_zone_file(text, zone).records:
        if record.name != APEX:
            by_owner.setdefault(record.name, []).append((record.type, record.content))
    if len(by_owner) > MOST_RULES:
        raise rules.invalid("too_many", f"more than {MOST_RULES} rules; make a feed of it", "file")
    result = Imported()
    present = set(policy.rules.living().values_list("trigger_type", "trigger"))
    found: list[dict[str, str]] = []
    for owner, records in by_owner.items():
        try:
            kind, trigger = triggers.from_owner(owner)
            action, target = triggers.from_records([(kind, [rdata]) for kind, rdata in records])
            if reasons := [] if confirm else dangers(kind, trigger, action):
                raise ValueError("; ".join(reasons))
        except ValueError as error:
            result.refused.append({"name": owner, "reason": str(error)})
            continue
        if (kind, trigger) in present:
            result.present += 1
            continue
        found.append({"trigger_type": kind, "trigger": trigger, "action": action, "target": target})
    if found and not dry_run:
        try:
            rules.create_many(policy, found)
        except InvalidChange as error:
            raise rules.invalid("invalid", str(error), "file") from error
    result.created = len(found)
    return result


def _one_line(text: str) -> str:
    """Nothing that could end a comment: what is not printable is left out."""
    return "".join(character for character in text if character.isprintable())
