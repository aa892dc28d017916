"""Who may see or change which zone, and what in it: the one answer for pages, API and socket.

A right comes from a role (Django permissions, for all zones) or from an open grant on one zone, to the user or to one
of the user's groups. A grant to edit may be limited to names, record types and actions. Someone who may not see a zone is
told that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Func, JSONField, Q, QuerySet, Subquery

from realtime.actors import current_actor
from realtime.registry import EVERYTHING, ScopeKeys
from zones import rdata
from zones.names import sought

Level = Literal["view", "edit", "manage"]

LEVELS: tuple[Level, ...] = ("view", "edit", "manage")
"""What one may be allowed, each including those before it."""

ACTIONS = ("create", "update", "delete")
"""What is done to a record."""

PERMISSION: dict[Level, str] = {
    "view": "zones.view_zone",
    "edit": "zones.change_record",
    "manage": "zones.delete_zone",
}
"""The Django permission that gives a level on all zones."""


class Limits(msgspec.Struct, frozen=True):
    """What one grant to edit lets people do: names (patterns relative to the zone: `@`, `www`, `*.dev` for all below `dev`,
    `_acme-challenge.*`), record types, actions. Empty: all of them."""

    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()

    def permit(self, action: str, name: str, kind: str) -> bool:
        """Whether a record of this name and type may be created, changed or deleted."""
        return (
            (not self.actions or action in self.actions)
            and (not self.types or kind in self.types)
            and (not self.names or any(_pattern(each).fullmatch(name) for each in self.names))
        )


class Editing(msgspec.Struct, frozen=True):
    """What somebody may do to the records of a zone: whatever one of `grants` permits."""

    grants: tuple[Limits, ...] = ()

    @property
    def everything(self) -> bool:
        return Limits() in self.grants

    def permits(self, action: str, name: str, kind: str) -> bool:
        return any(limits.permit(action, name, kind) for limits in self.grants)


def may(user: Any, level: Level, zone: Any) -> bool:
    """Whether `user` has `level` on `zone` (`edit`: of some of its records); deleted zones are for nobody. At most one query
    besides permissions."""
    if not user.is_active or zone.deleted_at is not None:
        return False
    if _by_role(user, level):
        return True
    return any(held in LEVELS[LEVELS.index(level) :] for held, *_ in _held(user, zone))


def editing(user: Any, zone: Any) -> Editing:
    """What `user` may do to the records of `zone`. At most one query besides permissions."""
    if not user.is_active or zone.deleted_at is not None:
        return Editing()
    if _by_role(user, "edit"):
        return Editing((Limits(),))
    held = (words for level, *words in _held(user, zone) if level != "view")
    return Editing(tuple(Limits(*(tuple(each.split()) for each in words)) for words in held))


class GrantedKeys(msgspec.Struct, frozen=True):
    """The keys of the zones that somebody was granted, and of those of them that they may edit."""

    seen: frozenset[str] = frozenset()
    edited: frozenset[str] = frozenset()

    @classmethod
    def of(cls, granted: Iterable[tuple[str, str]]) -> GrantedKeys:
        """Of grants by zone's key and level."""
        held = set(granted)
        return cls(frozenset(key for key, _ in held), frozenset(key for key, level in held if level != "view"))


class OpenGrants(msgspec.Struct, frozen=True):
    """What somebody was granted: zone -> level, names, types, actions of each grant; and the keys of all these zones."""

    by_zone: dict[int, list[tuple[str, str, str, str]]]
    keys: GrantedKeys


def visible_zone(user: Any, name: str) -> Any:
    """The living zone of this name, if `user` may see it, or `None`. All that they were granted, there and elsewhere, is
    read with it, so that nobody who has this user object asks again; it knows nothing of later changes, as with Django's
    permissions."""
    from zones.models import ZoneGrant

    found = visible_zones(user).filter(name=name)
    if _by_role(user, "manage"):
        return found.first()
    open_grants = ZoneGrant.objects.filter(_of(user), closed_at=None).order_by()
    zone = found.annotate(granted=_Rows(open_grants.values("zone_id", "zone__key", *_WORDS))).first()
    if zone is not None:
        by_zone: dict[int, list[tuple[str, str, str, str]]] = {}
        for pk, _, *words in zone.granted:
            by_zone.setdefault(pk, []).append(tuple(words))
        user.open_grants = OpenGrants(by_zone, GrantedKeys.of((key, level) for _, key, level, *_ in zone.granted))
    return zone


class _Rows(Func):
    """All rows of a query, as a list of lists: read together with another row."""

    template = "(SELECT JSON_GROUP_ARRAY(JSON_ARRAY(%(columns)s)) FROM %(expressions)s AS listed)"
    output_field = JSONField()

    def __init__(self, rows: QuerySet[Any]) -> None:
        super().__init__(Subquery(rows), columns=", ".join(f'"{column}"' for column in rows.query.values_select))

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        listed = "(SELECT COALESCE(JSONB_AGG(JSONB_BUILD_ARRAY(%(columns)s)), '[]') FROM %(expressions)s AS listed)"
        return self.as_sql(compiler, connection, template=listed)


_WORDS = ("level", "names", "types", "actions")


def _held(user: Any, zone: Any) -> Iterable[tuple[str, str, str, str]]:
    """Level, names, types and actions of the open grants of `user` on `zone`."""
    known: OpenGrants | None = getattr(user, "open_grants", None)
    if known is not None:
        return known.by_zone.get(zone.pk, ())
    rows: Iterable[tuple[str, str, str, str]] = zone.grants.filter(_of(user), closed_at=None).values_list(*_WORDS)
    return rows


