"""`manage.py realtime_tail`: the events as they happen, in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework_simplejwt.tokens import AccessToken
from rich.console import Console
from rich.text import Text

from realtime import log
from realtime.client import Client, Missed, Refused
from realtime.client import CommandError as CommandRefused
from realtime.plain import plain

SILENT_AFTER_S = 3.0
STYLES = {"critical": "bold white on red", "high": "bold", "normal": "", "low": "dim"}


class Command(BaseCommand):
    help = """Follow the events as a user sees them. Goes on across restarts of the site; end it with Ctrl-C.

    Example: manage.py realtime_tail --user olivia --zone example.com 'record_*'"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("event_types", nargs="*", default=["*"], help="event types or patterns (default: all)")
        parser.add_argument("--user", help="see what this user sees (default: the first administrator)")
        parser.add_argument("--zone", action="append", help="only events about this zone; may be repeated")
        parser.add_argument("--since", help="begin after this position (<epoch>:<position>)")
        parser.add_argument("--count", type=int, help="end after so many events")
        parser.add_argument("--url", help="of the WebSocket (default: the site's own)")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        user = viewer(options["user"])
        if options["since"]:
            try:
                log.Position.parse(options["since"])
            except ValueError as error:
                raise CommandError(str(error)) from error
        url = options["url"] or f"ws://{settings.SITE.bind}:{settings.SITE.port}/ws/"

        async def token() -> str:
            return str(AccessToken.for_user(user))

        client = Client(url, token=token, name=f"tail-{os.getpid()}")  # several may follow as one user
        with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
            asyncio.run(self._follow(client, options))

    async def _follow(self, client: Client, options: dict[str, Any]) -> None:
        console = Console(highlight=False)
        shown = 0
        silent = asyncio.get_running_loop().call_later(
            SILENT_AFTER_S, self.stderr.write, f"Nobody answers at {client.url} yet; trying until somebody does."
        )
        try:
            async with client:
                silent.cancel()
                await client.unsubscribe("*")
                answer = await client.subscribe(*options["event_types"], zones=options["zone"] or [])
                for rejected in answer["rejected"]:
                    self.stderr.write(f"{rejected['event_type']}: {rejected['code']}")
                if options["since"]:
                    await client.resume(options["since"])
                async for event in client.events():
                    if options["json"]:
                        sys.stdout.write(json.dumps(event) + "\n")
                        sys.stdout.flush()
                    else:
                        console.print(line(event), soft_wrap=True)  # one event a line, however wide it is read
                    shown += 1
                    if shown == options["count"]:
                        return
        except (Refused, CommandRefused, OSError) as error:
            raise CommandError(str(error)) from error
        except Missed as error:
            raise CommandError(f"Events may be missing before this: {error}.") from error


def viewer(username: str | None) -> Any:
    """The active user of that name, or without one the first administrator. Raises `CommandError`."""
    users = get_user_model().objects.filter(is_active=True)
    user = users.filter(username=username).first() if username else users.filter(is_superuser=True).first()
    if user is None:
        raise CommandError(f"There is no active user {username}." if username else "There is no administrator.")
    return user


def line(event: dict[str, Any]) -> Text:
    """An event as one line. Control characters of foreign data are shown as escapes, never sent to the terminal."""
    who = (event.get("source_user") or {}).get("username", "–")
    data = event["data"]
    what = " ".join(
        f"{change['field']}: {change['old']} → {change['new']}"
        for change in data.get("changes") or []
        if "field" in change
    )
    record = data.get("record")
    about = f"{record['name']} {record['type']} {record['content']}" if isinstance(record, dict) else ""
    about = about or data.get("title") or ""
    text = Text()
    text.append(f"{event['timestamp'][11:23]} ", style="dim")
    text.append(f"{event['event_type']:<24} ", style=STYLES.get(event["priority"], ""))
    text.append(f"{who:<12} ", style="cyan")
    text.append(plain(f"{data.get('zone') or ''} {about} {what}".strip() or json.dumps(data)))
    return text
