"""`manage.py maintenance on|off|status`: no changes while somebody works on the site."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from dnsadmin import maintenance
from realtime.actors import acting


class Command(BaseCommand):
    help = """Begin or end maintenance. While it lasts every page shows a banner, changes are answered with 503, and what
    people see goes on being live. The name server is not touched.

    Example: manage.py maintenance on --reason "upgrade to 1.4, until 20:00"

    Exit status of `status`: 0 without maintenance, 1 during it."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["on", "off", "status"])
        parser.add_argument("--reason", default="", help="shown on the banner")
        parser.add_argument("--json", action="store_true", help="print the state as JSON")

    def handle(self, *args: Any, action: str, reason: str, **options: Any) -> None:
        with acting(origin="command"):
            if action == "on":
                maintenance.begin(reason[:500])
            elif action == "off":
                maintenance.end()
        now = maintenance.state()
        since = now.since.isoformat() if now and now.since else None
        if options["json"]:
            self.stdout.write(json.dumps({"on": now is not None, "since": since, "reason": now.reason if now else ""}))
        else:
            self.stdout.write(f"maintenance since {since}: {now.reason or '–'}" if now else "no maintenance")
        if action == "status" and now is not None:
            raise SystemExit(1)
