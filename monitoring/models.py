"""The tables of monitoring: who collects now and how each collector is doing, and what was counted."""

from __future__ import annotations

from django.db import models


class CollectorLease(models.Model):
    """The one process that runs the collectors, and until when it may. One row.

    term: raised at each take-over. Whatever a collector writes is fenced by it (`monitoring.lease`), so that a process
    that was stopped for a minute and wakes up cannot write over its successor.
    """

    holder = models.CharField(max_length=64, blank=True)
    node = models.CharField(max_length=128, blank=True)
    term = models.PositiveBigIntegerField(default=0)
    renewed_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"term {self.term}: {self.node or 'nobody'}"


class CollectorState(models.Model):
    """How a collector is doing, as the process that runs it says. since: when it came into `state`."""

    class State(models.TextChoices):
        RUNNING = "running", "running"
        FAILING = "failing", "failing"
        STOPPED = "stopped", "stopped"

    name = models.CharField(max_length=64, primary_key=True)
    state = models.CharField(max_length=8, choices=State.choices)
    since = models.DateTimeField()
    worked_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class LogPlace(models.Model):
    """How far a log of the name server was read and counted: written in the same transaction as the counts."""

    name = models.CharField(max_length=32, primary_key=True)
    place = models.JSONField()

    def __str__(self) -> str:
        return self.name


class QueryRollup(models.Model):
    """What was asked in one minute, hour or day. The newest of each is still being counted.

    total: queries in the query log. outcomes: by what response policies did. types: by record type. rcodes: of the answers
    sent, from the server's own counters. missing: queries that the server counted and its log did not bring; unreadable:
    lines of the log that could not be read. latency: milliseconds -> number of recursive look-ups that took as long.
    names, clients, blocked: the most frequent, `[value, count]`; each count is too low by `errors[…]` at most.
    """

    class Period(models.TextChoices):
        MINUTE = "minute", "minute"
        HOUR = "hour", "hour"
        DAY = "day", "day"

    period = models.CharField(max_length=6, choices=Period.choices)
    start = models.DateTimeField()
    total = models.PositiveBigIntegerField(default=0)
    missing = models.PositiveBigIntegerField(default=0)
    unreadable = models.PositiveBigIntegerField(default=0)
    outcomes = models.JSONField(default=dict)
    types = models.JSONField(default=dict)
    rcodes = models.JSONField(default=dict)
    latency = models.JSONField(default=dict)
    names = models.JSONField(default=list)
    clients = models.JSONField(default=list)
    blocked = models.JSONField(default=list)
    errors = models.JSONField(default=dict)

    class Meta:
        ordering = ("start",)
        constraints = (models.UniqueConstraint(fields=["period", "start"], name="one_rollup_per_period"),)
        permissions = (
            ("view_queries", "Can see the query stream and its statistics"),
            ("view_client_addresses", "Can see the addresses of clients"),
        )

    def __str__(self) -> str:
        return f"{self.period} {self.start:%Y-%m-%d %H:%M}: {self.total}"
