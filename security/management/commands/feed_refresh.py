"""`manage.py feed_refresh`: fetch threat feeds now."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q
from django.template.defaultfilters import pluralize
from rich.console import Console
from rich.markup import escape

from realtime.actors import acting
from realtime.plain import plain
from security.events import FeedData
from security.feeds.refresh import due, refresh
from security.models import Feed, FeedState, Mode


class Command(BaseCommand):
    help = """Fetch threat feeds and put their entries in force. A feed that is broken, empty, or has lost more than a fifth
    of its entries is refused, and its entries of before stay in force.

    Exit code 0: all are current. 1: some were refused. 2: some are being fetched by another process.

    Example: manage.py feed_refresh "Malware domains" --accept"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("feeds", nargs="*", metavar="feed", help="names or ids of feeds; all that are on when none")
        parser.add_argument("--due", action="store_true", help="only those whose time has come")
        parser.add_argument("--accept", action="store_true", help="take them even though they shrank")
        parser.add_argument("--json", action="store_true", help="print the results as JSON")

    def handle(self, *args: Any, feeds: list[str], due: bool, accept: bool, json: bool, **options: Any) -> None:
        chosen = _chosen(feeds, only_due=due)
        console = Console(stderr=True, quiet=json or not sys.stderr.isatty())
        results: list[FeedData] = []
        busy = 0
        with acting(origin="command"), console.status("feeds") as status:
            for feed in chosen:

                def tell(step: str, name: str = feed.policy.name) -> None:
                    status.update(f"{escape(plain(name))}: {step}")

                done = refresh(feed.pk, accept=accept, progress=tell)
                if done is None:
                    busy += 1
                    self.stderr.write(f"{plain(feed.policy.name)}: another process is at it")
                    continue
                results.append(FeedData.of(done))
                if not json:
                    self.stdout.write(_line(done))
        if json:
            self.stdout.write(msgspec.json.format(msgspec.json.encode(results)).decode())
        refused = any(result.state == FeedState.FAILED for result in results)
        sys.exit(1 if refused else 2 if busy else 0)


def _chosen(names: list[str], *, only_due: bool) -> list[Feed]:
    feeds = Feed.objects.select_related("policy")
    if only_due:
        feeds = feeds.filter(pk__in=due())
    if not names:
        return list(feeds.exclude(policy__mode=Mode.OFF))
    found = []
    for name in names:
        by_id = Q(pk=int(name)) if name.isascii() and name.isdigit() and len(name) < 19 else Q()
        feed = feeds.filter(by_id | Q(policy__name=name) if by_id else Q(policy__name=name)).first()
        if feed is None:
            raise CommandError(f"there is no feed {name!r}" + (" that is due" if only_due else ""))
        found.append(feed)
    return found


def _line(feed: Feed) -> str:
    return plain(_said(feed))


def _said(feed: Feed) -> str:
    entries = f"{feed.entries} entr{pluralize(feed.entries, 'y,ies')}"
    if feed.state == FeedState.FAILED:
        return f"{feed.policy.name}: refused, {feed.error}; still in force: {entries}"
    notes = [
        f"{feed.bad} line{pluralize(feed.bad)} not read" if feed.bad else "",
        f"{feed.guarded} held back" if feed.guarded else "",
    ]
    extra = "".join(f", {note}" for note in notes if note)
    return f"{feed.policy.name}: {entries}{extra}"
