"""`manage.py serve`: the whole site in one process tree."""

from __future__ import annotations

import ipaddress
import signal
import sys
from contextlib import ExitStack
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dnsadmin.keeper import NamedKeeper
from dnsadmin.server import server
from zones.nameserver.errors import NameServerError
from zones.nameserver.peers import listed
from zones.nameserver.private import PrivateNamed


class Command(BaseCommand):
    help = """Serve the site: pages, API and WebSocket, with the private name server unless an existing one is set.

    Example: DNSADMIN_PORT=8080 manage.py serve"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", default=settings.SITE.bind, help="address to listen on (DNSADMIN_BIND)")
        parser.add_argument("--port", type=int, default=settings.SITE.port, help="TCP port (DNSADMIN_PORT)")
        parser.add_argument(
            "--monitors", action="store_true", help="run the collectors in here with Redis, too: no run_monitors beside"
        )

    def handle(self, *args: Any, bind: str, port: int, monitors: bool, **options: Any) -> None:
        if settings.SITE.demo and not is_loopback(bind):
            raise CommandError(f"The demo has well-known accounts and listens on loopback only, not on {bind}.")
        # uvicorn repeats the signal that stopped it when it is done; this turns it into an ordinary, clean end.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
        with ExitStack() as running:
            if not settings.NAMED.host:
                try:
                    secondaries = listed(settings.NAMED.secondaries)
                except NameServerError as error:
                    raise CommandError(f"DNSADMIN_NAMED_SECONDARIES: {error}") from error
                named = PrivateNamed(
                    settings.DATA_DIR / "named",
                    port=settings.NAMED.port,
                    program=settings.NAMED.program,
                    secondaries=secondaries,
                )
                keeper = NamedKeeper(named)
                try:
                    keeper.start()
                except NameServerError as error:
                    raise CommandError(str(error)) from error
                running.callback(keeper.stop)
            from security import enforcement
            from zones import synchronizer

            synchronizer.start()
            running.callback(synchronizer.stop)
            enforcement.start()
            running.callback(enforcement.stop)
            self.stderr.write(f"dnsadmin on http://{bind}:{port}/")
            server(bind, port, settings.SITE.log_level, monitors=monitors or not settings.SITE.redis_url).run()


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach `address`."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
