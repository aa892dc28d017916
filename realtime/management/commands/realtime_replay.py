"""`manage.py realtime_replay`: the log again, to be read, or for a processor to work through once more."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rich.console import Console

from realtime import audience, log
from realtime.actors import acting
from realtime.events import Event
from realtime.filters import view
from realtime.management.commands.realtime_tail import line, viewer
from realtime.processors import PROCESSORS
from realtime.protocol import public
from realtime.registry import registry


class Command(BaseCommand):
    help = """Go through the log of events again, oldest first. By default they are printed as a user sees them. With
    --processor they are given to a processor once more, for instance after a webhook's receiver had lost them; whatever it
    does outside the database happens again.

    Example: manage.py realtime_replay --since k3f0a1b2:1200 --user olivia 'record_*' --json

    Exit status 1 when the log no longer reaches back that far, or an event fails in the processor."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("event_types", nargs="*", default=["*"], help="event types or patterns (default: all)")
        parser.add_argument(
            "--since", help="begin after this position, <epoch>:<position> (default: the oldest there is)"
        )
        parser.add_argument("--until", type=int, help="end at this position")
        parser.add_argument("--user", help="see what this user sees (default: the first administrator)")
        parser.add_argument("--zone", help="only events about this zone")
        parser.add_argument("--processor", help=f"give them to this processor, one of: {', '.join(sorted(PROCESSORS))}")
        parser.add_argument("--json", action="store_true", help="one JSON object a line; with --processor, the figures")

    def handle(self, *args: Any, **options: Any) -> None:
        here = log.head()
        start = here.floor
        if options["since"]:
            try:
                position = log.Position.parse(options["since"])
            except ValueError as problem:
                raise CommandError(str(problem)) from None
            if position.epoch != here.epoch:
                raise CommandError(
                    f"The log is in epoch {here.epoch}; positions of {position.epoch} mean nothing any more."
                )
            start = position.position
        wanted = frozenset[Any]().union(*(registry.matching(pattern) for pattern in options["event_types"]))
        if not wanted:
            raise CommandError(f"There is no event type {' '.join(options['event_types'])}.")
        events = (
            event
            for event in _read(start, options["until"] or here.position)
            if event.event_type in wanted and (not options["zone"] or event.data.get("zone") == options["zone"])
        )
        try:
            if options["processor"]:
                self._process(events, options)
            else:
                self._print(events, options)
        except log.TooOld:
            raise CommandError(f"The log begins after position {here.floor}.") from None

    def _print(self, events: Iterator[Event], options: dict[str, Any]) -> None:
        who = audience.of(viewer(options["user"]))
        console = Console(highlight=False)
        for event in events:
            seen = view(event, who)
            if seen is None:
                continue
            shown = public(seen)
            if options["json"]:
                sys.stdout.write(json.dumps(shown) + "\n")
            else:
                console.print(line(shown), soft_wrap=True)

    def _process(self, events: Iterator[Event], options: dict[str, Any]) -> None:
        processor = PROCESSORS.get(options["processor"])
        if processor is None:
            raise CommandError(
                f"There is no processor {options['processor']}: {', '.join(sorted(PROCESSORS)) or 'none'}."
            )
        done, failed = 0, 0
        with acting(origin="command"):
            for event in events:
                if event.event_type not in processor.event_types:
                    continue
                try:
                    with transaction.atomic():
                        processor.handle(event)
                    done += 1
                except Exception as problem:  # noqa: BLE001  # whatever it raises, the others go on
                    failed += 1
                    self.stderr.write(f"{event.id} at {event.position}: {problem}")
        figures = {"processor": processor.name, "done": done, "failed": failed}
        self.stdout.write(msgspec.json.encode(figures).decode() if options["json"] else f"{done} done, {failed} failed")
        if failed:
            raise SystemExit(1)


def _read(after: int, until: int) -> Iterator[Event]:
    while after < until and (events := log.read(after)):
        for event in events:
            if (event.position or 0) > until:
                return
            yield event
        after = events[-1].position or after
