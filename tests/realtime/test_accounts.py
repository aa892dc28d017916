"""Changes of accounts and rights are events: whichever way a right is given or taken, the log says whose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction

from realtime import log
from realtime.events import EventType
from realtime.models import LogEvent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user() -> User:
    return User.objects.create_user("uma", password="a-password-of-hers")


@pytest.fixture
def group(user: User) -> Group:
    made = Group.objects.create(name="a group")
    made.permissions.add(permission())
    return made


def permission() -> Permission:
    return Permission.objects.get(codename="view_zone")


def told(action: Callable[[], Any], event_type: EventType = EventType.PERMISSION_CHANGED) -> list[int | None]:
    """Whom the events that `action` caused are about."""
    before = log.position().position
    action()
    return [e.subject_id for e in log.read(before) if e.event_type == event_type]


def test_every_way_into_and_out_of_a_group_is_told(user: User, group: Group) -> None:
    ways: list[Callable[[], Any]] = [
        lambda: user.groups.add(group),
        lambda: user.groups.remove(group),
        lambda: group.user_set.add(user),
        lambda: group.user_set.remove(user),
        lambda: user.groups.set([group]),
        lambda: user.groups.clear(),
        lambda: group.user_set.set([user]),
        lambda: group.user_set.clear(),
    ]
    for number, way in enumerate(ways):
        assert told(way) == [user.pk], number


def test_every_way_of_a_permission_to_and_from_a_user_is_told(user: User) -> None:
    right = permission()
    ways: list[Callable[[], Any]] = [
        lambda: user.user_permissions.add(right),
        lambda: user.user_permissions.remove(right),
        lambda: right.user_set.add(user),
        lambda: right.user_set.remove(user),
        lambda: user.user_permissions.set([right]),
        lambda: user.user_permissions.clear(),
        lambda: right.user_set.add(user),
        lambda: right.user_set.clear(),
    ]
    for number, way in enumerate(ways):
        assert told(way) == [user.pk], number


def test_a_groups_permissions_concern_its_members_and_nobody_else(user: User, group: Group) -> None:
    other = User.objects.create_user("otto")
    group.user_set.add(user)
    right = permission()
    ways: list[Callable[[], Any]] = [
        lambda: group.permissions.remove(right),
        lambda: group.permissions.add(right),
        lambda: right.group_set.remove(group),
        lambda: right.group_set.add(group),
        lambda: group.permissions.clear(),
        lambda: group.permissions.set([right]),
        lambda: right.group_set.set([]),
        lambda: right.group_set.set([group]),
    ]
    for number, way in enumerate(ways):
        subjects = told(way)
        assert user.pk in subjects, number
        assert other.pk not in subjects, number


def test_a_group_that_is_deleted_concerns_its_members(user: User, group: Group) -> None:
    group.user_set.add(user)
    assert user.pk in told(group.delete)


def test_an_account_that_is_deleted_concerns_itself(user: User) -> None:
    pk = user.pk
    assert pk in told(user.delete)


@pytest.mark.parametrize("field", ["is_active", "is_superuser"])
def test_a_flag_that_gives_or_takes_rights_is_told(user: User, field: str) -> None:
    def flip() -> None:
        setattr(user, field, not getattr(user, field))
        user.save()

    assert told(flip) == [user.pk]
    assert told(flip) == [user.pk]


def test_a_flag_set_on_an_account_that_was_loaded_in_part_is_told(user: User) -> None:
    def deactivate() -> None:
        part = User.objects.only("username").get(pk=user.pk)
        part.is_active = False
        part.save(update_fields=["is_active"])

    assert told(deactivate) == [user.pk]


def test_a_new_password_is_told_and_its_value_is_not(user: User) -> None:
    user.set_password("another-password-of-hers")
    assert told(user.save) == [user.pk]
    assert not any("argon2" in data for data in LogEvent.objects.values_list("data", flat=True))


def test_what_gives_no_right_is_told_as_a_change_of_the_account_only(user: User) -> None:
    def rename() -> None:
        user.first_name = "Uma"
        user.save()

    assert told(rename) == []
    user.first_name = "U."
    assert told(user.save, EventType.USER_UPDATED) == [user.pk]


def test_saving_without_a_change_is_no_news(user: User) -> None:
    before = log.position()
    User.objects.get(pk=user.pk).save()
    assert log.position() == before


def test_a_change_of_rights_that_is_rolled_back_is_no_news(user: User, group: Group) -> None:
    def come_to_nothing() -> None:
        with transaction.atomic():
            user.groups.add(group)
            transaction.set_rollback(True)

    assert told(come_to_nothing) == []


def test_a_failed_sign_in_names_who_was_tried_and_no_password(client: Any) -> None:
    before = log.position().position
    client.post("/accounts/login/", {"username": "uma", "password": "not-her-password"})
    tried = [e for e in log.read(before) if e.event_type == EventType.AUTHENTICATION_FAILED]
    assert [e.data["username"] for e in tried] == ["uma"]
    assert "not-her-password" not in str(tried)


def test_a_failed_sign_in_is_about_the_account_that_was_tried_if_there_is_one(client: Any, user: User) -> None:
    def attempt(username: str) -> Callable[[], Any]:
        return lambda: client.post("/accounts/login/", {"username": username, "password": "not-the-password"})

    assert told(attempt("uma"), EventType.AUTHENTICATION_FAILED) == [user.pk]
    assert told(attempt("nobody-of-that-name"), EventType.AUTHENTICATION_FAILED) == [None]


def test_a_session_is_named_by_a_digest_that_opens_nothing(client: Any, user: User) -> None:
    before = log.position().position
    client.post("/accounts/login/", {"username": "uma", "password": "a-password-of-hers"})
    (came,) = [e for e in log.read(before) if e.event_type == EventType.USER_LOGIN]
    key = client.session.session_key
    client.post("/accounts/logout/")
    (went,) = [e for e in log.read(before) if e.event_type == EventType.USER_LOGOUT]
    assert came.data["session"] == went.data["session"]
    assert key not in str(came.data)
    assert key not in str(went.data)
