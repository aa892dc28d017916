"""Who may see or change which zone: the one answer for pages, API and socket.

A right comes from a role (Django permissions, for all zones) or from an open grant on one zone, to the user or to one
of the user's groups. Someone who may not see a zone is told that there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from django.db.models import Q

from realtime.registry import EVERYTHING, ScopeKeys

Level = Literal["view", "edit", "manage"]

LEVELS: tuple[Level, ...] = ("view", "edit", "manage")
"""What one may be allowed, each including those before it."""

PERMISSION: dict[Level, str] = {
    "view": "zones.view_zone",
    "edit": "zones.change_record",
    "manage": "zones.delete_zone",
}
"""The Django permission that gives a level on all zones."""


def may(user: Any, level: Level, zone: Any) -> bool:
    """Whether `user` has `level` on `zone`; deleted zones are for nobody. At most one query besides permissions."""
    if not user.is_active or zone.deleted_at is not None:
        return False
    if _by_role(user, level):
        return True
    return bool(zone.grants.filter(_of(user), level__in=LEVELS[LEVELS.index(level) :], closed_at=None).exists())


def may_create_zones(user: Any) -> bool:
    """Whether `user` may make new zones."""
    return bool(user.is_active and user.has_perm("zones.add_zone"))


def levels(user: Any, zones: list[Any]) -> dict[int, Level]:
    """The highest level of `user` on each of `zones` (by id), for a list of them: one query for all."""
    from zones.models import ZoneGrant

    by_role = [level for level in LEVELS if _by_role(user, level)]
    best: dict[int, Level] = {zone.pk: by_role[-1] for zone in zones} if by_role else {}
    grants = ZoneGrant.objects.filter(_of(user), zone__in=zones, closed_at=None)
    for zone_id, granted in grants.values_list("zone_id", "level"):
        held = best.get(zone_id)
        if held is None or LEVELS.index(granted) > LEVELS.index(held):
            best[zone_id] = granted  # type: ignore[assignment]
    return best


def visible_zones(user: Any) -> Any:
    """The living zones that `user` may see, as a queryset."""
    from zones.models import Zone, ZoneGrant

    living = Zone.objects.living()
    if not user.is_active:
        return living.none()
    if _by_role(user, "view"):
        return living
    return living.filter(pk__in=ZoneGrant.objects.filter(_of(user), closed_at=None).values("zone_id"))


def visible_zone_keys(users: Sequence[Any]) -> dict[int, ScopeKeys]:
    """By user id, the keys of the zones whose events each may see. Deleted zones are among them, because the owner shall
    still read that they were deleted; keys are never reused, so this shows nothing of a new zone of that name.

    One query, besides those for permissions that were not looked up before.
    """
    from zones.models import ZoneGrant

    everywhere = {user.pk for user in users if user.is_active and _by_role(user, "view")}
    by_grant: dict[int, set[str]] = {user.pk: set() for user in users if user.is_active and user.pk not in everywhere}
    if by_grant:
        opened = ZoneGrant.objects.filter(closed_at=None).order_by()
        theirs = opened.filter(user__in=by_grant).values_list("user", "zone__key")
        of_their_groups = opened.filter(group__user__in=by_grant).values_list("group__user", "zone__key")
        for user_id, key in theirs.union(of_their_groups):
            if user_id in by_grant:
                by_grant[user_id].add(key)
    return {user.pk: EVERYTHING if user.pk in everywhere else frozenset(by_grant.get(user.pk, ())) for user in users}


def _by_role(user: Any, level: Level) -> bool:
    return any(user.has_perm(PERMISSION[at_least]) for at_least in LEVELS[LEVELS.index(level) :])


def _of(user: Any) -> Q:
    return Q(user_id=user.pk) | Q(group__in=user.groups.values("pk"))
