"""`manage.py run_monitors`: the collectors in a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandParser

from monitoring.supervisor import Supervisor, overview


class Command(BaseCommand):
    help = """Run all collectors (query log, metrics, probes, feeds): in one process of the site at a time, others stand by.

    With the in-process layer the web process runs them itself. With Redis start this beside it, on the machine where the
    name server writes its logs. Ends cleanly on SIGTERM and SIGINT. --status tells who collects and how each collector is
    doing; it fails when nobody does.

    Example: manage.py run_monitors --status --json"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--status", action="store_true", help="tell how the collectors are doing, and end")
        parser.add_argument("--json", action="store_true", help="with --status: as JSON")

    def handle(self, *args: Any, status: bool, json: bool, **options: Any) -> None:
        if not status:
            with contextlib.suppress(asyncio.CancelledError):
                asyncio.run(self._run())
            return
        seen = overview()
        if json:
            self.stdout.write(msgspec.json.format(msgspec.json.encode(seen)).decode())
        else:
            self.stdout.write(f"run by {seen.leader}" if seen.led else "nobody runs the collectors")
            for each in seen.collectors:
                self.stdout.write(f"{each.name:<24} {each.state:<8} since {each.since:%Y-%m-%d %H:%M:%S} {each.error}")
        if not seen.led:
            raise SystemExit(1)

    async def _run(self) -> None:
        running = asyncio.create_task(Supervisor().run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        self.stderr.write("collecting, or standing by; end with SIGTERM or Ctrl-C")
        await running
