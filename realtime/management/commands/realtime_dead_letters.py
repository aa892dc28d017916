"""`manage.py realtime_dead_letters`: the events that a processor failed at for good; read, tried again, discarded."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from realtime import processors
from realtime.actors import acting
from realtime.models import DeadLetter


class Command(BaseCommand):
    help = """Show the dead letters, oldest first, each with its whole error. With --retry they are given to their processor
    once more, and are gone where that succeeds; with --discard they are deleted.

    Example: manage.py realtime_dead_letters --retry 17 18

    Exit status 1 when one fails again."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="*", type=int, help="only these (default: all)")
        deed = parser.add_mutually_exclusive_group()
        deed.add_argument("--retry", action="store_true", help="try them again")
        deed.add_argument("--discard", action="store_true", help="delete them; takes the ids of those")
        parser.add_argument("--json", action="store_true", help="one JSON object a letter; for a deed, the figures")

    def handle(self, *args: Any, ids: list[int], **options: Any) -> None:
        letters = DeadLetter.objects.order_by("pk")
        if ids:
            letters = letters.filter(pk__in=ids)
            if missing := set(ids) - set(letters.values_list("pk", flat=True)):
                raise CommandError(f"There is no dead letter {', '.join(map(str, sorted(missing)))}.")
        if options["retry"]:
            self._retry(letters, as_json=options["json"])
        elif options["discard"]:
            if not ids:
                raise CommandError("Say which to discard, by their ids.")
            self._tell({"discarded": letters.delete()[0]}, as_json=options["json"])
        else:
            for letter in letters:
                self._show(letter, as_json=options["json"])

    def _show(self, letter: DeadLetter, *, as_json: bool) -> None:
        if as_json:
            names = ("processor", "event_type", "event_id", "attempts", "error")
            shown = {"id": letter.pk} | {name: getattr(letter, name) for name in names}
            self.stdout.write(json.dumps(shown | {"failed_at": letter.failed_at.isoformat()}))
        else:
            about = f"{letter}  {letter.event_id}  attempts: {letter.attempts}"
            self.stdout.write(f"{letter.pk}  {letter.failed_at:%Y-%m-%d %H:%M:%S}  {about}\n{letter.error.strip()}\n")

    def _retry(self, letters: QuerySet[DeadLetter], *, as_json: bool) -> None:
        done = failed = 0
        with acting(origin="command"):
            for letter in letters:
                number = letter.pk
                try:
                    processors.retry(letter)
                    done += 1
                except Exception as problem:  # noqa: BLE001  # whatever it raises, the others go on
                    failed += 1
                    self.stderr.write(f"{number}: {problem}")
        self._tell({"done": done, "failed": failed}, as_json=as_json)
        if failed:
            raise SystemExit(1)

    def _tell(self, figures: dict[str, int], *, as_json: bool) -> None:
        self.stdout.write(
            json.dumps(figures) if as_json else ", ".join(f"{count} {what}" for what, count in figures.items())
        )
