"""The tables of the site as a whole."""

from __future__ import annotations

from django.conf import settings
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


class ApiToken(models.Model):
    """A personal token for the API and the socket, with the rights of its user as far as `scopes` reach.

    digest: SHA-256 of the token, which is shown once and kept nowhere. hint: its last characters, to tell tokens apart.
    scopes: words out of `dnsadmin.access_tokens.SCOPES`.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=8)
    scopes = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"
