"""The tables of the site as a whole."""

from __future__ import annotations

from django.db import models


class Maintenance(models.Model):
    """The one row that says whether the site takes changes. `since`: when maintenance began; null while there is none."""

    SINGLETON = 1

    since = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name_plural = "maintenance"
        default_permissions = ()

    def __str__(self) -> str:
        return f"maintenance since {self.since}" if self.since else "no maintenance"
