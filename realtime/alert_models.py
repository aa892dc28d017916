"""The tables of alerts: what needs somebody, what became of it, and what is to stay quiet."""

from __future__ import annotations

from django.db import models

from realtime.events import SEVERITIES


class AlertState(models.TextChoices):
    """The life of an alert. Only in this order; what comes back after `resolved` is a new alert."""

    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    RESOLVED = "resolved", "Resolved"


class Alert(models.Model):
    """Something that needs somebody. At most one unresolved alert has a key.

    key: what it is about, for the code that raises it; it may name a client and is shown to nobody.
    event_type: the event that announced it (`security_alert`, …). count: how many times it was raised.
    scope, zone: key and name of the zone it is about, if any. client: address of a client of the name server, if any.
    muted: nobody was told, because its key was muted.
    critical_since: when it became critical, which escalation counts from. step: the last step of escalation taken.
    """

    key = models.CharField(max_length=200)
    event_type = models.CharField(max_length=40)
    severity = models.CharField(max_length=8, choices=SEVERITIES)
    title = models.CharField(max_length=200)
    detail = models.TextField(blank=True)
    evidence = models.JSONField(default=dict, blank=True)
    client = models.CharField(max_length=64, blank=True)
    scope = models.CharField(max_length=64, null=True)
    zone = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=12, choices=AlertState.choices, default=AlertState.OPEN)
    muted = models.BooleanField(default=False)
    count = models.PositiveIntegerField(default=1)
    raised_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=150, blank=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=150, blank=True)
    step = models.PositiveSmallIntegerField(default=0)
    critical_since = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["key"], condition=~models.Q(state="resolved"), name="one_unresolved_alert_per_key"
            ),
        )
        indexes = (
            models.Index(fields=["state", "-raised_at"], name="alerts_by_state"),
            models.Index(
                fields=["critical_since"],
                name="alerts_to_escalate",
                condition=models.Q(state="open", critical_since__isnull=False),
            ),
        )
        default_permissions = ("view",)
        permissions = (
            ("acknowledge_alert", "Can acknowledge, resolve and mute alerts"),
            ("view_threat_evidence", "Can see the evidence of threats and alerts"),
            ("view_client_addresses", "Can see addresses of clients of the name server"),
        )

    def __str__(self) -> str:
        return self.title


class AlertEntry(models.Model):
    """One line of what became of an alert. who: a user name, empty for the system."""

    class Deed(models.TextChoices):
        RAISED = "raised", "raised"
        WORSENED = "worsened", "became worse"
        ESCALATED = "escalated", "escalated"
        ACKNOWLEDGED = "acknowledged", "acknowledged"
        RESOLVED = "resolved", "resolved"
        MUTED = "muted", "muted"

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="entries")
    at = models.DateTimeField()
    deed = models.CharField(max_length=12, choices=Deed.choices)
    who = models.CharField(max_length=150, blank=True)
    text = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "alert entries"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.deed} {self.at:%Y-%m-%d %H:%M}"


class AlertMute(models.Model):
    """A key about which nobody is told until a moment; what happens meanwhile is counted and listed."""

    key = models.CharField(max_length=200, unique=True)
    title = models.CharField(max_length=200)
    until = models.DateTimeField()
    who = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        default_permissions = ("view", "delete")

    def __str__(self) -> str:
        return f"{self.title} until {self.until:%Y-%m-%d %H:%M}"
