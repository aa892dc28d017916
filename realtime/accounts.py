"""Users, sessions and rights as events: who signed in or out, who was changed, whose rights changed.

A change of rights is a durable event like any other, so it has a place in the log: nothing that comes after it reaches
anyone under the rights from before it (`realtime.routes`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.db.models.signals import m2m_changed, post_init, post_save, pre_delete
from django.dispatch import receiver

from realtime.actors import acting, current_actor
from realtime.broadcasting import emit
from realtime.events import EventCategory, EventType
from realtime.registry import ADMINISTRATORS, EventSpec, registry

User = get_user_model()


ALL_SESSIONS = "*"


class SessionPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in, a sign-out or the end of a session. `session` is a digest, to find its sockets; no key, no secret;
    `*` stands for all sessions of the user. method: `session`, `token`, `password` or `websocket`. reason:
    why it failed or ended."""

    username: str
    method: str
    address: str | None = None
    session: str | None = None
    reason: str = ""


class AccountPayload(msgspec.Struct, frozen=True, kw_only=True):
    """An account that was made, changed or removed. `fields` are the names of what changed, without values."""

    user: int
    username: str
    is_active: bool
    fields: list[str] = []


class PermissionPayload(msgspec.Struct, frozen=True, kw_only=True):
    """Rights of a user (an id) changed. `reason` in plain words."""

    user: int
    reason: str


_SESSION = {"address": ADMINISTRATORS, "session": ADMINISTRATORS}


_account = partial(EventSpec, category=EventCategory.USER, permission=ADMINISTRATORS, own=True)


registry.declare(
    _account(EventType.USER_LOGIN, "Someone signed in.", SessionPayload, sensitive=_SESSION),
    _account(EventType.USER_LOGOUT, "Someone signed out.", SessionPayload, sensitive=_SESSION),
    _account(
        EventType.SESSION_EXPIRED,
        "A session or a token ended, by time or by hand.",
        SessionPayload,
        sensitive=_SESSION,
    ),
    _account(EventType.AUTHENTICATION_FAILED, "A sign-in failed.", SessionPayload, sensitive=_SESSION),
    _account(EventType.USER_CREATED, "An account was made.", AccountPayload),
    _account(EventType.USER_UPDATED, "An account was changed.", AccountPayload),
    _account(EventType.USER_DELETED, "An account was removed.", AccountPayload),
    _account(EventType.PERMISSION_CHANGED, "Someone's rights changed.", PermissionPayload),
)


