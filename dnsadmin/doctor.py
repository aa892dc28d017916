"""What is wrong with how the site is set up, and what to do about it.

Each check is a function that returns a finding; all run, whatever the others find.
"""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import redis
from channels.layers import get_channel_layer
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.template.defaultfilters import pluralize
from django.utils import timezone

from dnsadmin import env
from realtime import export, log, rollout
from realtime.conf import conf
from realtime.models import DeadLetter, LogEvent, MetricSample, Presence, ProcessorCursor
from realtime.presence import FRESH_S

PATIENCE_S = 3.0
LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Host names of this machine."""
KILOBYTES_PER_CONNECTION = 60
"""What an idle connection takes of a process's memory; see `docs/explanation/capacity.md`."""


class Verdict(StrEnum):
    """How bad a finding is."""

    FINE = "fine"
    WARNING = "warning"
    BROKEN = "broken"


class Finding(msgspec.Struct, frozen=True):
    """What a check found, and what to do about it."""

    verdict: Verdict
    found: str
    advice: str = ""


Check = Callable[[], Finding]
CHECKS: list[Check] = []


def check(function: Check) -> Check:
    """Register a check; its name is the function's."""
    CHECKS.append(function)
    return function


def examine() -> Iterator[tuple[str, Finding]]:
    """Run all checks: the name of each, and what it found. One that fails is a finding itself."""
    for each in CHECKS:
        try:
            found = each()
        except Exception as problem:  # noqa: BLE001  # whatever it is, the person should know
            words = f"{type(problem).__name__}: {problem}".strip()[:300]
            found = Finding(Verdict.BROKEN, f"cannot be checked: {words}", "Mend what stands above first.")
        yield each.__name__, found


def fine(found: str) -> Finding:
    return Finding(Verdict.FINE, found)


# -- settings -------------------------------------------------------------------------------------------


@check
def environment() -> Finding:
    if unknown := env.unknown(os.environ):  # noqa: TID251  # misspelt names never become settings
        return Finding(Verdict.WARNING, f"unknown: {', '.join(unknown)}", "See docs/reference/settings.md.")
    return fine("every DNSADMIN_ variable is known")


@check
def safety() -> Finding:
    if settings.DEBUG:
        return Finding(Verdict.BROKEN, "DNSADMIN_DEBUG is on", "Turn it off: it shows settings to anybody.")
    if len(settings.SECRET_KEY) < 40:
        return Finding(Verdict.BROKEN, "the secret key is short", "Unset DNSADMIN_SECRET_KEY: one is made.")
    if settings.SITE.demo and settings.SITE.tls:
        return Finding(Verdict.BROKEN, "the demo is served to others", "Turn DNSADMIN_DEMO off.")
    return fine("no debug pages, a long key")


@check
def origins() -> Finding:
    if settings.SITE.tls and not [host for host in settings.ALLOWED_HOSTS if host not in LOCAL]:
        found = "DNSADMIN_TLS is on, but DNSADMIN_ALLOWED_HOSTS names this machine only"
        return Finding(Verdict.BROKEN, found, "Add the host name that people type.")
    wrong = [origin for origin in settings.SITE_ORIGINS if urlsplit(origin).scheme not in ("http", "https")]
    if wrong:
        return Finding(Verdict.BROKEN, f"not origins: {', '.join(wrong)}", "Write scheme://host[:port].")
    insecure = [origin for origin in settings.SITE_ORIGINS if settings.SITE.tls and origin.startswith("http:")]
    if insecure:
        return Finding(Verdict.WARNING, f"without TLS: {', '.join(insecure)}", "Use https:// in DNSADMIN_ORIGINS.")
    return fine(f"pages of {', '.join([*settings.OWN_ORIGINS, *settings.SITE_ORIGINS])} may connect")


@check
def generated_files() -> Finding:
    stale = [str(p) for p, text in export.files().items() if _differs(settings.BASE_DIR / p, text)]
    try:
        call_command("settings_reference", check=True)
    except CommandError:
        stale.append("docs/reference/settings.md")
    if stale:
        return Finding(Verdict.WARNING, f"not as the code says: {', '.join(stale)}", "Run manage.py realtime_export.")
    return fine("as the code says")


