"""The tables of the event system: the log and its head, who is connected and to what, the roll-out and its figures."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from waffle.models import AbstractUserFlag

import realtime.alert_models
import realtime.notification_models  # noqa: F401  # Django looks for tables in this module


class LogHead(models.Model):
    """The one row that says how far the log goes.

    epoch: drawn when the log is created; positions are comparable within an epoch only.
    position: the highest position given out. floor: the highest position that was pruned; replay starts above it.
    """

    SINGLETON = 1

    epoch = models.CharField(max_length=16)
    position = models.BigIntegerField(default=0)
    floor = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "log head"

    def __str__(self) -> str:
        return f"{self.epoch}:{self.position}"


class LogEvent(models.Model):
    """One durable event. Written without a position in the transaction of the change it tells of; numbered after it.

    data: the payload as JSON text, whole: redaction happens on the way to each audience.
    key: makes a repeated emit of the same thing a no-op.
    """

    event_id = models.CharField(max_length=36, unique=True)
    position = models.BigIntegerField(null=True, unique=True, editable=False)
    event_type = models.CharField(max_length=40)
    severity = models.CharField(max_length=8)
    timestamp = models.DateTimeField()
    source_user_id = models.BigIntegerField(null=True)
    source_username = models.CharField(max_length=150, blank=True)
    origin = models.CharField(max_length=16, blank=True)
    trace_id = models.CharField(max_length=32, blank=True)
    scope = models.CharField(max_length=64, null=True)
    subject_id = models.BigIntegerField(null=True)
    key = models.CharField(max_length=128, null=True, unique=True)
    data = models.TextField()

    class Meta:
        verbose_name = "log event"
        verbose_name_plural = "Event log"
        indexes = (
            models.Index(fields=["id"], name="log_unpositioned", condition=models.Q(position__isnull=True)),
            models.Index(fields=["scope", "position"], name="log_by_scope"),
            models.Index(fields=["timestamp"], name="log_by_time"),
        )
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.event_type} at {self.position}"


class Presence(models.Model):
    """One live connection. The order of connections is the order of these ids, not that of any clock."""

    connection_id = models.CharField(max_length=32, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="presences")
    client = models.CharField(max_length=64)
    node = models.CharField(max_length=64)
    address = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    health = models.CharField(max_length=12, default="live")
    subscriptions = models.JSONField(default=list)
    frames = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    dropped = models.BigIntegerField(default=0)
    since = models.DateTimeField(auto_now_add=True)
    last_seen = models.DateTimeField()

    class Meta:
        verbose_name = "connection"
        indexes = (models.Index(fields=["user", "client"], name="presence_slot"),)
        default_permissions = ("view", "delete")

    def __str__(self) -> str:
        return f"{self.user_id}/{self.client} on {self.node}"


class SavedSubscription(models.Model):
    """What a user's client wanted last, restored when it comes back."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    client = models.CharField(max_length=64)
    wanted = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "client"], name="one_subscription_per_client"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}/{self.client}"


class ProcessorCursor(models.Model):
    """How far a processor is in the log, and which process works on it until when (`realtime.processors`)."""

    name = models.CharField(max_length=60, unique=True)
    position = models.BigIntegerField()
    attempts = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    holder = models.CharField(max_length=16, blank=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.name} at {self.position}"


class DeadLetter(models.Model):
    """An event that a processor failed at for good. `event`: the event whole, as JSON; it may be pruned from the log."""

    processor = models.CharField(max_length=60)
    event_id = models.CharField(max_length=36)
    event_type = models.CharField(max_length=40)
    event = models.TextField()
    error = models.TextField()
    attempts = models.PositiveSmallIntegerField()
    failed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ("view", "change", "delete")

    def __str__(self) -> str:
        return f"{self.event_type} for {self.processor}"


class RolloutFlag(AbstractUserFlag):
    """The flag `unified_websocket`: who is on the one connection. A percentage is of users, by a stable hash of each."""

    class Meta(AbstractUserFlag.Meta):
        pass

    def is_active_for_user(self, user: Any) -> bool:
        """Whether the user is on. The library would roll a die for each browser and keep the answer in a cookie."""
        chosen = super().is_active_for_user(user)
        if chosen is None and user.pk is not None:
            return rank(user.pk) < (self.percent or 0)
        return bool(chosen)


def rank(user_id: int) -> float:
    """The place of a user between 0 and 100, the same on every device and process and for every percentage."""
    digest = hashlib.sha256(f"unified_websocket:{user_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 * 100


class Rollout(models.Model):
    """The one row that says how the roll-out goes; the percentage itself is the flag's.

    baseline: figures at the start of the stage, to compare with. guarded_until: until when one process judges for all.
    """

    SINGLETON = 1

    class State(models.TextChoices):
        SETTLED = "settled", "settled"
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        LOCKED = "locked", "rolled back and locked"

    state = models.CharField(max_length=8, choices=State.choices, default=State.SETTLED)
    stage_since = models.DateTimeField(auto_now_add=True)
    reason = models.TextField(blank=True)
    baseline = models.JSONField(default=dict)
    guarded_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "Rollout"
        verbose_name = "Rollout"
        default_permissions = ("view", "change")
        permissions = (("view_operations", "Can hear of roll-outs, backups and restores"),)

    def __str__(self) -> str:
        return f"roll-out, {self.get_state_display()}"


class MetricSample(models.Model):
    """Figures of one web process at one moment, for the charts and the guard of the roll-out."""

    node = models.CharField(max_length=64)
    taken_at = models.DateTimeField(default=timezone.now, db_index=True)
    figures = models.JSONField()

    class Meta:
        verbose_name_plural = "Statistics"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.node} at {self.taken_at:%H:%M:%S}"


class TraceReport(models.Model):
    """What one web process knows about the way of one event, collected for whoever asked."""

    request = models.CharField(max_length=32, db_index=True)
    node = models.CharField(max_length=64)
    report = models.JSONField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.request} by {self.node}"


class EndedSession(models.Model):
    """A session of tokens that was ended before its time. `session`: its digest; blank: all of the user's until then."""

    session = models.CharField(max_length=16, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    ended_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = (models.Index(fields=["session"], name="ended_by_session"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}/{self.session or 'all'}"
