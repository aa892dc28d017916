"""Which hits of response policies raise an alert: none, until somebody says so."""

from __future__ import annotations

from django.db import models

from realtime.events import SEVERITIES, EventSeverity


class HitWatch(models.Model):
    """Hits of a policy (of any, without one) in a category (in any, when empty) raise an alert of this severity."""

    policy = models.ForeignKey("security.Policy", models.CASCADE, null=True, blank=True, related_name="+")
    category = models.CharField(max_length=50, blank=True)
    severity = models.CharField(
        max_length=8,
        choices=SEVERITIES,
        default=EventSeverity.WARNING.value,
    )

    class Meta:
        verbose_name = "watched hit"

    def __str__(self) -> str:
        return f"hits of {self.policy or 'any policy'}, {self.category or 'any category'}: {self.severity}"
