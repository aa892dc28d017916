"""The cast of the demo, and a client of the API for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # this file is read before Django is set up
    from django.contrib.auth.models import User

    from tests.zones.examples import Api, Make
    from zones.models import Zone


@pytest.fixture
def person(db: None) -> Make:
    """Make somebody: `person("olivia", roles.OPERATORS)`."""

    from django.contrib.auth.models import Group, User

    def make(username: str, *names: str, is_superuser: bool = False) -> User:
        user = User.objects.create_user(username, is_superuser=is_superuser)  # no password: hashing one takes its time
        user.groups.set(Group.objects.filter(name__in=names))
        return User.objects.get(pk=user.pk)

    return make


@pytest.fixture
def admin(person: Make) -> User:
    return person("admin", is_superuser=True)


@pytest.fixture
def olivia(person: Make) -> User:
    """Operator of all zones."""
    from zones import roles

    return person("olivia", roles.OPERATORS)


@pytest.fixture
def vera(person: Make) -> User:
    """Sees all zones, changes none."""
    from zones import roles

    return person("vera", roles.VIEWERS)


@pytest.fixture
def zone(db: None) -> Zone:
    """example.com with an SOA, an NS, and two addresses of www."""
    from zones import lifecycle
    from zones.rrsets import RR, group

    rrsets = group([RR("www", "A", 300, "192.0.2.1"), RR("www", "A", 300, "192.0.2.2")])
    return lifecycle.create_zone("example.com", rrsets=rrsets, nameservers=["ns.example.net"])


@pytest.fixture
def zoe(person: Make, zone: Zone) -> User:
    """May edit example.com, by a grant, and sees nothing else."""
    from zones import grants, roles

    user = person("zoe", roles.OWNERS)
    grants.give(zone, level="edit", user=user)
    return user


@pytest.fixture
def nils(person: Make) -> User:
    """Has an account and no rights."""
    return person("nils")


@pytest.fixture
def api() -> Api:
    """A client of the API for somebody: `api(olivia).get("/api/zones/")`."""
    from django.contrib.auth.models import User
    from rest_framework.test import APIClient

    def client(user: User) -> APIClient:
        made = APIClient()
        made.force_authenticate(User.objects.get(pk=user.pk))
        made.default_format = "json"
        return made

    return client
