"""`manage.py zone_import`: a zone file or a table becomes a zone, or changes one, and is served."""

from __future__ import annotations

import sys
import time
from argparse import RawDescriptionHelpFormatter
from inspect import cleandoc
from pathlib import Path
from typing import Any, NoReturn, get_args

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.template.defaultfilters import pluralize
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from realtime.actors import acting
from zones import pushing
from zones.importing import Import, Preview, ZoneDiffers, import_zone, preview, summary
from zones.management.exit_codes import DIFFERS, NOT_SERVED, REFUSED
from zones.models import SyncState, Zone
from zones.refusals import Outdated
from zones.zonefile.guard import MAX_BYTES
from zones.zonefile.origin import origin_of
from zones.zonefile.problems import Problem, ZoneFileError
from zones.zonefile.tables import Form

POLL_S = 0.1
PUSH_EVERY_S = 2.0
"""Seconds between two pushes of our own, for when no web process runs that does it."""

_WARNINGS_SHOWN = 20
_FORMS: dict[str, Form] = {".csv": "csv", ".json": "json"}


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What `--json` prints. state: `served`, `pending` or `failed`; serial: as served, or of the file when only looking.
    based_on: the zone's newest change set when only looking, for `--based-on`."""

    zone: str
    new: bool | None = None
    records: int | None = None
    created: int | None = None
    updated: int | None = None
    deleted: int | None = None
    serial: int | None = None
    based_on: int | None = None
    state: str = ""
    error: str = ""
    difference: list[str] | None = None
    problems: list[Problem] = []
    warnings: list[Problem] = []


class _AsWritten(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """The lines of the help as they are written here."""


class Command(BaseCommand):
    help = cleandoc("""Import a zone file (RFC 1035), or a table in CSV or JSON with the columns name, type, ttl, content
    and comment. A zone that does not exist yet is made; one that does is changed with --replace, and then only where the file
    differs; with --merge, what the file does not name stays. Either all of it is imported or nothing; what named would not
    load is refused with its line. A zone that somebody changed after a --dry-run is not changed, when --based-on says what
    that told. The command ends when the name server serves the zone.

    Exit code 0: imported and served (or nothing to do). 1: the file was refused, or the zone has changed since.
    2: the zone exists with other records, and --replace was not given. 3: imported, but not served in time: it waits, with
    the reason.

    Examples: manage.py zone_import db.example.com --dry-run
              manage.py zone_import db.example.com --zone example.com --replace
              manage.py zone_import records.csv --zone example.com --replace --merge
              dig @192.0.2.1 example.com AXFR +onesoa | manage.py zone_import - --zone example.com --json""")

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, **({"formatter_class": _AsWritten} | kwargs))

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file; - reads standard input")
        parser.add_argument("--format", choices=get_args(Form), help="what it is; else as its name ends: .csv, .json")
        parser.add_argument("--zone", help="name of the zone; may be left out when the file names its SOA in full")
        parser.add_argument("--replace", action="store_true", help="change the zone when it exists already")
        parser.add_argument("--merge", action="store_true", help="keep the RRsets that the file does not name")
        parser.add_argument("--dry-run", action="store_true", help="only print what would change")
        parser.add_argument(
            "--based-on",
            type=int,
            metavar="CHANGE",
            help="the zone's newest change set, as --dry-run told it: refuse when somebody has changed the zone since",
        )
        parser.add_argument("--comment", default="", help="for the history")
        parser.add_argument("--no-wait", action="store_true", help="do not wait until the zone is served")
        parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="seconds to wait (60)")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, file: str, zone: str | None, json: bool, dry_run: bool, **options: Any) -> None:
        self._json = json
        text = _read(file)
        form = options["format"] or _FORMS.get(Path(file).suffix.lower(), "dns")
        name = zone or (origin_of(text) if form == "dns" else None)
        if not name:
            raise CommandError("The file does not say which zone it is of: name it with --zone.")
        try:
            if dry_run:
                self._print(_previewed(preview(text, name, form=form, merge=options["merge"])))
                return
            with acting(origin="command"), _bar() as progress:
                done = self._import(text, name, form, progress, **options)
                outcome = _imported(done)
                if not options["no_wait"]:
                    _wait(outcome, done, progress, options["timeout"])
        except ZoneFileError as error:
            self._give_up(REFUSED, Outcome(zone=name, error="refused", problems=list(error.problems)))
        except ZoneDiffers as error:
            self._give_up(
                DIFFERS, Outcome(zone=name, error="differs", difference=list(error.difference.lines())), str(error)
            )
        except Outdated as error:
            told = f"{str(error)[:1].upper()}{str(error)[1:]}: look at it again. Nothing was imported."
            self._give_up(REFUSED, Outcome(zone=name, error="outdated"), told)
        self._print(outcome)
        if outcome.error:
            sys.exit(NOT_SERVED)

    def _import(self, text: bytes, name: str, form: Form, progress: Progress, **options: Any) -> Import:
        task = progress.add_task("reading", total=None)

        def tell(done: int, total: int) -> None:
            progress.update(task, description="importing", completed=done, total=total)

        how = {option: options[option] for option in ("replace", "merge", "comment", "based_on")}
        done = import_zone(text, name, form=form, progress=tell, **how)
        progress.update(task, description="imported", completed=done.records, total=done.records)
        return done

    def _give_up(self, code: int, outcome: Outcome, message: str = "") -> NoReturn:
        if self._json:
            self._print_json(outcome)
        else:
            self.stderr.write(self.style.ERROR(message or f"{outcome.zone}: refused, and nothing was imported"))
            for problem in outcome.problems:
                self.stderr.write(f"  {problem}")
        sys.exit(code)

    def _print(self, outcome: Outcome) -> None:
        if self._json:
            self._print_json(outcome)
            return
        for problem in outcome.warnings[:_WARNINGS_SHOWN]:
            self.stderr.write(self.style.WARNING(f"warning: {problem}"))
        if (more := len(outcome.warnings) - _WARNINGS_SHOWN) > 0:
            self.stderr.write(f"and {more} more warning{pluralize(more)}")
        for line in outcome.difference or ():
            self.stdout.write(line)
        self.stdout.write(_sentence(outcome))

    def _print_json(self, outcome: Outcome) -> None:
        self.stdout.write(msgspec.json.format(msgspec.json.encode(outcome)).decode())


