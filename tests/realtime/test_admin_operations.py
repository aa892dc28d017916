"""The operator's pages in the admin: roll-out, statistics, trace, connections."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.test import Client
from django.utils import timezone

from realtime import alerts, log, rollout, trial
from realtime.events import EventSeverity, EventType
from realtime.models import DeadLetter, LogEvent, MetricSample, Presence
from zones.models import Record, Zone


@pytest.fixture
def admin(transactional_db: None) -> Client:
    browser = Client()
    browser.force_login(get_user_model().objects.create_superuser("admin"))
    return browser


def test_the_index_names_what_operators_look_for(admin: Client) -> None:
    text = admin.get("/admin/").content.decode()
    assert [name for name in ("Connections", "Rollout", "Event log", "Dead letters") if name not in text] == []


def test_a_step_of_the_roll_out_is_made_on_its_page_and_told_there(admin: Client) -> None:
    step = {"action": "start", "percent": "25", "reason": "by page"}
    assert admin.post("/admin/realtime/rollout/", step, follow=True).status_code == 200
    assert rollout.status()["percent"] == 25
    text = admin.get("/admin/realtime/rollout/").content.decode()
    assert "by page" in text
    refused = admin.post("/admin/realtime/rollout/", {"action": "resume"}, follow=True).content.decode()
    assert "neither paused nor locked" in refused


def test_testers_are_chosen_on_the_flag(admin: Client) -> None:
    rollout.start(0)
    tester = get_user_model().objects.create(username="tester")
    page = f"/admin/realtime/rolloutflag/{rollout.flag().pk}/change/"
    assert admin.post(page, {"users": [tester.pk], "groups": []}, follow=True).status_code == 200
    assert rollout.assignment().unified(tester.pk)
    assert rollout.status()["mode"] == "testing"


def test_who_may_only_look_makes_no_step(transactional_db: None) -> None:
    browser = Client()
    browser.force_login(get_user_model().objects.create(username="clerk", is_staff=True))
    assert browser.post("/admin/realtime/rollout/", {"action": "rollback"}).status_code == 403
    assert rollout.status()["percent"] == 100


@pytest.mark.parametrize("path", ["connections/", "stats/", "trace/x/", "rollout/"])
def test_staff_are_no_administrators_over_http(transactional_db: None, path: str) -> None:
    browser = Client()
    browser.force_login(get_user_model().objects.create(username="clerk", is_staff=True))
    assert browser.get(f"/api/realtime/{path}").status_code == 403


def test_staff_see_no_more_in_the_admin_than_elsewhere(transactional_db: None) -> None:
    clerk = get_user_model().objects.create(username="clerk", is_staff=True)
    clerk.groups.set(Group.objects.filter(name="Viewers"))
    zone = Zone.objects.create(name="shown.example")
    told = {"type": "A", "content": "192.0.2.1", "private": True, "comment": "for editors only"}
    record = Record.rows.create(zone=zone, name="www", **told)
    alert = alerts.raise_alert(
        key="shown",
        event_type=EventType.SECURITY_ALERT,
        severity=EventSeverity.WARNING,
        title="Shown",
        evidence={"names": ["evident.example"]},
        client="192.0.2.77",
    )
    browser, admin = Client(), Client()
    browser.force_login(clerk)
    admin.force_login(get_user_model().objects.create_superuser("admin"))
    pages = (f"/admin/zones/record/{record.pk}/change/", f"/admin/realtime/alert/{alert.pk}/change/")
    for hidden in ("for editors only", "evident.example", "192.0.2.77"):
        assert not any(hidden in browser.get(page).content.decode() for page in pages), hidden
        assert any(hidden in admin.get(page).content.decode() for page in pages), hidden
    assert "Shown" in browser.get(pages[1]).content.decode()


def test_who_may_only_look_at_connections_and_dead_letters_does_nothing_to_them(transactional_db: None) -> None:
    clerk = get_user_model().objects.create(username="clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_presence", "view_deadletter"]))
    browser = Client()
    browser.force_login(clerk)
    Presence.objects.create(connection_id="c1", user=clerk, client="web", node="n", last_seen=timezone.now())
    letter = DeadLetter.objects.create(
        processor="gone", event_id="e", event_type="zone_created", event="{}", attempts=5
    )
    for page, action in (("presence", "disconnect"), ("deadletter", "retry"), ("deadletter", "discard")):
        path = f"/admin/realtime/{page}/"
        assert f'value="{action}"' not in browser.get(path).content.decode()
        browser.post(path, {"action": action, "_selected_action": [letter.pk]}, follow=True)
    assert DeadLetter.objects.exists()
    clerk.user_permissions.add(Permission.objects.get(codename="delete_deadletter"))
    again = {"action": "retry", "_selected_action": [letter.pk]}
    assert (
        "no processor gone any more" in browser.post("/admin/realtime/deadletter/", again, follow=True).content.decode()
    )
    browser.post("/admin/realtime/deadletter/", again | {"action": "discard"}, follow=True)
    assert not DeadLetter.objects.exists()


def test_statistics_show_the_processes_and_their_figures(admin: Client) -> None:
    figures = {"connections": 7, "connections_by_system": {"unified": 7}, "p99_s": 0.25, "memory_bytes": 10**8}
    MetricSample.objects.create(node="here.1", figures=figures)
    text = admin.get("/admin/realtime/metricsample/").content.decode()
    assert "here.1" in text
    assert "<polyline" in text
    assert "250 ms" in text


def test_an_event_leads_to_its_trace(admin: Client) -> None:
    with transaction.atomic():
        trial.send("traced")
    log.sequence()
    event = LogEvent.objects.get(event_type="broadcast_test")
    assert (
        f"/admin/realtime/logevent/{event.event_id}/trace/" in admin.get("/admin/realtime/logevent/").content.decode()
    )
    text = admin.get(f"/admin/realtime/logevent/{event.event_id}/trace/").content.decode()
    assert "was not connected" in text
    assert admin.get("/admin/realtime/logevent/nothing/trace/").status_code == 404


def test_connections_can_be_told_something_and_sent_to_sign_in(admin: Client) -> None:
    user = get_user_model().objects.get()
    row = Presence.objects.create(connection_id="c1", user=user, client="web", node="n", last_seen=timezone.now())
    for action in ("tell", "reauthenticate", "disconnect"):
        form = {"action": action, "_selected_action": [row.pk], "message": "Lunch!"}
        assert admin.post("/admin/realtime/presence/", form, follow=True).status_code == 200
    empty = {"action": "tell", "_selected_action": [row.pk]}
    assert "Write a message first" in admin.post("/admin/realtime/presence/", empty, follow=True).content.decode()
