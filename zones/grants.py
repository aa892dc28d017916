"""Giving and ending rights to single zones. Each change is a durable event for those whom it concerns."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

from realtime.accounts import rights_changed
from realtime.actors import current_actor
from zones.access import Limits
from zones.models import GrantLevel, Zone, ZoneGrant
from zones.plan import note

EVERYTHING = Limits()
GRANT = "grant"
"""What the history calls it (`ChangeSet.settings`)."""


def give(zone: Zone, *, level: str, user: Any = None, group: Any = None, limits: Limits = EVERYTHING) -> ZoneGrant:
    """Give a user or a group (one of them) a right to a zone, in place of the one with the same limits that it had there,
    as a change set of the zone.

    limits: only of `edit`. Raises `ValueError` for those of another level.
    """
    with transaction.atomic():
        made, held = open_grant(zone, level=level, user=user, group=group, limits=limits)
        if made != held:
            note(zone, "who may do what", [{"field": GRANT, "old": held and words(held), "new": words(made)}])
    return made


def open_grant(
    zone: Zone, *, level: str, user: Any = None, group: Any = None, limits: Limits = EVERYTHING
) -> tuple[ZoneGrant, ZoneGrant | None]:
    """The same without a change set, for what has one already. Returns the grant, and what it takes the place of: itself,
    when there is nothing to do."""
    if limits != EVERYTHING and level != GrantLevel.EDIT:
        raise ValueError("only the right to change records can be limited to names, types or actions")
    actor = current_actor()
    of = {field: " ".join(getattr(limits, field)) for field in ("names", "types", "actions")}
    before = None
    with transaction.atomic():
        Zone.objects.living().filter(pk=zone.pk).update(updated_at=timezone.now())  # one at a time per zone
        for held in ZoneGrant.objects.filter(zone=zone, user=user, group=group, closed_at=None, **of):
            if held.level == level:
                return held, held
            before = held
            held.closed_at = timezone.now()
            held.save(update_fields=["closed_at"])
        made = ZoneGrant.objects.create(
            zone=zone, user=user, group=group, level=level, granted_by_id=actor.user.id if actor.user else None, **of
        )
        _announce(made, f"may now {level} the zone {zone.name}{limited(made)}")
    return made, before


def words(grant: ZoneGrant) -> str:
    """A grant in a line of the history."""
    return f"{grant.user or f'group {grant.group}'}: {grant.level}{limited(grant)}"


def limited(grant: ZoneGrant) -> str:
    """To what a grant is limited, in words that follow those of its level; empty when it is not."""
    parts = [", ".join(words.split()) for words in (grant.actions, grant.types, grant.names) if words]
    return f" (only {'; '.join(parts)})" if parts else ""


def close(grant: ZoneGrant) -> None:
    """End a grant. The row stays, as history."""
    with transaction.atomic():
        if ZoneGrant.objects.filter(pk=grant.pk, closed_at=None).update(closed_at=timezone.now()):
            _announce(grant, f"may no longer {grant.level} the zone {grant.zone.name} by this grant{limited(grant)}")
            note(grant.zone, "who may do what", [{"field": GRANT, "old": words(grant), "new": None}])
    grant.refresh_from_db()


def _announce(grant: ZoneGrant, reason: str) -> None:
    if grant.group_id is not None:
        members = get_user_model().objects.filter(groups=grant.group_id)
        rights_changed(members.values_list("pk", flat=True), reason)
    elif grant.user_id is not None:
        rights_changed([grant.user_id], reason)
