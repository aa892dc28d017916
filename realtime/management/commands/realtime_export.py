"""`manage.py realtime_export`: write, or check, what is generated from the catalogue and the protocol."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime import export


class Command(BaseCommand):
    help = """Write the files that are generated from the event catalogue and the protocol.

    Example: manage.py realtime_export --check"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        differing = []
        for path, content in export.files().items():
            file = settings.BASE_DIR / path
            if file.is_file() and file.read_text() == content:
                continue
            differing.append(str(path))
            if not check:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
                self.stdout.write(f"wrote {path}")
        if check and differing:
            raise CommandError(f"not as generated: {', '.join(differing)}. Run manage.py realtime_export.")
