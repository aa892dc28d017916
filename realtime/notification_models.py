"""The tables of notifications: where they may go, when an alert goes on to whom, and what was sent."""

from __future__ import annotations

import base64
import secrets

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models

from realtime.alert_models import Alert
from realtime.events import SEVERITIES, EventSeverity
from realtime.identifiers import uuid7
from realtime.outbound import OutboundError, checked_url


def new_secret() -> str:
    """A key for signatures, as Standard Webhooks write it: `whsec_` and 32 random bytes in base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


class NotificationChannel(models.Model):
    """A way out of the site: e-mail to some addresses, or a signed webhook.

    target: addresses, separated by commas, or the address of the webhook. events: patterns of what it gets by itself,
    besides the steps of escalation that name it. whole: whether evidence and clients' addresses go along.
    """

    class Kind(models.TextChoices):
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    target = models.CharField(
        max_length=500, help_text="E-mail: addresses, separated by commas. Webhook: an http or https address."
    )
    secret = models.CharField(
        max_length=200,
        default=new_secret,
        blank=True,
        help_text="Signs webhooks (Standard Webhooks, HMAC-SHA256). Give it to the receiver and to nobody else.",
    )
    events = models.CharField(
        max_length=500,
        blank=True,
        default="*_alert alert_resolved",
        help_text="Event types or patterns that it gets at once, separated by spaces; empty: only steps of escalation.",
    )
    least_severity = models.CharField(
        max_length=8,
        choices=SEVERITIES,
        default=EventSeverity.WARNING.value,
        help_text="Alerts below it are not sent.",
    )
    whole = models.BooleanField(
        "with evidence",
        default=False,
        help_text="Send evidence and addresses of clients along, to where rights do not reach.",
    )
    allow_private = models.BooleanField(
        "in our own network", default=False, help_text="The webhook is at a loopback or private address, and may be."
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.kind == self.Kind.WEBHOOK:
            try:
                checked_url(self.target)
            except OutboundError as error:
                raise ValidationError({"target": error.message}) from error
            self.secret = self.secret or new_secret()
            return
        for address in self.addresses():
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError({"target": f"{address} is not an e-mail address."}) from error

    def addresses(self) -> list[str]:
        """Those of an e-mail channel."""
        return [address.strip() for address in self.target.split(",") if address.strip()]


class EscalationStep(models.Model):
    """What happens when nobody has acknowledged a critical alert. Steps are taken in order of their number.

    after_s: seconds since it became critical. group: whose screens it comes back to (all, when there is none), and whose
    members an e-mail goes to as well. channel: where it is sent; none for screens only.
    """

    number = models.PositiveSmallIntegerField(unique=True)
    after_s = models.PositiveIntegerField("after (seconds)", help_text="Seconds without acknowledgement.")
    group = models.ForeignKey(Group, models.SET_NULL, null=True, blank=True, related_name="+")
    channel = models.ForeignKey(NotificationChannel, models.SET_NULL, null=True, blank=True, related_name="steps")

    class Meta:
        ordering = ("number",)

    def __str__(self) -> str:
        return f"Step {self.number}, after {self.after_s} s"


class Delivery(models.Model):
    """One notification on one way out. Its id goes along and stays the same, however often sending it is tried.

    key: event and channel; there is one row for both. body: what is sent, as JSON. step: of the escalation, if it is one.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENT = "sent", "sent"
        DROPPED = "dropped", "not needed any more"
        DEAD = "dead", "given up"

    id = models.CharField(max_length=36, primary_key=True, default=uuid7)
    key = models.CharField(max_length=80, unique=True)
    alert = models.ForeignKey(Alert, models.SET_NULL, null=True, related_name="deliveries")
    event_type = models.CharField(max_length=40)
    step = models.PositiveSmallIntegerField(null=True)
    channel = models.ForeignKey(NotificationChannel, models.SET_NULL, null=True, related_name="deliveries")
    channel_name = models.CharField(max_length=60)
    target = models.TextField(blank=True)
    body = models.TextField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    holder = models.CharField(max_length=16, blank=True)
    leased_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ("-created_at",)
        indexes = (models.Index(fields=["due_at"], name="deliveries_due", condition=models.Q(state="waiting")),)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.event_type} to {self.channel_name}"
