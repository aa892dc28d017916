"""Who sees the same: the rights of a user, reduced to what decides about events.

An audience is a value. Two users with equal rights have equal audiences and share filtering, redaction and encoding.
"""

from __future__ import annotations

from typing import Any

import msgspec

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
        if spec.scope is None or event.scope is None:
            return False
        return any(kind == spec.scope and (keys is None or event.scope in keys) for kind, keys in self.scopes)


class NotAllowed(Exception):
    """The user may not be connected at all: deactivated or gone."""


def load(user_id: int) -> tuple[Any, Audience]:
    """The user, fresh from the database, and the audience they belong to now. Raises `NotAllowed`."""
    from django.contrib.auth import get_user_model

    user = get_user_model().objects.filter(pk=user_id).first()
    if user is None or not user.is_active:
        raise NotAllowed(user_id)
    return user, of(user)


def of(user: Any) -> Audience:
    """The audience of a user object, whose permissions must not have been asked for before (it caches them)."""
    if user.is_superuser:
        return Audience(is_admin=True, permissions=frozenset(), scopes=(), user_id=user.pk)
    asked = {spec.permission for spec in registry} | {p for spec in registry for p in spec.sensitive.values()}
    permissions = frozenset(p for p in asked if p is not None and p != ADMINISTRATORS and user.has_perm(p))
    scopes = tuple(sorted((kind, _keys(visible(user))) for kind, visible in registry.scopes().items()))
    return Audience(is_admin=False, permissions=permissions, scopes=scopes, user_id=user.pk)


def _keys(keys: ScopeKeys) -> frozenset[str] | None:
    return None if keys is EVERYTHING else frozenset(keys)  # type: ignore[arg-type]


def permitted_types(audience: Audience) -> list[EventType]:
    """The events that this audience may subscribe to, in the order of the catalogue."""
    return [spec.event_type for spec in registry if audience.may_subscribe(spec)]
