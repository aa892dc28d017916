"""`manage.py realtime_rollout`: the roll-out of the unified WebSocket, step by step and back."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime import rollout
from realtime.actors import acting


class Command(BaseCommand):
    help = """Show or move the roll-out of the unified WebSocket. `rollback` takes everybody back within 5 s and locks;
    `resume` lifts the lock. A running roll-out goes on to the next stage by itself when the stage has held.

    Example: manage.py realtime_rollout start --percent 25 --reason "second week"

    Exit status 1 when the step cannot be made; `status` answers 1 while the roll-out is locked."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["status", *rollout.STEPS], help="what to do")
        parser.add_argument("--percent", type=float, help="of users; start and advance only (default: the next stage)")
        parser.add_argument("--reason", default="", help="kept in the log of events")
        parser.add_argument("--json", action="store_true", help="print the resulting state as JSON")

    def handle(self, *args: Any, action: str, percent: float | None, reason: str, **options: Any) -> None:
        if action != "status":
            try:
                with acting(origin="command"):
                    rollout.STEPS[action](percent, reason)
            except rollout.Refused as problem:
                raise CommandError(str(problem)) from None
        status = rollout.status()
        if options["json"]:
            self.stdout.write(json.dumps(status))
        else:
            self._show(status)
        if action == "status" and status["locked"]:
            raise SystemExit(1)

    def _show(self, status: dict[str, Any]) -> None:
        users, connections = status["users"], status["connections"]
        following = f"{status['next_percent']:g} %" if status["next_percent"] is not None else "none, it is complete"
        for name, value in (
            ("mode", status["mode"]),
            ("state", status["state"] + (f" ({status['reason']})" if status["reason"] else "")),
            ("percent", f"{status['percent']:g} %, next {following}"),
            ("stage held", f"{status['soaked_s']:.0f} s of {status['soak_s']:.0f} s"),
            ("users", f"{users['unified']} unified, {users['legacy']} old system"),
            ("connections", f"{connections['unified']} unified, {connections['legacy']} old system"),
        ):
            self.stdout.write(f"{name:>12}  {value}")
