"""`manage.py zone_sync`: is what is served what is wanted? If not, make it so."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import pluralize
from rich.console import Console
from rich.progress import Progress

from realtime.actors import acting
from zones import pushing
from zones.management.exit_codes import DIFFERS, NOT_SERVED, REFUSED
from zones.models import SyncState, Zone, ZoneKind
from zones.names import sought
from zones.nameserver.comparison import RRsetChange
from zones.nameserver.errors import NameServerError
from zones.zonefile.difference import difference


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and done, for one zone. lines: records that go (`- …`) or come (`+ …`) at the server."""

    zone: str
    state: Literal["in_step", "differs", "waiting", "repaired", "failed"]
    serial: int | None = None
    rrsets: int = 0
    lines: list[str] = []
    error: str = ""


class Command(BaseCommand):
    help = """Compare zones, record by record, as the name server has them and as they are wanted, and push what differs.
    What somebody changed at the name server is lost by that: look first, with --check. Of zones whose records come from
    elsewhere: whether the copy is as new as its primaries, which are asked for it again, and what the server serves is taken
    over; forward zones are written anew.

    Exit code 0: all in step (or brought there). 1: there is no such zone, and nothing was changed. 2: with --check,
    something differs. 3: the name server could not be reached, or refused.

    Example: manage.py zone_sync example.com --check"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("zones", nargs="*", metavar="zone", help="names of zones; all when there are none")
        parser.add_argument("--check", action="store_true", help="only compare")
        parser.add_argument("--json", action="store_true", help="print the results as JSON")

    def handle(self, *args: Any, zones: list[str], check: bool, json: bool, **options: Any) -> None:
        chosen = _chosen(zones)
        with acting(origin="command"), _progress(quiet=json or not chosen) as progress:
            overall = progress.add_task("zones", total=len(chosen))
            results = []
            for zone in chosen:
                results.append(_compared(zone) if check else _repaired(zone, progress))
                progress.advance(overall)
        if json:
            self.stdout.write(msgspec.json.format(msgspec.json.encode(results)).decode())
        else:
            for result in results:
                self._show(result)
        states = {result.state for result in results}
        sys.exit(NOT_SERVED if "failed" in states else DIFFERS if states & {"differs", "waiting"} else 0)

    def _show(self, result: Result) -> None:
        count = f"{result.rrsets} RRset{pluralize(result.rrsets)}"
        said = {
            "in_step": "in step" + (f", serial {result.serial}" if result.serial else ""),
            "differs": f"{count} differ{pluralize(result.rrsets, 's,')}; serial {result.serial}",
            "waiting": f"{count} wait{pluralize(result.rrsets, 's,')} to be pushed; serial {result.serial}",
            "repaired": f"{count} pushed, serial {result.serial}",
            "failed": f"failed: {result.error}",
        }[result.state]
        style = self.style.ERROR if result.state == "failed" else str
        self.stdout.write(style(f"{result.zone}: {said}"))
        for line in result.lines:
            self.stdout.write(f"    {line}")


def _chosen(names: list[str]) -> list[Zone]:
    zones = Zone.objects.living()
    if not names:
        return list(zones)
    wanted = {sought(name.lower().removesuffix(".")) for name in names}
    found = list(zones.filter(name__in=wanted))
    if missing := wanted - {zone.name for zone in found}:
        raise CommandError(f"There is no zone {', '.join(sorted(missing))}.", returncode=REFUSED)
    return found


def _compared(zone: Zone) -> Result:
    if zone.kind == ZoneKind.FORWARD:
        return _standing(zone)
    try:
        comparison = pushing.compare(zone)
    except NameServerError as error:
        return Result(zone=zone.name, state="failed", error=error.message)
    state: Literal["in_step", "differs", "waiting"] = "in_step"
    if comparison.changes:
        state = "waiting" if comparison.waiting else "differs"
    return Result(
        zone=zone.name,
        state=state,
        serial=comparison.serial,
        rrsets=len(comparison.changes),
        lines=_lines(comparison.changes),
    )


def _repaired(zone: Zone, progress: Progress) -> Result:
    task = progress.add_task(zone.name, total=None)

    def report(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)

    try:
        comparison = pushing.repair(zone.pk, progress=report)
        if not zone.writable:
            return _standing(zone)
    except NameServerError as error:
        return Result(zone=zone.name, state="failed", error=error.message)
    finally:
        progress.remove_task(task)
    return Result(
        zone=zone.name,
        state="repaired" if comparison.changes else "in_step",
        serial=comparison.serial,
        rrsets=len(comparison.changes),
        lines=_lines(comparison.changes),
    )


def _standing(zone: Zone) -> Result:
    """How a zone stands whose records are not changed here, as was last found."""
    zone.refresh_from_db()
    state: Literal["in_step", "failed"] = "in_step" if zone.sync_state == SyncState.SERVED else "failed"
    return Result(zone=zone.name, state=state, serial=zone.serial, error=zone.sync_error)


def _lines(changes: tuple[RRsetChange, ...]) -> list[str]:
    before = [change.before for change in changes if change.before]
    after = [change.after for change in changes if change.after]
    return list(difference(before, after).lines())


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """A bar on standard error, where somebody watches."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        yield progress
