"""`manage.py realtime_status`: how the event system is, at a glance."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from realtime import log, presence
from realtime.models import DeadLetter, LogEvent, ProcessorCursor


class Command(BaseCommand):
    help = """Show how far the log is, who is connected, and how processors do. Exit status 1 when something is behind.

    Example: manage.py realtime_status --json"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print figures as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        head = log.head()
        oldest = LogEvent.objects.filter(position=None).order_by("id").values_list("timestamp", flat=True).first()
        connections = presence.everyone()
        figures = {
            "epoch": head.epoch,
            "position": head.position,
            "floor": head.floor,
            "unnumbered": LogEvent.objects.filter(position=None).count(),
            "oldest_unnumbered_s": round((timezone.now() - oldest).total_seconds(), 1) if oldest else 0.0,
            "connections": len(connections),
            "by_node": dict(Counter(str(connection["node"]) for connection in connections)),
            "by_client": dict(Counter(str(connection["client"]) for connection in connections)),
            "processors": {c.name: head.position - c.position for c in ProcessorCursor.objects.order_by("name")},
            "dead_letters": DeadLetter.objects.count(),
        }
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        else:
            for name, value in figures.items():
                self.stdout.write(f"{name.replace('_', ' '):>20}  {value}")
        if oldest is not None and (timezone.now() - oldest).total_seconds() > 10:
            self.stderr.write("Events wait for a position: is a web process running?")
            raise SystemExit(1)
