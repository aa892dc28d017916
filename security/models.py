"""The tables of response policies: what people want blocked, let through or redirected, and the feeds that add to it.

Rows of `Policy` and `Rule` are written by `security.rules` only, which keeps checks, versions and events. What `named`
does is brought after it by `security.serving`: a rule that is to go stays, marked, until it is out of force.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

import security.detection.models  # noqa: F401  # Django looks for tables in this module
from security.triggers import Action, TriggerType
from zones.models import SyncState


class PolicyKind(models.TextChoices):
    """Where the rules of a policy come from."""

    RULES = "rules", "made by people"
    FEED = "feed", "from a feed"


class Mode(models.TextChoices):
    """What the name server does with a policy."""

    ENFORCED = "enforced", "enforced"
    TRIAL = "trial", "on trial: logged, not acted on"
    OFF = "off", "off"


IN_ORDER = ("-kind", "position", "id")
"""How `named` asks policies: what people made ("rules") before what feeds bring."""


class Policy(models.Model):
    """A response policy zone. `named` asks them in their order here; the first that has a rule decides.

    zone: its name at the server, chosen once. position: among those of its kind; all feeds come after all that people
    made, so that a name that people let through stays so whatever feeds say.
    version: raised by each change of its own fields.
    serial, sync_state, sync_error, synced_at: of the zone at the server; `served` is in force (for one that is off: gone).
    """

    name = models.CharField(max_length=100, unique=True)
    zone = models.CharField(max_length=60, unique=True, editable=False)
    kind = models.CharField(max_length=8, choices=PolicyKind.choices, default=PolicyKind.RULES, editable=False)
    mode = models.CharField(max_length=8, choices=Mode.choices, default=Mode.ENFORCED)
    position = models.PositiveIntegerField(default=0)
    comment = models.TextField(blank=True)
    version = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    serial = models.PositiveBigIntegerField(null=True, editable=False)
    sync_state = models.CharField(max_length=8, choices=SyncState.choices, default=SyncState.PENDING, editable=False)
    sync_error = models.TextField(blank=True, editable=False)
    synced_at = models.DateTimeField(null=True, editable=False)
    hits = models.PositiveBigIntegerField(default=0, editable=False)
    last_hit_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = IN_ORDER
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.name

    @property
    def trial_zone(self) -> str:
        """The zone beside it for its rules on trial, which `named` is told only to log."""
        return f"trial.{self.zone}"


class RuleQuerySet(models.QuerySet["Rule"]):
    def living(self) -> RuleQuerySet:
        """Rules that are not deleted."""
        return self.filter(deleted_at=None)

    def active(self) -> RuleQuerySet:
        """Rules that are to be in force now, or on trial."""
        return self.living().filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), enabled=True)


class Rule(models.Model):
    """One rule of a policy that people make. trigger, target: as `security.triggers` stores them.

    trial: logged, not acted on. expires_at: when it goes out of force by itself. served: the RRsets that the name server has
    for it, `[[zone, name, type, rdata…]]`, as last read back. sync_state: `pending`, `served` (in force, or out of force as
    wanted), or `failed` with the reason in `sync_error`. deleted_at: wanted gone; the row goes when the name server has let
    go of it. version: raised by each change, for optimistic locking.
    """

    policy = models.ForeignKey(Policy, models.CASCADE, related_name="rules")
    trigger_type = models.CharField(max_length=16, choices=TriggerType.choices)
    trigger = models.CharField(max_length=255)
    action = models.CharField(max_length=16, choices=Action.choices)
    target = models.CharField(max_length=1000, blank=True)
    category = models.CharField(max_length=50, blank=True)
    comment = models.TextField(blank=True)
    enabled = models.BooleanField(default=True)
    trial = models.BooleanField(default=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    deleted_at = models.DateTimeField(null=True, editable=False)

    served = models.JSONField(default=list, editable=False)
    sync_state = models.CharField(max_length=8, choices=SyncState.choices, default=SyncState.PENDING, editable=False)
    sync_error = models.TextField(blank=True, editable=False)
    hits = models.PositiveBigIntegerField(default=0, editable=False)
    last_hit_at = models.DateTimeField(null=True, editable=False)

    objects = RuleQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["policy", "trigger_type", "trigger"],
                condition=Q(deleted_at=None),
                name="one_rule_per_trigger",
            ),
        )
        indexes = (
            models.Index(fields=["policy", "sync_state"], name="rule_to_push"),
            models.Index(fields=["trigger_type", "trigger"], name="rule_by_trigger"),
            models.Index(fields=["expires_at"], name="rule_by_expiry"),
        )

    def __str__(self) -> str:
        return f"{self.trigger}: {self.get_action_display()}"

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def active(self) -> bool:
        """Whether it is to be in force now, or on trial."""
        return self.enabled and not self.expired and self.deleted_at is None


class Hits(models.Model):
    """How often a policy, or one rule of it, acted in one hour. rule: null where the rule is an entry of a feed."""

    policy = models.ForeignKey(Policy, models.CASCADE, related_name="hits_over_time")
    rule = models.ForeignKey(Rule, models.CASCADE, null=True, related_name="hits_over_time")
    hour = models.DateTimeField()
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["rule", "hour"], name="one_count_per_rule_and_hour"),
            models.UniqueConstraint(
                fields=["policy", "hour"], condition=Q(rule=None), name="one_count_per_feed_and_hour"
            ),
        )

    def __str__(self) -> str:
        return f"{self.policy_id}/{self.rule_id} {self.hour:%Y-%m-%d %H}: {self.count}"


class Enforcement(models.Model):
    """The one row whose lease lets one process at a time at the configuration of the policies and their zones."""

    lease = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return "the right to enforce"


class FeedFormat(models.TextChoices):
    """How the lines of a feed are written."""

    AUTO = "auto", "found out from its first lines"
    HOSTS = "hosts", "hosts file"
    DOMAINS = "domains", "one name a line"
    ADBLOCK = "adblock", "adblock filter list (||name^)"
    CSV = "csv", "CSV, names in one column"
    RPZ = "rpz", "RPZ by zone transfer (axfr://)"


class FeedState(models.TextChoices):
    """How a feed stands; whatever it is, the entries of its last good refresh are in force."""

    NEW = "new", "never fetched"
    REFRESHING = "refreshing", "being fetched"
    CURRENT = "current", "current"
    FAILED = "failed", "failed"


class Feed(models.Model):
    """A list of names that somebody else keeps, fetched by schedule; its entries make a policy of their own.

    url: http, https, or `axfr://host:port/zone`. column: of a CSV, from 1. subdomains: all below each name too.
    category, confidence (0 to 100), reference: what an entry of it says about a name. interval_s: seconds between refreshes.
    allow_private: it may be fetched from loopback and private networks. key: name of the TSIG key that signs a transfer
    (`zones.transfer_keys`). etag, last_modified: for asking whether it changed.
    source_digest, digest: of what was sent, and of the entries in it. entries, bad, skipped, guarded: counted at the last
    good refresh; samples: some of each. added, removed: what it changed.
    """

    policy = models.OneToOneField(Policy, models.CASCADE, related_name="feed")
    url = models.CharField(max_length=2000)
    format = models.CharField(max_length=8, choices=FeedFormat.choices, default=FeedFormat.AUTO)
    column = models.PositiveSmallIntegerField(default=1)
    subdomains = models.BooleanField(default=True)
    category = models.CharField(max_length=50, blank=True)
    confidence = models.PositiveSmallIntegerField(default=50)
    reference = models.CharField(max_length=2000, blank=True)
    interval_s = models.PositiveIntegerField(default=3600)
    allow_private = models.BooleanField(default=False)
    key = models.CharField(max_length=255, blank=True)
    version = models.PositiveBigIntegerField(default=1, editable=False)

    state = models.CharField(max_length=12, choices=FeedState.choices, default=FeedState.NEW, editable=False)
    error = models.TextField(blank=True, editable=False)
    error_code = models.CharField(max_length=32, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    changed_at = models.DateTimeField(null=True, editable=False)
    next_at = models.DateTimeField(null=True, editable=False, db_index=True)
    etag = models.CharField(max_length=500, blank=True, editable=False)
    last_modified = models.CharField(max_length=100, blank=True, editable=False)
    source_digest = models.CharField(max_length=64, blank=True, editable=False)
    digest = models.CharField(max_length=64, blank=True, editable=False)
    entries = models.PositiveIntegerField(default=0, editable=False)
    bad = models.PositiveIntegerField(default=0, editable=False)
    skipped = models.PositiveIntegerField(default=0, editable=False)
    guarded = models.PositiveIntegerField(default=0, editable=False)
    added = models.PositiveIntegerField(default=0, editable=False)
    removed = models.PositiveIntegerField(default=0, editable=False)
    samples = models.JSONField(default=dict, editable=False)
    lease = models.CharField(max_length=64, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.policy.name

    @property
    def alert_key(self) -> str:
        """Of the alert that it cannot be refreshed."""
        return f"feed-failed:{self.pk}"
