"""`manage.py realtime_doctor`: what is wrong with the set-up, and what to do about it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.table import Table

from dnsadmin.doctor import Verdict, examine

STYLES = {Verdict.FINE: "green", Verdict.WARNING: "yellow", Verdict.BROKEN: "bold red"}


class Command(BaseCommand):
    help = """Look for what is set up wrong: settings, database, channel layer, clocks, capacity, the running site. Changes
    nothing.

    Example: manage.py realtime_doctor --json

    Exit status 0: all is fine; 1: something is broken; 2: warnings only."""
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = list(examine())
        if options["json"]:
            self.stdout.write(json.dumps([{"check": name, **msgspec.to_builtins(each)} for name, each in findings]))
        else:
            console = Console(highlight=False)
            table = Table("", "check", "found", "what to do", box=None)
            for name, each in findings:
                mark = f"[{STYLES[each.verdict]}]{each.verdict.value}[/]"
                table.add_row(mark, name.replace("_", " "), each.found, each.advice)
            with console.capture() as shown:
                console.print(table)
            self.stdout.write(shown.get())
        worst = {each.verdict for _, each in findings}
        if Verdict.BROKEN in worst:
            raise SystemExit(1)
        if Verdict.WARNING in worst:
            raise SystemExit(2)
