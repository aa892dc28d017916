"""Who sees the same: the rights of a user, reduced to what decides about events.

An audience is a value. Two users with equal rights have equal audiences and share filtering, redaction and encoding.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from django.contrib.auth import get_user_model
from django.db.models import F, QuerySet, Value
from rest_framework_simplejwt.utils import get_md5_hash_password

from realtime.events import Event, EventType
from realtime.registry import ADMINISTRATORS, EVERYTHING, EventSpec, ScopeKeys, registry


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """The rights that matter for events.

    permissions: those that some event or field asks for. scopes: kind of scope -> keys seen, `None` for all of them,
    as sorted pairs so that the value hashes. user_id: whose own events are shown as well, `None` on a shared route.
    """

    is_admin: bool
    permissions: frozenset[str]
    scopes: tuple[tuple[str, frozenset[str] | None], ...]
    user_id: int | None = None

    def shared(self) -> Audience:
        """The same rights without the person, as a route keys them."""
        return msgspec.structs.replace(self, user_id=None)

    def has(self, permission: str | None) -> bool:
        """Whether `permission` (as an `EventSpec` names it) is held."""
        return self.is_admin or permission is None or permission in self.permissions

    def may_subscribe(self, spec: EventSpec) -> bool:
        """Whether any event of this type could ever be shown. Scoped and own events are judged one by one."""
        return self.has(spec.permission) or spec.scope is not None or spec.own

    def may_see(self, event: Event, spec: EventSpec) -> bool:
        """Whether this event is shown: by permission, by a grant on what it is about, or because it is one's own."""
        if self.has(spec.permission):
            return True
        if spec.own and self.user_id is not None and event.subject_id == self.user_id:
            return True
        return self._granted(spec.scope, event)

    def may_read(self, event: Event, spec: EventSpec, permission: str) -> bool:
        """Whether the fields of a shown event that `permission` is asked for are shown: by it, or by a grant in its place."""
        return self.has(permission) or self._granted(spec.granted.get(permission), event)

    def _granted(self, wanted: str | None, event: Event) -> bool:
        """Whether a grant of this kind is held on what the event is about."""
        if wanted is None or event.scope is None:
            return False
        return any(kind == wanted and (keys is None or event.scope in keys) for kind, keys in self.scopes)


class NotAllowed(Exception):
    """The user may not be connected at all: deactivated or gone."""

    def __init__(self, user_id: int) -> None:
        super().__init__(user_id)
        self.user_id = user_id


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a user between two looks at the database.

    session_mark, token_mark: what a session and a token must say of the password that they were made with.
    """

    id: int
    username: str
    session_mark: str
    token_mark: str


def load(user_id: int) -> tuple[Account, Audience]:
    """The account, fresh from the database, and the audience it belongs to now. Raises `NotAllowed`."""
    found = load_all([user_id]).get(user_id)
    if found is None:
        raise NotAllowed(user_id)
    return found


def asking(request: Any) -> Audience:
    """The audience of whoever makes a request to the API, by the rights of now. Raises `NotAllowed`."""
    assert request.user.pk is not None  # signed in, or the permission classes had refused
    return load(request.user.pk)[1]


def load_all(user_ids: Iterable[int]) -> dict[int, tuple[Account, Audience]]:
    """The same for many; those who may not be connected are left out. Two queries, and one for each kind of scope."""
    users = list(get_user_model().objects.filter(pk__in=set(user_ids), is_active=True))
    ordinary = [user for user in users if not user.is_superuser]
    _fill_permission_caches(ordinary)
    visible = _visible(ordinary)
    return {user.pk: (_account(user), _audience(user, visible)) for user in users}


def exists(user_id: int) -> bool:
    """Whether there is an account of that id, even one that may not be used."""
    return get_user_model().objects.filter(pk=user_id).exists()


def of(user: Any, *kinds: str) -> Audience:
    """The audience of a user object, whose permissions must not have been asked for before (it caches them). kinds: of the
    grants that matter, if not all do."""
    return _audience(user, _visible([] if user.is_superuser else [user], kinds))


def _account(user: Any) -> Account:
    return Account(
        id=user.pk,
        username=user.get_username(),
        session_mark=user.get_session_auth_hash(),
        token_mark=get_md5_hash_password(user.password),
    )


def _visible(users: Sequence[Any], kinds: Sequence[str] = ()) -> dict[str, Mapping[int, ScopeKeys]]:
    wanted = kinds or registry.scopes()
    return {kind: registry.scopes()[kind](users) for kind in wanted} if users else {}


def know(user: Any) -> None:
    """Look up what the roles of a user allow, and the names of their groups as `group_names`, before anybody asks: one query
    for all of it."""
    user.group_names = sorted(_fill_permission_caches([user])[user.pk, "member"])


def _fill_permission_caches(users: Sequence[Any]) -> Mapping[tuple[int, str], set[str]]:
    """Look up once what Django's `ModelBackend` would for each user, and leave it where that looks first. Returns it by user
    and source, with the names of groups as `member`.

    The decision stays with `has_perm`, and so with every authentication backend of the site.
    """
    from django.contrib.auth.models import Group  # this module is read before the apps are

    ids = [user.pk for user in users]
    if not ids:
        return {}
    name = ("permission__content_type__app_label", "permission__codename")
    own = get_user_model().user_permissions.through.objects.filter(user__in=ids)
    by_group = Group.permissions.through.objects.filter(group__user__in=ids)
    membership: QuerySet[Any, Any] = get_user_model().groups.through.objects.filter(user__in=ids)
    rows = own.annotate(whose=F("user"), source=Value("user")).values_list("whose", "source", *name)
    rows = rows.union(
        by_group.annotate(whose=F("group__user"), source=Value("group")).values_list("whose", "source", *name),
        membership.annotate(source=Value("member"), app=Value("")).values_list("user", "source", "app", "group__name"),
    )
    held: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    for user_id, source, app, codename in rows:
        held[user_id, source].add(sys.intern(f"{app}.{codename}") if app else codename)
    for user in users:
        user._user_perm_cache = held[user.pk, "user"]  # noqa: SLF001  # the names that Django gives them
        user._group_perm_cache = held[user.pk, "group"]  # noqa: SLF001
    return held


def _audience(user: Any, visible: Mapping[str, Mapping[int, ScopeKeys]]) -> Audience:
    if user.is_superuser:
        return Audience(is_admin=True, permissions=frozenset(), scopes=(), user_id=user.pk)
    permissions = frozenset(permission for permission in _asked() if user.has_perm(permission))
    scopes = tuple(sorted((kind, _keys(keys[user.pk])) for kind, keys in visible.items()))
    shared = _interned(Audience(is_admin=False, permissions=permissions, scopes=scopes))
    return msgspec.structs.replace(shared, user_id=user.pk)


def _asked() -> set[str]:
    """The permissions that some event or field asks for."""
    asked = {spec.permission for spec in registry} | {p for spec in registry for p in spec.sensitive.values()}
    return {permission for permission in asked if permission is not None and permission != ADMINISTRATORS}


@lru_cache(maxsize=1024)
def _interned(audience: Audience) -> Audience:
    """One and the same object for equal rights: thousands of connections hold one."""
    return audience


def _keys(keys: ScopeKeys) -> frozenset[str] | None:
    return None if keys is EVERYTHING else frozenset(keys)  # type: ignore[arg-type]


def permitted_types(audience: Audience) -> list[EventType]:
    """The events that this audience may subscribe to, in the order of the catalogue."""
    return [spec.event_type for spec in registry if audience.may_subscribe(spec)]
