"""An app only so that its script is found among the static files."""

from django.apps import AppConfig


class LegacyConfig(AppConfig):
    name = "realtime.legacy"
    label = "realtime_legacy"
