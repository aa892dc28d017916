"""`manage.py zone_export`: a zone as a zone file, or as a table."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, get_args

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.actors import acting
from zones.exporting import export_table, export_zone
from zones.models import Zone
from zones.names import sought
from zones.zonefile.tables import Form, csv_lines, json_lines


class Command(BaseCommand):
    help = """Write a zone as a zone file that named-checkzone accepts, with the serial that is served, or as a table with
    comments, in CSV or JSON. The same records give the same text, so that it can be kept in version control.

    Exit code 0: written. 1: there is no such zone, or the file cannot be written.

    Example: manage.py zone_export example.com --output db.example.com"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("zone", help="name of the zone")
        parser.add_argument("--format", choices=get_args(Form), default="dns", help="dns: a zone file (the default)")
        parser.add_argument(
            "--output", "-o", type=Path, help="file to write, whole or not at all; default: standard output"
        )

    def handle(self, *args: Any, zone: str, output: Path | None, format: Form, **options: Any) -> None:
        name = sought(zone.lower().removesuffix("."))
        found = Zone.objects.living().filter(name=name).first()
        if found is None:
            raise CommandError(f"There is no zone {name}.")
        try:
            with acting(origin="command"):
                if output is not None:
                    with _whole(output) as file:
                        file.writelines(_lines(found, format))
                    return
                for line in _lines(found, format):
                    self.stdout.write(line, ending="")
        except ValueError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{output or 'The result'} cannot be written: {error.strerror}") from error


def _lines(zone: Zone, form: Form) -> Iterator[str]:
    if form == "dns":
        return export_zone(zone)
    return (csv_lines if form == "csv" else json_lines)(export_table(zone, private=True))


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    """The whole file or nothing: one that is there already stays until the new one is complete."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