def _read(file: str) -> bytes:
    """One octet more than allowed is enough to refuse it."""
    try:
        if file == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(file).open("rb") as handle:
            return handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error


def _bar() -> Progress:
    """A progress bar on a terminal, nothing elsewhere; on standard error, which is not the result."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _wait(outcome: Outcome, done: Import, progress: Progress, timeout_s: float) -> None:
    """Until the name server serves the zone, or says why it does not. A web process that runs pushes it, or we do."""
    progress.add_task("waiting for the name server", total=None)
    deadline = time.monotonic() + timeout_s
    pushed_at = float("-inf")
    while True:
        zone = Zone.objects.get(pk=done.zone.pk)
        outcome.state, outcome.serial, outcome.error = zone.sync_state, zone.serial, zone.sync_error
        if zone.sync_state == SyncState.SERVED:
            outcome.error = ""
            return
        if zone.sync_state == SyncState.FAILED or time.monotonic() > deadline:
            outcome.error = zone.sync_error or "the name server has not been asked yet"
            return
        if time.monotonic() - pushed_at > PUSH_EVERY_S:
            pushed_at = time.monotonic()
            pushing.push(zone.pk)
        else:
            time.sleep(POLL_S)


def _previewed(found: Preview) -> Outcome:
    return Outcome(
        zone=found.zone,
        new=found.new,
        records=found.records,
        serial=found.serial,
        based_on=found.based_on,
        difference=list(found.difference.lines()),
        state=summary(found.difference),
        warnings=list(found.warnings),
    )


def _imported(done: Import) -> Outcome:
    return Outcome(
        zone=done.zone.name,
        new=done.new,
        records=done.records,
        created=done.created,
        updated=done.updated,
        deleted=done.deleted,
        serial=done.serial,
        state=SyncState.PENDING.value,
        warnings=list(done.warnings),
    )


def _sentence(outcome: Outcome) -> str:
    if outcome.difference is not None:
        return f"{outcome.zone}: {'new zone, ' if outcome.new else ''}{_records(outcome.records)}, {outcome.state}" + (
            f" (--based-on {outcome.based_on})" if outcome.based_on else ""
        )
    assert outcome.created is not None
    if outcome.new:
        what = f"new zone with {_records(outcome.records)}"
    elif outcome.created or outcome.updated or outcome.deleted:
        what = f"{_records(outcome.created)} added, {outcome.updated:,} changed, {outcome.deleted:,} deleted"
    else:
        what = "nothing to change"
    if outcome.error:
        return f"{outcome.zone}: {what}; not served yet: {outcome.error}"
    served = f"; served at serial {outcome.serial}" if outcome.state == SyncState.SERVED else "; to be pushed"
    return f"{outcome.zone}: {what}{served}"


def _records(count: int | None) -> str:
    return f"{count:,} record{pluralize(count)}"
