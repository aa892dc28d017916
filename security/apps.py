from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SecurityConfig(AppConfig):
    name = "security"

    def ready(self) -> None:
        from security import roles
        from security.detection import events  # noqa: F401  # declares them

        post_migrate.connect(roles.establish, sender=self, dispatch_uid="security.roles")
