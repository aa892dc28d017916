"""`manage.py realtime_loadtest`: how much the running site carries, beside a baseline on the same machine."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework_simplejwt.tokens import AccessToken
from rich.console import Console
from rich.table import Table
from websockets.exceptions import WebSocketException

from realtime import loadtest

ROWS = (
    ("clients", "clients", ""),
    ("connected", "connected_per_s", "/s"),
    ("latency, median", "latency_p50_ms", "ms"),
    ("latency, 99 %", "latency_p99_ms", "ms"),
    ("deliveries", "deliveries_per_s", "/s"),
    ("of the baseline", "baseline_per_s", "/s"),
    ("ratio to the baseline", "ratio", ""),
    ("lost", "lost", ""),
)


class Command(BaseCommand):
    help = """Connect many clients to the running site, send test events through everything, and measure. The test events
    go into the log and to everybody who listens to `broadcast_test`; nothing else is touched.

    Ratios compare machines: bursts take turns with those of a bare WebSocket server. docs/explanation/capacity.md has some.

    Example: manage.py realtime_loadtest --clients 300 --rate 20 --seconds 10 --least-ratio 0.3 --json

    Exit status 1 when an event was lost or a threshold was missed."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--clients", type=int, default=100, help="connections (default: 100)")
        parser.add_argument("--rate", type=float, default=10.0, help="events a second, 20 at most (default: 10)")
        parser.add_argument("--seconds", type=float, default=5.0, help="how long (default: 5)")
        parser.add_argument("--url", help="of the WebSocket (default: the site's own)")
        parser.add_argument("--most-p99-ms", type=float, help="fail above this latency")
        parser.add_argument("--least-ratio", type=float, help="fail below this ratio to the baseline")
        parser.add_argument("--json", action="store_true", help="print the figures as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["clients"] < 1 or options["rate"] <= 0 or options["seconds"] <= 0:
            raise CommandError("Clients, rate and seconds must be positive.")
        if options["rate"] > 20:
            raise CommandError("The site takes 20 commands a second from one user; measure throughput by more clients.")
        user = get_user_model().objects.filter(is_active=True, is_superuser=True).first()
        if user is None:
            raise CommandError("There is no administrator on whose behalf to connect.")
        url = options["url"] or f"ws://{settings.SITE.bind}:{settings.SITE.port}/ws/"
        test = loadtest.run(
            url,
            str(AccessToken.for_user(user)),
            clients=options["clients"],
            rate=options["rate"],
            seconds=options["seconds"],
            tell=lambda words: None if options["json"] else self.stderr.write(words),
        )
        try:
            result = asyncio.run(test)
        except (OSError, WebSocketException) as problem:
            raise CommandError(f"The site at {url} cannot be tested: {problem}") from None
        self._show(result, as_json=options["json"])
        missed = [
            words
            for words, bad in (
                (f"{result.lost} deliveries were lost", result.lost > 0),
                (
                    f"the latency is above {options['most_p99_ms']} ms",
                    _above(result.latency_p99_ms, options["most_p99_ms"]),
                ),
                (f"the ratio is below {options['least_ratio']}", _above(options["least_ratio"], result.ratio)),
            )
            if bad
        ]
        if missed:
            raise CommandError("; ".join(missed))

    def _show(self, result: loadtest.Result, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(msgspec.json.encode(result).decode())
            return
        console, table = Console(highlight=False), Table(show_header=False, box=None)
        for label, name, unit in ROWS:
            table.add_row(label, f"{getattr(result, name):,}", unit)
        with console.capture() as shown:
            console.print(table)
        self.stdout.write(shown.get())


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit
