"""`manage.py realtime_prune`: delete what is older than the log is kept."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.template.defaultfilters import pluralize

from realtime import log, retention
from realtime.conf import conf


class Command(BaseCommand):
    help = """Delete events that are older than the log is kept. The site does so every hour by itself.

    Clients that were away for longer get everything anew. Example: manage.py realtime_prune --days 7"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=float, default=conf().retention_days, help="keep this many days")
        parser.add_argument("--json", action="store_true", help="print figures as JSON")

    def handle(self, *args: Any, days: float, **options: Any) -> None:
        deleted = retention.prune(days)
        floor = log.head().floor
        if options["json"]:
            self.stdout.write(json.dumps({"deleted": deleted, "floor": floor}))
        else:
            self.stdout.write(f"deleted {deleted} event{pluralize(deleted)}; the log begins after position {floor}")
