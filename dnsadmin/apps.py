from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "dnsadmin"
    verbose_name = "Site"

    def ready(self) -> None:
        from dnsadmin import access_tokens  # noqa: F401  # the socket is to know these tokens
        from dnsadmin.monitors import standstill
        from realtime.health import REALTIME_CHECKS

        REALTIME_CHECKS["monitors"] = standstill
