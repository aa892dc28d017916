"""`manage.py restore`: everything back from an archive, after a look at it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress

from dnsadmin import archive
from realtime.actors import acting


class Command(BaseCommand):
    help = """Put back what `backup` wrote, in place of everything that is in the database now. The archive is checked
    first; if it is damaged or does not fit, nothing is changed. The log begins a new epoch, so every client reads anew.
    Afterwards restart the site (the key that signs sessions is restored too) and run `zone_sync --check`.

    Example: manage.py restore /var/backups/dnsadmin/today.tar.gz --check"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="archive that backup wrote")
        parser.add_argument("--check", action="store_true", help="only check the archive")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("--json", action="store_true", help="print figures as JSON")

    def handle(self, *args: Any, file: Path, check: bool, yes: bool, **options: Any) -> None:
        try:
            manifest = archive.check(file)
            if not check:
                self._confirm(manifest, yes)
                quiet = options["json"] or not sys.stderr.isatty()
                with acting(origin="command"), Progress(console=Console(stderr=True), disable=quiet) as progress:
                    task = progress.add_task("Restoring", total=len(archive.tables()))
                    archive.restore(file, lambda table, rows: progress.advance(task))
        except archive.Damaged as problem:
            raise CommandError(str(problem)) from None
        if options["json"]:
            made = {"made_at": manifest.made_at, "release": manifest.release, "rows": manifest.rows}
            self.stdout.write(json.dumps(made | {"restored": not check}))
        else:
            done = "is in order" if check else "was restored"
            self.stdout.write(f"{file.name} of {manifest.made_at} ({manifest.rows} rows) {done}")

    def _confirm(self, manifest: archive.Manifest, yes: bool) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            raise CommandError("This replaces everything in the database. Say --yes if that is what you want.")
        question = f"Replace everything in the database by the backup of {manifest.made_at}? [yes/no] "
        if input(question).strip().lower() != "yes":
            raise CommandError("Nothing was changed.")
