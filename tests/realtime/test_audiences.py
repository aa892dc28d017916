"""Audiences: the rights of many are looked up together, and are those that each would have alone."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from realtime import audience
from zones import grants, roles
from zones.lifecycle import create_zone

pytestmark = pytest.mark.django_db


def test_the_rights_of_a_hundred_cost_as_many_queries_as_those_of_one() -> None:
    zone = create_zone("example.com")
    team = Group.objects.create(name="web team")
    users = User.objects.bulk_create(User(username=f"user{n}", password="!", is_superuser=n == 0) for n in range(100))
    for group, some in (
        (Group.objects.get(name=roles.OPERATORS), users[1:40]),
        (Group.objects.get(name=roles.VIEWERS), users[30:70]),
        (team, users[65:80]),
    ):
        group.user_set.set(some)
    users[90].user_permissions.add(Permission.objects.get(content_type__app_label="zones", codename="view_zone"))
    grants.give(zone, level="view", group=team)
    grants.give(zone, level="edit", user=users[95])
    ids = [user.pk for user in users]

    with CaptureQueriesContext(connection) as few:
        audience.load_all(ids[-1:])
    with CaptureQueriesContext(connection) as many:
        loaded = audience.load_all(ids)
    assert len(many) == len(few) <= 3
    for user in User.objects.filter(pk__in=ids):
        assert loaded[user.pk] == (audience.load(user.pk)[0], audience.of(user))
    assert len({rights.shared() for _, rights in loaded.values()}) >= 5


def test_who_was_deactivated_or_never_was_is_left_out() -> None:
    gone = User.objects.create(username="gone", is_active=False)
    assert audience.load_all([gone.pk, gone.pk + 1]) == {}
    with pytest.raises(audience.NotAllowed):
        audience.load(gone.pk)
