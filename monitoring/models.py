"""The tables of monitoring: who collects now and how each collector is doing, what was counted and measured, how the
name server and every other component are, and forwarders."""

from __future__ import annotations

import secrets
from typing import ClassVar

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

    total: queries in the query log but for the site's own, which are `own_checks`. missing: queries that the server counted
    and its log did not bring; these three make up all that it counted. outcomes: by what response policies did. types: by
    record type. rcodes: of the answers sent, from the server's own counters. unreadable: lines of the log that could not be
    read. latency: milliseconds -> number of recursive look-ups that took as long.
    names, clients, blocked: the most frequent, `[value, count]`; each count is too low by `errors[…]` at most.
    """

    class Period(models.TextChoices):
        MINUTE = "minute", "minute"
        HOUR = "hour", "hour"
        DAY = "day", "day"

    period = models.CharField(max_length=6, choices=Period.choices)
    start = models.DateTimeField()
    total = models.PositiveBigIntegerField(default=0)
    own_checks = models.PositiveBigIntegerField(default=0)
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
        permissions = (("view_queries", "Can see the query stream and its statistics"),)

    def __str__(self) -> str:
        return f"{self.period} {self.start:%Y-%m-%d %H:%M}: {self.total}"


class Sample(models.Model):
    """A metric in a span of time (`monitoring.series`). step: seconds of the span, which begins at `at`."""

    metric = models.CharField(max_length=64)
    step = models.PositiveIntegerField()
    at = models.DateTimeField()
    total = models.FloatField()
    weight = models.FloatField()
    least = models.FloatField()
    greatest = models.FloatField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("metric", "step", "at"), name="one_sample_per_span"),)
        indexes = (models.Index(fields=("step", "at"), name="sample_by_age"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.metric} {self.at} {self.step} s"


class MeasuringInterval(models.Model):
    """How often a group of metrics is measured, where somebody chose another interval than the default."""

    group = models.CharField(max_length=32, primary_key=True)
    seconds = models.PositiveIntegerField()

    class Meta:
        default_permissions = ("change",)

    def __str__(self) -> str:
        return f"{self.group}: every {self.seconds} s"


class Health(models.TextChoices):
    """How something is."""

    UP = "up", "up"
    DEGRADED = "degraded", "degraded"
    DOWN = "down", "down"
    UNKNOWN = "unknown", "not known"


class Component(models.Model):
    """One part of the whole, as it was last found. since: when it came into this state. reason: why, in plain words."""

    name = models.CharField(max_length=32, primary_key=True)
    state = models.CharField(max_length=8, choices=Health.choices, default=Health.UNKNOWN)
    since = models.DateTimeField()
    reason = models.TextField(blank=True)
    looked_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)
        default_permissions = ()
        permissions = (
            ("view_health", "Can see the health of servers, forwarders and the machine"),
            ("view_system", "Can see reloads and changes of configuration"),
            ("view_services", "Can see services start and stop"),
            ("view_configuration", "Can see configuration values"),
            ("control_nameserver", "Can start, stop, reload and reconfigure the name server"),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class NameServerState(models.Model):
    """What was last seen of the name server, so that no start, stop or change is told twice or missed (one row).

    reason: why it is down; planned: somebody, or the site itself, has ended it. facts: its zones, recursive clients and the
    like. configuration: by statement, secrets left out.
    counters, counted_at: what it had counted when figures were kept last, so that none are kept twice and none are lost
    between two collectors. asked_by, asked_for, asked_at: who asked last for which action, so that the event can name them.
    """

    up = models.BooleanField(default=False)
    since = models.DateTimeField()
    reason = models.TextField(blank=True)
    planned = models.BooleanField(default=False)
    facts = models.JSONField(default=dict)
    counters = models.JSONField(null=True)
    counted_at = models.DateTimeField(null=True)
    version = models.CharField(max_length=128, blank=True)
    booted_at = models.DateTimeField(null=True)
    configured_at = models.DateTimeField(null=True)
    configuration = models.JSONField(null=True)
    asked_by = models.BigIntegerField(null=True)
    asked_for = models.CharField(max_length=16, blank=True)
    asked_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.version}: {'up' if self.up else 'down'}"


def random_key() -> str:
    """64 random bits as hexadecimal text, never reused."""
    return secrets.token_hex(8)


class ForwarderUse(models.TextChoices):
    """Which of a forwarder's targets the name server is given."""

    FAIL_OVER = "fail_over", "the first that works, in order"
    ALL = "all", "all that work; the name server takes the fastest"


