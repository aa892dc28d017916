"""`manage.py nameserver_check`: can the site work with its name server?"""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandParser

from zones.nameserver.diagnosis import Finding, diagnose

_MARKS = {True: "ok", False: "FAILED", None: "–"}


class Command(BaseCommand):
    help = """Try everything that the site needs of its name server: port, keys, control channel, statistics,
    directories. For what fails, print what to add to named.conf. A zone dnsadmin-check-….invalid is put there for a
    moment and removed again. Exit code 0 when all is well, 1 when not.

    Example: manage.py nameserver_check --json"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def handle(self, *args: Any, json: bool, **options: Any) -> None:
        findings = diagnose()
        if json:
            self.stdout.write(msgspec.json.format(msgspec.json.encode(findings)).decode())
        else:
            for finding in findings:
                self._show(finding)
        if any(finding.ok is False for finding in findings):
            sys.exit(1)

    def _show(self, finding: Finding) -> None:
        mark = f"{_MARKS[finding.ok]:<7}"
        style = self.style.ERROR if finding.ok is False else self.style.SUCCESS if finding.ok else str
        self.stdout.write(f"{style(mark)} {finding.title}" + (f": {finding.detail}" if finding.detail else ""))
        for line in finding.remedy.splitlines():
            self.stdout.write(f"            {line}")
