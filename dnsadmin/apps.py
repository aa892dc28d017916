from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class SiteConfig(AppConfig):
    name = "dnsadmin"
    verbose_name = "Site"

    def ready(self) -> None:
        post_migrate.connect(establish_operations, sender=apps.get_app_config("realtime"))


def establish_operations(sender: AppConfig, **options: object) -> None:
    """Operators hear of roll-outs, backups and restores; the event system itself knows no roles."""
    from zones import roles

    roles.establish_for(sender, {roles.OPERATORS: ("view_operations",)}, using=str(options.get("using", "default")))