class Forwarder(models.Model):
    """Questions below `domain` go to other servers.

    domain: without the final dot, `"."` for everything. only: without an answer from them the name server fails instead of
    looking for itself (`forward only` instead of `first`; BIND ARM, section 8.2). probe_name, probe_type: what targets are
    asked to see how they are. expected: the answer that is right, as sorted lines of rdata; empty: targets are compared.
    slow_ms: median latency from which a target is degraded. state, since, reason: `monitoring.forwarding.watch` writes them.
    applied: what the name server was last given, and when; apply_error: why it could not be.
    """

    key = models.CharField(max_length=32, unique=True, default=random_key, editable=False)
    domain = models.CharField(max_length=255, unique=True)
    comment = models.TextField(blank=True)
    enabled = models.BooleanField(default=True)
    only = models.BooleanField(default=True)
    use = models.CharField(max_length=16, choices=ForwarderUse.choices, default=ForwarderUse.FAIL_OVER)
    probe_name = models.CharField(max_length=255)
    probe_type = models.CharField(max_length=16, default="SOA")
    expected = models.TextField(blank=True)
    slow_ms = models.PositiveIntegerField(default=300)
    version = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    state = models.CharField(max_length=8, choices=Health.choices, default=Health.UNKNOWN, editable=False)
    since = models.DateTimeField(auto_now_add=True)
    reason = models.TextField(blank=True, editable=False)
    apply_error = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ("domain",)

    def __str__(self) -> str:
        return self.domain


class Transport(models.TextChoices):
    """How a target is spoken to."""

    UDP = "udp", "UDP"
    TCP = "tcp", "TCP"
    DOT = "dot", "DNS over TLS"


class ForwarderTarget(models.Model):
    """One server that a forwarder leads to; the order is that of `place`.

    in_use: whether the name server has been given it. Latency in ms, the median of the latest probes; loss in per cent.
    """

    forwarder = models.ForeignKey(Forwarder, models.CASCADE, related_name="targets")
    place = models.PositiveIntegerField()
    address = models.GenericIPAddressField()
    port = models.PositiveIntegerField(default=53)
    transport = models.CharField(max_length=3, choices=Transport.choices, default=Transport.UDP)
    tls_name = models.CharField(max_length=255, blank=True)

    state = models.CharField(max_length=8, choices=Health.choices, default=Health.UNKNOWN, editable=False)
    since = models.DateTimeField(auto_now_add=True)
    reason = models.TextField(blank=True, editable=False)
    latency_ms = models.FloatField(null=True, editable=False)
    loss_percent = models.FloatField(null=True, editable=False)
    probed_at = models.DateTimeField(null=True, editable=False)
    in_use = models.BooleanField(default=False, editable=False)

    FIELDS: ClassVar[tuple[str, ...]] = ("address", "port", "transport", "tls_name")

    class Meta:
        ordering = ("place", "id")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("forwarder", "address", "port", "transport"), name="one_target_per_address"
            ),
        )

    def __str__(self) -> str:
        return f"{self.address}#{self.port} ({self.get_transport_display()})"


class QuerySource(models.Model):
    """How the reading of the query log goes, as the collector last said (`monitoring.queries.source`). One row."""

    facts = models.JSONField(default=dict)
    said_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"said at {self.said_at}"
