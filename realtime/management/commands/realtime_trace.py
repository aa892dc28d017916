"""`manage.py realtime_trace`: the way of one event, hop by hop."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework_simplejwt.tokens import AccessToken
from rich.console import Console
from rich.table import Table

from realtime.client import Client, Refused
from realtime.client import CommandError as Answered


class Command(BaseCommand):
    help = """Show what became of an event of the last hour: when it was committed and numbered, how each process heard of it,
    who got it when, and who did not and why. Asks the running site.

    Example: manage.py realtime_trace 019ac1d2-7e0b-7c3a-9d54-0242ac120002"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("event_id", help="id of the event, as in its envelope and in the admin's event log")
        parser.add_argument("--url", help="of the WebSocket (default: the site's own)")
        parser.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *args: Any, event_id: str, url: str | None, **options: Any) -> None:
        user = get_user_model().objects.filter(is_active=True, is_superuser=True).first()
        if user is None:
            raise CommandError("There is no administrator on whose behalf to ask.")
        address = url or f"ws://{settings.SITE.bind}:{settings.SITE.port}/ws/"
        token = str(AccessToken.for_user(user))
        try:
            traced = asyncio.run(ask(address, token, event_id))
        except (OSError, Refused) as problem:
            raise CommandError(f"The site at {address} does not answer: {problem}") from None
        except Answered as problem:
            raise CommandError(problem.frame["message"]) from None
        if options["json"]:
            self.stdout.write(json.dumps(traced))
        else:
            console = Console(highlight=False)
            with console.capture() as shown:
                show(traced, console)
            self.stdout.write(shown.get())


async def ask(url: str, token: str, event_id: str) -> dict[str, Any]:
    async with Client(url, token=token, name="trace", reconnect=False) as client:
        return await client.command("trace", event_id=event_id)


def show(traced: dict[str, Any], console: Console) -> None:
    """Print a trace for people."""
    who = traced["source_user"] or "the system"
    console.print(f"{traced['event_type']} by {who} ({traced['origin']}), position {traced['position']}")
    console.print(f"committed  {traced['committed_at']}")
    for hop in traced["hops"]:
        console.print(f"heard      {hop['heard_at'] or 'not remembered'}  by {hop['heard_by'] or '–'}  {hop['node']}")
    table = Table("user", "client", "sent at", "by", box=None, title=f"{len(traced['recipients'])} got it")
    for one in traced["recipients"]:
        table.add_row(one["user"]["username"], one["client"], one["sent_at"] or "longer ago than is kept", one["by"])
    console.print(table)
    table = Table("user", "client", "why not", box=None, title=f"{len(traced['others'])} did not")
    for one in traced["others"]:
        table.add_row(one["user"]["username"], one.get("client", "–"), one["reason"])
    console.print(table)
