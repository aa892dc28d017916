"""`manage.py backup`: everything in one archive."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import pluralize
from rich.console import Console
from rich.progress import Progress

from dnsadmin import archive
from realtime.actors import acting


class Command(BaseCommand):
    help = """Write everything that the site knows into one archive: all tables at one moment, and the key that signs
    sessions. It can be made while the site runs, and fits SQLite and PostgreSQL alike. Keep it safe: it holds secrets.

    Example: manage.py backup /var/backups/dnsadmin/today.tar.gz"""

    def add_arguments(self, parser: CommandParser) -> None:
        default = f"dnsadmin-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar.gz"
        parser.add_argument("file", nargs="?", type=Path, default=Path(default), help="default: dnsadmin-<time>.tar.gz")
        parser.add_argument("--json", action="store_true", help="print figures as JSON")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if file.exists():
            raise CommandError(f"{file} exists already; nothing was written.")
        quiet = options["json"] or not sys.stderr.isatty()
        with acting(origin="command"), Progress(console=Console(stderr=True), disable=quiet) as progress:
            task = progress.add_task("Writing", total=len(archive.tables()))
            try:
                manifest = archive.write(file, lambda table, rows: progress.advance(task))
            except OSError as problem:
                raise CommandError(f"Cannot write {file}: {problem.strerror}") from None
        figures = {"file": str(file), "size": file.stat().st_size, "rows": manifest.rows, "release": manifest.release}
        figures |= {"epoch": manifest.epoch, "position": manifest.position}
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        else:
            self.stdout.write(
                f"{file}: {manifest.rows} row{pluralize(manifest.rows)}, {file.stat().st_size / 1e6:.1f} MB"
            )