def refuse_unless_permitted(zone: Any, changes: Iterable[Any]) -> None:
    """Refuse changes of records (`zones.models.Change`) that whoever acts may not make; the system may make all.

    Both sides of a change count: a record cannot be moved out of, nor into, what one may edit.
    Raises `PermissionDenied` with the first three in words.
    """
    actor = current_actor()
    if actor.user is None:
        return
    user = get_user_model().objects.filter(pk=actor.user.id).first()
    allowed = editing(user, zone) if user is not None else Editing()
    if allowed.everything:
        return
    refused = {
        (change.op, side["name"], side["type"])
        for change in changes
        for side in (change.before, change.after)
        if side is not None and not allowed.permits(change.op, side["name"], side["type"])
    }
    if refused:
        some = ", ".join(f"{op} {name} {kind}" for op, name, kind in sorted(refused)[:3])
        more = f" and {len(refused) - 3} more" if len(refused) > 3 else ""
        raise PermissionDenied(f"Your rights to {zone.name} do not reach that far: {some}{more}. Nothing was changed.")


def may_create_zones(user: Any) -> bool:
    """Whether `user` may make new zones, and say which servers the site speaks to for them."""
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


def visible_zones(user: Any, level: Level = "view") -> Any:
    """The living zones that `user` may see, or do more with, as a queryset."""
    from zones.models import Zone, ZoneGrant

    living = Zone.objects.living()
    if not user.is_active:
        return living.none()
    if _by_role(user, level):
        return living
    granted = ZoneGrant.objects.filter(_of(user), level__in=LEVELS[LEVELS.index(level) :], closed_at=None)
    return living.filter(pk__in=granted.values("zone_id"))


def visible_zone_keys(users: Sequence[Any]) -> dict[int, ScopeKeys]:
    """By user id, the keys of the zones whose events each may see. Deleted zones are among them, because the owner shall
    still read that they were deleted; keys are never reused, so this shows nothing of a new zone of that name.

    One query, besides those for permissions that were not looked up before.
    """
    everywhere = {user.pk for user in users if _everywhere(user, "view")}
    # Whoever has to be asked about is asked about together with those whom the next question is about.
    granted = _granted_keys(users) if len(everywhere) < len(users) else {}
    return {user.pk: EVERYTHING if user.pk in everywhere else granted[user.pk].seen for user in users}


def edited_zone_keys(users: Sequence[Any]) -> dict[int, ScopeKeys]:
    """The same for the zones whose records, or some of them, each may change. No query where that has made one."""
    granted = _granted_keys(users)
    return {user.pk: EVERYTHING if _everywhere(user, "edit") else granted[user.pk].edited for user in users}


def _granted_keys(users: Sequence[Any]) -> dict[int, GrantedKeys]:
    """By user id, what was granted to each: of those for whom it matters and whom nobody has asked about before, by one
    query. A user object remembers it for life, as it does its permissions."""
    from zones.models import ZoneGrant

    known: dict[int, GrantedKeys] = {}
    asked: dict[int, tuple[Any, list[tuple[str, str]]]] = {}
    for user in users:
        grants = getattr(user, "open_grants", None)
        keys = grants.keys if grants is not None else getattr(user, "granted_keys", None)
        if keys is None and user.is_active and not _everywhere(user, "edit"):
            asked[user.pk] = user, []
        else:
            known[user.pk] = keys or GrantedKeys()
    if asked:
        opened = ZoneGrant.objects.filter(closed_at=None).order_by()
        theirs = opened.filter(user__in=asked).values_list("user", "zone__key", "level")
        of_their_groups = opened.filter(group__user__in=asked).values_list("group__user", "zone__key", "level")
        for user_id, key, level in theirs.union(of_their_groups):
            if user_id in asked:
                asked[user_id][1].append((key, level))
    for user, found in asked.values():
        user.granted_keys = known[user.pk] = GrantedKeys.of(found)
    return known


def _everywhere(user: Any, level: Level) -> bool:
    return bool(user.is_active) and _by_role(user, level)


def _by_role(user: Any, level: Level) -> bool:
    return any(user.has_perm(PERMISSION[at_least]) for at_least in LEVELS[LEVELS.index(level) :])


def _of(user: Any) -> Q:
    return Q(user_id=user.pk) | Q(group__in=user.groups.values("pk"))


@lru_cache(maxsize=1000)
def _pattern(text: str) -> re.Pattern[str]:
    """`*` stands for any characters, dots included; `@` is the apex and nothing else."""
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


def checked_limits(names: Sequence[str], types: Sequence[str], actions: Sequence[str]) -> Limits:
    """The limits of a grant as people type them, in their one form. Raises `ValueError` in plain words."""
    patterns = sorted({sought(name.strip().lower()) for name in names if name.strip()})
    for pattern in patterns:
        if re.search(r"[\s\x00-\x1f]", pattern) or pattern.count("*") > 2 or len(pattern) > 255:
            raise ValueError(f"{pattern!r} is no pattern of names; write www, @, *.dev or _acme-challenge.*")
        if pattern.endswith(".") or not pattern.isascii():  # no name of the zone would ever fit
            raise ValueError(
                f"{pattern!r} fits no name: write it relative to the zone, and labels of other scripts whole"
            )
    kinds = sorted({kind.strip().upper() for kind in types if kind.strip()})
    for kind in kinds:
        rdata.type_name(kind)
    if unknown := set(actions) - set(ACTIONS):
        raise ValueError(f"{', '.join(sorted(unknown))}: the actions are {', '.join(ACTIONS)}")
    limits = Limits(tuple(patterns), tuple(kinds), tuple(each for each in ACTIONS if each in actions))
    return msgspec.structs.replace(limits, actions=()) if len(limits.actions) == len(ACTIONS) else limits