def session_digest(session_key: str | None) -> str | None:
    """What names a session in events: enough to compare, not enough to use."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:16] if session_key else None


def rights_changed(users: Iterable[int], reason: str) -> None:
    """Record, in the transaction of the change, that the rights of `users` (ids) are others from here on."""
    for user in sorted(set(users)):
        emit(EventType.PERMISSION_CHANGED, PermissionPayload(user=user, reason=reason), subject_id=user)


# -- sign-in and sign-out -----------------------------------------------------------------------------------------------


@receiver(user_logged_in)
def announce_login(sender: Any, request: Any, user: Any, **_: Any) -> None:
    address = request.META.get("REMOTE_ADDR") if request is not None else None
    payload = SessionPayload(
        username=user.get_username(),
        method="session",
        address=address,
        session=session_digest(request.session.session_key) if request is not None else None,
    )
    with acting(user, origin=current_actor().origin, address=address), transaction.atomic():
        emit(EventType.USER_LOGIN, payload, subject_id=user.pk)


@receiver(user_logged_out)
def announce_logout(sender: Any, request: Any, user: Any, **_: Any) -> None:
    if user is None or user.pk is None:
        return
    payload = SessionPayload(
        username=user.get_username(),
        method="session",
        address=request.META.get("REMOTE_ADDR"),
        session=session_digest(request.session.session_key),
    )
    with transaction.atomic():
        emit(EventType.USER_LOGOUT, payload, subject_id=user.pk)


@receiver(user_login_failed)
def announce_failed_login(sender: Any, credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    username = str(credentials.get("username", ""))[:150]
    payload = SessionPayload(
        username=username,
        method="password",
        address=request.META.get("REMOTE_ADDR") if request is not None else None,
    )
    tried = User.objects.filter(username=username).values_list("pk", flat=True).first()  # who should hear of it
    with transaction.atomic():
        emit(EventType.AUTHENTICATION_FAILED, payload, subject_id=tried)


# -- accounts -----------------------------------------------------------------------------------------------------------

_WATCHED = ("username", "email", "first_name", "last_name", "password", "is_active", "is_staff", "is_superuser")
_RIGHTS = {"is_active", "is_superuser", "password"}


@receiver(post_init, sender=User)
def remember_account(instance: Any, **_: Any) -> None:
    # Only what was loaded: touching a deferred field here would load it, and so on without end.
    loaded = instance.__dict__
    instance.remembered = {name: loaded[name] for name in _WATCHED if name in loaded}


@receiver(post_save, sender=User)
def announce_account(instance: Any, created: bool, raw: bool, **_: Any) -> None:
    now, before = instance.__dict__, instance.remembered
    # What was not loaded but is there now was set, or loaded later: nobody knows from what, so it counts as changed.
    changed = [name for name in _WATCHED if name in now and (name not in before or now[name] != before[name])]
    remember_account(instance=instance)
    if raw or not (created or changed):
        return
    payload = AccountPayload(
        user=instance.pk,
        username=instance.get_username(),
        is_active=instance.is_active,
        fields=[] if created else changed,
    )
    with transaction.atomic():
        emit(EventType.USER_CREATED if created else EventType.USER_UPDATED, payload, subject_id=instance.pk)
        if not created and _RIGHTS.intersection(changed):
            rights_changed([instance.pk], f"account changed: {', '.join(changed)}")


@receiver(pre_delete, sender=User)
def announce_deleted_account(instance: Any, **_: Any) -> None:
    payload = AccountPayload(user=instance.pk, username=instance.get_username(), is_active=False)
    with transaction.atomic():
        emit(EventType.USER_DELETED, payload, subject_id=instance.pk)
        rights_changed([instance.pk], "account removed")


# -- rights ---------------------------------------------------------------------------------------------------------------

_CHANGES = ("post_add", "post_remove", "pre_clear")
"""When relations change: after a clear nobody knows any more whose they were."""


@receiver(m2m_changed, sender=User.groups.through)
def announce_membership(instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_: Any) -> None:
    if action in _CHANGES:
        with transaction.atomic():
            rights_changed(_users(instance, reverse, pk_set), "group membership changed")


@receiver(m2m_changed, sender=User.user_permissions.through)
def announce_own_permissions(instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_: Any) -> None:
    if action in _CHANGES:
        with transaction.atomic():
            rights_changed(_users(instance, reverse, pk_set), "permissions changed")


@receiver(m2m_changed, sender=Group.permissions.through)
def announce_group_permissions(instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_: Any) -> None:
    if action in _CHANGES:
        users: Iterable[int]
        if reverse:  # permission.group_set.add(group, …)
            groups = instance.group_set.all() if pk_set is None else pk_set
            users = User.objects.filter(groups__in=groups).values_list("pk", flat=True)
        else:
            users = _members(instance)
        with transaction.atomic():
            rights_changed(users, "permissions of a group changed")


@receiver(pre_delete, sender=Group)
def announce_deleted_group(instance: Group, **_: Any) -> None:
    with transaction.atomic():
        rights_changed(_members(instance), f"group {instance.name} removed")


def _users(instance: Any, reverse: bool, pk_set: set[int] | None) -> Iterable[int]:
    """Whom a change between a user and groups or permissions is about. reverse: `instance` is the other side."""
    if not reverse:
        return {instance.pk}
    return _members(instance) if pk_set is None else pk_set  # a clear names none: it is about all


def _members(of: Group | Permission) -> Iterable[int]:
    return of.user_set.values_list("pk", flat=True)
