"""The event system as a Django app: it knows none of the other apps, but imports their declarations at the start."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class RealtimeConfig(AppConfig):
    name = "realtime"
    verbose_name = "Real-time events"

    def ready(self) -> None:
        autodiscover_modules("events", "commands")
        from realtime import accounts, alerts, connection_events, errors, rollout  # noqa: F401  # signals, and events of their own
