"""What leaves the site: once for each event and way out, signed, repeated under the same id, given up in the end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from realtime import alerts, log, notifications, processors
from realtime.events import EventSeverity, EventType
from realtime.models import DeadLetter, LogEvent
from realtime.notification_models import Delivery, NotificationChannel
from tests.parts.receivers import MailServer, WebhookReceiver

pytestmark = pytest.mark.django_db(transaction=True)


def channel(kind: str, target: str, **more: Any) -> NotificationChannel:
    return NotificationChannel.objects.create(name=kind, kind=kind, target=target, **more)


def happen(**more: Any) -> None:
    given: dict[str, Any] = {
        "key": "it", "event_type": EventType.SECURITY_ALERT, "severity": EventSeverity.ERROR, "title": "It happens",
        "client": "192.0.2.7", "evidence": {"client": "192.0.2.7"},
    }  # fmt: skip
    alerts.raise_alert(**given | more)
    for row in LogEvent.objects.filter(event_type__contains="alert").order_by("id"):
        notifications.plan(log.as_event(row))


def send(times: int = 1) -> None:
    for _ in range(times):
        Delivery.objects.update(due_at=timezone.now())
        asyncio.run(notifications.send_due("test"))


def test_a_webhook_is_signed_and_carries_no_more_than_it_may() -> None:
    with WebhookReceiver() as receiver:
        made = channel("webhook", receiver.url, allow_private=True)
        happen()
        send()
        (call,) = receiver.wait(1)
    row = Delivery.objects.get()
    assert (row.state, call.headers["webhook-id"], row.attempts) == ("sent", row.pk, 1)
    signed = f"{row.pk}.{call.headers['webhook-timestamp']}.".encode() + call.body
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert call.headers["webhook-signature"] == f"v1,{expected}"
    body = json.loads(call.body)
    assert (body["type"], body["data"]["title"]) == ("security_alert", "It happens")
    assert (body["data"]["client"], body["data"]["evidence"]) == (None, None)


def test_evidence_goes_along_where_an_administrator_said_so() -> None:
    with WebhookReceiver() as receiver:
        channel("webhook", receiver.url, allow_private=True, whole=True)
        happen()
        send()
        (call,) = receiver.wait(1)
    assert json.loads(call.body)["data"]["evidence"] == {"client": "192.0.2.7"}


def test_a_repeated_delivery_carries_the_same_id_and_ends_with_success() -> None:
    with WebhookReceiver(lambda number: 503 if number < 3 else 200) as receiver:
        channel("webhook", receiver.url, allow_private=True)
        happen()
        send(3)
        calls = receiver.wait(3)
    assert len({call.headers["webhook-id"] for call in calls}) == 1
    row = Delivery.objects.get()
    assert (row.state, row.attempts) == ("sent", 3)


def test_pauses_grow_between_attempts() -> None:
    with WebhookReceiver(lambda number: 500) as receiver:
        channel("webhook", receiver.url, allow_private=True)
        happen()
        pauses = []
        for _ in range(4):
            send()
            pauses.append(Delivery.objects.get().due_at - timezone.now())
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0]


def test_what_is_given_up_is_a_dead_letter_that_can_be_tried_again_under_the_same_id() -> None:
    with WebhookReceiver(lambda number: 500 if number <= notifications.ATTEMPTS else 200) as receiver:
        channel("webhook", receiver.url, allow_private=True)
        happen()
        send(notifications.ATTEMPTS + 2)
        assert len(receiver.came) == notifications.ATTEMPTS
        row = Delivery.objects.get()
        assert row.state == "dead"
        assert "500" in row.error
        letter = DeadLetter.objects.get()
        assert letter.processor == notifications.PROCESSOR
        processors.retry(letter)
        send()
        calls = receiver.wait(notifications.ATTEMPTS + 1)
    assert Delivery.objects.get().state == "sent"
    assert {call.headers["webhook-id"] for call in calls} == {row.pk}
    assert not DeadLetter.objects.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"])
def test_a_webhook_into_our_own_network_is_not_called(host: str) -> None:
    with WebhookReceiver() as receiver:
        channel("webhook", f"http://{host}:{receiver.port}/hook")
        happen()
        send()
        assert receiver.came == []
    row = Delivery.objects.get()
    assert row.state == "dead"


def test_a_letter_goes_to_all_addresses_with_an_id_that_stays(settings: Any) -> None:
    with MailServer() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        channel("email", "a@example.com, b@example.com")
        happen(title="Bcc: c@example.com\r\nX: y\x1b[2J", detail="one\ntwo")
        send()
        ((recipients, text),) = server.wait(1)
    assert recipients == ["a@example.com", "b@example.com"]
    head, _, body = text.partition("\r\n\r\n")
    assert f"Message-ID: <{Delivery.objects.get().pk}@dnsadmin.invalid>" in head
    assert not [line for line in head.splitlines() if line.startswith(("Bcc", "X:"))]
    assert "\x1b" not in text
    assert "one\r\ntwo" in body


def test_without_a_mail_server_letters_are_files(settings: Any, tmp_path: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path
    channel("email", "a@example.com")
    happen()
    send()
    (letter,) = tmp_path.iterdir()
    assert "[ERROR] It happens" in letter.read_text()


def test_a_mail_server_that_is_away_is_tried_again(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    channel("email", "a@example.com")
    happen()
    send()
    row = Delivery.objects.get()
    assert (row.state, row.attempts) == ("waiting", 1)
    assert "refused" in row.error


def test_less_severe_and_unwanted_events_are_not_sent() -> None:
    channel("webhook", "http://192.0.2.1/", least_severity="critical")
    channel("email", "a@example.com", events="health_alert")
    happen()
    assert not Delivery.objects.exists()


def test_a_delivery_whose_sender_died_goes_to_the_next_after_its_lease() -> None:
    channel("webhook", "http://192.0.2.1/")
    happen()
    dead = notifications._claim("died")
    assert dead is not None
    assert notifications._claim("next") is None
    Delivery.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    again = notifications._claim("next")
    assert again is not None
    assert (again.pk, again.attempts) == (dead.pk, 2)
    notifications._sent(dead, "died")  # it lived after all; the other one decides
    assert Delivery.objects.get().state == "waiting"


def test_a_lease_outlives_every_way_out() -> None:
    assert settings.REALTIME.delivery_lease_s > settings.EMAIL_TIMEOUT
