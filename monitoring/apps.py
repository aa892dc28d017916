from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MonitoringConfig(AppConfig):
    name = "monitoring"

    def ready(self) -> None:
        from monitoring import roles
        from monitoring.forwarding import applying  # noqa: F401  # knows of forward zones (`zones.forwarding.source`)

        post_migrate.connect(roles.establish, sender=self)
