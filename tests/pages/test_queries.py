"""A page costs the same number of queries, however much it shows."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from realtime import alerts
from realtime.events import EventSeverity, EventType
from zones.changes import change_set
from zones.lifecycle import create_zone

pytestmark = pytest.mark.django_db


def _fill(start: int, count: int) -> None:
    for number in range(start, start + count):
        zone = create_zone(f"zone{number}.example", nameservers=["ns1.example.net"])
        with change_set(zone) as changes:
            for host in range(count):
                changes.create(name=f"host{host}", type="A", ttl=300, content="192.0.2.1")
        alerts.raise_alert(
            key=zone.name,
            event_type=EventType.HEALTH_ALERT,
            severity=EventSeverity.CRITICAL,
            title=f"{zone.name} is in trouble",
            scope=zone.key,
            zone=zone.name,
        )


def _cost(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


@pytest.mark.parametrize(
    "path", ["/", "/zones/", "/zones/zone0.example/", "/activity/", "/search/?q=host", "/alerts/", "/queries/"]
)
def test_a_page_costs_the_same_whatever_it_shows(path: str) -> None:
    vera = User.objects.create_user("vera")
    vera.groups.add(Group.objects.get(name="Viewers"))
    client = Client()
    client.force_login(vera)
    _fill(0, 1)
    client.get(path)  # what is made once, such as the head of the log
    few = _cost(client, path)
    _fill(1, 8)
    assert _cost(client, path) == few
