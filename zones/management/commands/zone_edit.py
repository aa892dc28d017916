"""`manage.py zone_edit`: find and replace, and new TTLs, over many records and zones."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from inspect import cleandoc
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.template.defaultfilters import pluralize

from realtime.actors import acting
from zones import bulk_edits, history
from zones.changes import where_from
from zones.management.exit_codes import REFUSED
from zones.models import Zone
from zones.names import sought
from zones.refusals import ChangeError, InvalidChange
from zones.validation import MAX_TTL


class _AsWritten(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """The lines of the help as they are written here."""


class ZoneOutcome(msgspec.Struct, kw_only=True):
    """What `--json` prints of each zone in which something matches. change_set: null with `--dry-run`; based_on: the zone's
    newest change set then, for `--based-on`."""

    zone: str
    change_set: int | None
    based_on: int | None
    count: int
    lines: list[str]
    problems: list[str]


class Command(BaseCommand):
    help = cleandoc("""Change many records at once: text found in their content (or name, or comment) is replaced, or they get
    a new TTL, or both. Each zone gets one change set; all of them are made or none is. The site pushes them to the name
    server. A zone that somebody changed after a --dry-run is not changed, when --based-on says what that told.

    Exit code 0: done, or nothing matches. 1: there is no such zone, or refused with the reason; nothing was changed.

    Examples: manage.py zone_edit example.com example.net --find 192.0.2. --replace 198.51.100. --type A --dry-run
              manage.py zone_edit --all --name www --ttl 300 --comment "before the move\"""")

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, **({"formatter_class": _AsWritten} | kwargs))

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("zones", nargs="*", help="names of the zones")
        parser.add_argument("--all", action="store_true", help="all primary zones")
        parser.add_argument(
            "--find", default="", help="plain text; without it, all that the other options select are meant"
        )
        parser.add_argument("--replace", default="", help="what comes in its place")
        parser.add_argument(
            "--field", choices=("content", "name", "comment"), default="content", help="where (content)"
        )
        parser.add_argument("--type", default="", help="only records of this type")
        parser.add_argument("--name", default="", help="only records with this in their name")
        parser.add_argument(
            "--record",
            dest="records",
            action="append",
            default=[],
            type=int,
            metavar="ID",
            help="only the record with this id; more than once for more of them",
        )
        parser.add_argument("--ttl", type=int, help="the new TTL, in seconds")
        parser.add_argument(
            "--based-on",
            action="append",
            default=[],
            type=_based_on,
            metavar="[ZONE=]CHANGE",
            help="the newest change set of a zone, as --dry-run told it: refuse when somebody has changed that zone since",
        )
        parser.add_argument("--comment", default="", help="for the history")
        parser.add_argument("--dry-run", action="store_true", help="only print what would change")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, json: bool, dry_run: bool, comment: str, **options: Any) -> None:
        zones = _zones(options["zones"], all_of_them=options["all"])
        based_on = _of_zones(options["based_on"], zones)
        edit = bulk_edits.Edit(**{field: options[field] for field in bulk_edits.Edit.__struct_fields__})
        if not edit.find and edit.ttl is None:
            raise CommandError("Say what to --find, or which --ttl to set.")
        if edit.ttl is not None and not 0 <= edit.ttl <= MAX_TTL:
            raise CommandError(f"A TTL is a number of seconds from 0 to {MAX_TTL}.")
        try:
            with acting(origin="command"):
                done = (
                    bulk_edits.preview(zones, edit)
                    if dry_run
                    else bulk_edits.carry_out(zones, edit, comment=comment, based_on=based_on)
                )
        except InvalidChange as error:
            reasons = "; ".join(problem.message for problem in error.problems[:5])
            raise CommandError(f"Refused, and nothing was changed: {reasons}") from error
        except ChangeError as error:
            raise CommandError(f"Refused, and nothing was changed: {error}") from error
        outcomes = [_outcome(edited) for edited in done.zones]
        if json:
            self.stdout.write(msgspec.json.format(msgspec.json.encode(outcomes)).decode())
        else:
            self._print(outcomes, dry_run=dry_run)
        if any(outcome.problems for outcome in outcomes):
            raise SystemExit(REFUSED)

    def _print(self, outcomes: list[ZoneOutcome], *, dry_run: bool) -> None:
        for outcome in outcomes:
            for line in outcome.lines if dry_run else ():
                self.stdout.write(line)
            for problem in outcome.problems:
                self.stderr.write(self.style.ERROR(f"{outcome.zone}: {problem}"))
            seen = f" (--based-on {outcome.zone}={outcome.based_on})" if not outcome.problems else ""
            what = f"would change{seen}" if dry_run else f"changed, change set {outcome.change_set}"
            self.stdout.write(f"{outcome.zone}: {outcome.count:,} record{pluralize(outcome.count)} {what}")
        if not outcomes:
            self.stdout.write("Nothing matches.")


def _zones(named: list[str], *, all_of_them: bool) -> list[Zone]:
    """The zones to look at. Raises `CommandError` unless each is there and can be changed here."""
    if all_of_them == bool(named):
        raise CommandError("Name the zones, or say --all.")
    living = Zone.objects.living().order_by("name")
    if all_of_them:
        return [zone for zone in living if zone.writable]
    names = {sought(name.lower().removesuffix(".")) for name in named}
    found = list(living.filter(name__in=names))
    if missing := sorted(names - {zone.name for zone in found}):
        raise CommandError(f"There is no zone {', '.join(missing)}.")
    for zone in found:
        if not zone.writable:
            raise CommandError(
                f"The records of {zone.name} come from elsewhere ({where_from(zone)}); change them there."
            )
    return found


def _based_on(typed: str) -> tuple[str, int]:
    """What `--based-on` takes: a zone, which may be left out where there is only one, and a change set."""
    zone, _, change_set = typed.rpartition("=")
    return sought(zone.lower().removesuffix(".")), int(change_set)


def _of_zones(based_on: list[tuple[str, int]], zones: list[Zone]) -> dict[str, int]:
    names = {zone.name for zone in zones}
    if len(names) == 1:
        based_on = [(zone or next(iter(names)), change_set) for zone, change_set in based_on]
    if unknown := sorted({zone for zone, _ in based_on} - names):
        raise CommandError(
            f"--based-on: say of which of the zones, as {min(names)}=3, not {unknown[0] or 'of none'!r}."
        )
    return dict(based_on)


def _outcome(edited: bulk_edits.ZoneEdit) -> ZoneOutcome:
    return ZoneOutcome(
        zone=edited.zone.name,
        change_set=edited.change_set,
        based_on=edited.based_on,
        count=edited.count,
        lines=[f"{line.op} {line.text}" for line in history.lines(edited.changes, private=True)],
        problems=[problem.message for problem in edited.problems],
    )
