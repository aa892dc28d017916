from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "dnsadmin"
    verbose_name = "Site"