def _differs(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() != text


# -- database -------------------------------------------------------------------------------------------


@check
def database() -> Finding:
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    took_ms = (time.perf_counter() - started) * 1000
    plan = MigrationExecutor(connection).migration_plan(MigrationExecutor(connection).loader.graph.leaf_nodes())
    if plan:
        return Finding(Verdict.BROKEN, f"{len(plan)} migrations are not applied", "Run manage.py migrate.")
    if connection.vendor == "sqlite" and settings.SITE.redis_url:
        found = "SQLite together with Redis: several processes would wait for one writer"
        return Finding(Verdict.WARNING, found, "Use PostgreSQL (DNSADMIN_DATABASE_URL) for several processes.")
    return fine(f"{connection.vendor}, answers in {took_ms:.0f} ms")


@check
def clock() -> Finding:
    if connection.vendor != "postgresql":
        return fine("the database has no clock of its own")
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    if apart > 1:
        return Finding(Verdict.WARNING, f"{apart:.1f} s apart from the database's", "Run an NTP client on both.")
    return fine(f"{apart * 1000:.0f} ms apart from the database's")


@check
def log_of_events() -> Finding:
    waiting = LogEvent.objects.filter(position=None, timestamp__lt=timezone.now() - timedelta(seconds=10)).count()
    if waiting:
        return Finding(
            Verdict.BROKEN,
            f"{waiting} event{pluralize(waiting, ' waits,s wait')} for a position",
            "Is a web process running?",
        )
    head = log.head()
    behind = {
        c.name: head.position - c.position for c in ProcessorCursor.objects.all() if head.position - c.position > 1000
    }
    if behind:
        words = ", ".join(f"{processor} by {count}" for processor, count in behind.items())
        return Finding(Verdict.WARNING, f"processors are behind: {words}", "Look at the log of the web processes.")
    if letters := DeadLetter.objects.count():
        return Finding(
            Verdict.WARNING,
            f"{letters} dead letter{pluralize(letters)}",
            "Retry them: /admin/ or realtime_dead_letters",
        )
    return fine(f"at {head.epoch}:{head.position}, nothing waits")


@check
def presence() -> Finding:
    old = Presence.objects.filter(last_seen__lt=timezone.now() - timedelta(seconds=2 * FRESH_S)).count()
    if old:
        return Finding(
            Verdict.WARNING,
            f"{old} row{pluralize(old)} of connections that are gone",
            "A running web process clears them.",
        )
    present = Presence.objects.count()
    return fine(f"{present} connection{pluralize(present)}")


# -- channel layer -------------------------------------------------------------------------------------------


@check
def channel_layer() -> Finding:
    if not settings.SITE.redis_url:
        lately = timezone.now() - timedelta(seconds=90)
        if MetricSample.objects.filter(taken_at__gte=lately).values("node").distinct().count() > 1:
            found = "several web processes without Redis: each hears of the others a second late"
            return Finding(Verdict.WARNING, found, "Set DNSADMIN_REDIS_URL.")
        return fine("in-process, which is right for one web process")
    took_s = asyncio.run(_round_trip())
    return fine(f"Redis, a round trip takes {took_s * 1000:.0f} ms")


async def _round_trip() -> float:
    layer = get_channel_layer()
    group, channel = f"doctor.{secrets.token_hex(4)}", await layer.new_channel()
    await layer.group_add(group, channel)
    await asyncio.sleep(0.1)
    started = time.perf_counter()
    await layer.group_send(group, {"type": "doctor"})
    await asyncio.wait_for(layer.receive(channel), PATIENCE_S)
    return time.perf_counter() - started


@check
def redis_server() -> Finding:
    if not settings.SITE.redis_url:
        return fine("not used")
    client = redis.Redis.from_url(settings.SITE.redis_url, socket_timeout=PATIENCE_S)
    info = client.info()
    assert isinstance(info, dict)
    if int(str(info["redis_version"]).split(".")[0]) < 5:
        return Finding(Verdict.BROKEN, f"Redis {info['redis_version']}", "Use Redis 5 or newer.")
    hosts = settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"]
    if version("redis").split(".")[0] >= "8" and hosts[0].get("socket_timeout", 0) is not None:
        found = "redis-py 8 gives idle subscribers up after 5 s"
        return Finding(Verdict.BROKEN, found, "Set socket_timeout to None on the layer's hosts.")
    limits = client.config_get("client-output-buffer-limit")
    assert isinstance(limits, dict)
    return fine(f"Redis {info['redis_version']}, buffers {limits.get('client-output-buffer-limit', '')}")


# -- the running site -------------------------------------------------------------------------------------------


@check
def capacity() -> Finding:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    wanted = conf().connections
    if files < wanted + 200:
        found = f"{files} open files allowed, but {wanted} connections"
        return Finding(Verdict.WARNING, found, "Raise LimitNOFILE, or lower DNSADMIN_REALTIME_CONNECTIONS.")
    return fine(f"{files} open files, room for {wanted} connections ({wanted * KILOBYTES_PER_CONNECTION // 1024} MB)")


@check
def running_site() -> Finding:
    base = f"http://{settings.SITE.bind}:{settings.SITE.port}"
    bad = []
    for endpoint in ("live", "ready", "realtime"):
        request = urllib.request.Request(f"{base}/health/{endpoint}", headers={"X-Forwarded-Proto": "https"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S):  # noqa: S310  # the site's own address
                pass
        except urllib.error.HTTPError as problem:
            bad.append(f"/health/{endpoint}: {problem.read(500).decode(errors='replace')}")
        except OSError as problem:
            return Finding(Verdict.WARNING, f"nothing answers at {base}: {problem}", "Start it: manage.py serve.")
    if bad:
        return Finding(Verdict.BROKEN, "; ".join(bad), "`why` in the answer says what fails.")
    return fine(f"{base} is live, ready, and events get through")


@check
def roll_out() -> Finding:
    status = rollout.status()
    if status["locked"]:
        advice = "Read the reason, then run manage.py realtime_rollout resume."
        return Finding(Verdict.WARNING, f"rolled back: {status['reason']}", advice)
    return fine(f"{status['percent']:g} % of the users are on the one connection")
