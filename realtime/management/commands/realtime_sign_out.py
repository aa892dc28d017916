"""`manage.py realtime_sign_out`: end every session of somebody whose account may be in other hands."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.actors import acting
from realtime.sessions import sign_out_everywhere


class Command(BaseCommand):
    help = (
        "Sign somebody out everywhere: the sessions of all browsers, every token that was given out, and their sockets on"
        " every process, within seconds. The account stays as it is. Example: manage.py realtime_sign_out olivia"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="whose sessions end")
        parser.add_argument("--json", action="store_true", help="print figures as JSON")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = get_user_model().objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username}.")
        with acting(origin="command"):
            ended = sign_out_everywhere(user, "signed out everywhere by an administrator")
        if options["json"]:
            self.stdout.write(json.dumps({"username": username, "sessions": ended}))
        else:
            self.stdout.write(f"{username} is signed out: {ended} sessions of browsers, and every token.")
