"""What happens to servers is told in the activity, to each as they may see it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from monitoring import intervals
from monitoring.events import BindConfigChange, BindReload, ServiceEvent
from monitoring.health import HealthWatch
from monitoring.models import Component
from realtime import log
from realtime.broadcasting import emit
from realtime.events import EventType
from zones.events import FieldChange

pytestmark = pytest.mark.django_db

AT = "2026-01-01T00:00:00+00:00"


def test_every_event_about_servers_has_its_line(olivia: User, admin: User, vera: User) -> None:
    with transaction.atomic():
        emit(EventType.SERVICE_STARTED, ServiceEvent(service="named", at=AT))
        emit(EventType.SERVICE_STOPPED, ServiceEvent(service="named", at=AT, reason="it ended"))
        emit(EventType.BIND_RELOAD, BindReload(at=AT, version="9.18", changed=2))
        change = FieldChange(field="options.recursion", old="yes", new="a-new-value")
        emit(EventType.BIND_CONFIG_CHANGE, BindConfigChange(at=AT, changes=[change]))
    intervals.choose({"cpu": 9})
    HealthWatch().round()
    Component.objects.filter(name="name_server").update(state="up")
    HealthWatch().round()
    log.publish()
    pages = {}
    for user in (admin, olivia, vera):
        client = Client()
        client.force_login(user)
        answer = client.get("/activity/?kind=system")
        assert answer.status_code == 200
        pages[user.username] = answer.content.decode()
    assert "options.recursion" in pages["admin"]
    assert "a-new-value" in pages["admin"]
    assert "options.recursion" in pages["olivia"]
    assert "a-new-value" not in pages["olivia"]
    assert "options.recursion" not in pages["vera"]
    assert "it ended" in pages["vera"]
    assert "2 statements changed" in pages["olivia"]
