"""A feed brought up to date: fetched, compiled, written, read by `named`; or refused, and then all stays as it was.

The new policy zone is put in the place of the old in one step, after everything about it was looked at. Should `named` not
take it all the same, the old one is put back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
from django.db import transaction
from django.template.defaultfilters import pluralize
from django.utils import timezone

from realtime import alerts
from realtime.broadcasting import emit
from realtime.events import EventSeverity, EventType
from realtime.outbound import OutboundError
from security import configuration
from security.events import FeedData, FeedEvent, PolicyData, PolicyUpdate
from security.feeds.compiler import Job, Outcome
from security.feeds.download import Download, download
from security.feeds.entries import directory, entries_file
from security.guards import own_names
from security.in_force import Watch
from security.models import Feed, FeedState, Mode, Policy
from zones.leases import lease
from zones.models import SyncState
from zones.nameserver.endpoint import Endpoint, endpoint
from zones.nameserver.errors import NOT_FOUND, CommandFailed, NameServerError
from zones.nameserver.rndc import Rndc
from zones.transfer_keys import known

COMPILES_WITHIN_S = 120.0
TAKEN_IN_WITHIN_S = 120.0
MOST_SHRINKAGE = 0.2
"""A feed that loses more than this part of its entries at once is more likely broken than cured."""
RETRY_S = (60, 300, 900, 3600)
"""Waits after failures in a row; never longer than the feed's own interval."""

_PROBLEMS = {
    "empty": "it has no entries",
    "binary": "it is no text",
    "unreadable": "most of its lines are not of its format",
    "too_many": "it has more entries than are taken",
}


class FeedRefused(Exception):
    """A refresh that was not carried out. code: stable; message: plain words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def refresh(pk: int, *, accept: bool = False, progress: Callable[[str], None] = lambda step: None) -> Feed | None:
    """Bring one feed up to date; returns it as it is then, or `None` when another process is at it.

    accept: take it even though it shrank. progress: told each step, in words. What goes wrong is written down and announced,
    not raised; the entries of before stay in force.
    """
    with lease(Feed, pk) as feed:
        if feed is None:
            return None
        Feed.objects.filter(pk=pk).update(state=FeedState.REFRESHING)
        try:
            with tempfile.TemporaryDirectory(dir=directory(), prefix=f".{pk}-") as place:
                _refresh(feed, Path(place), accept=accept, progress=progress)
        except (OutboundError, FeedRefused, NameServerError) as error:
            _record_failure(feed, error.code, error.message)
        except BaseException:
            Feed.objects.filter(pk=pk).update(state=FeedState.FAILED, error="the site could not do it: see its log")
            raise
        return Feed.objects.select_related("policy").get(pk=pk)


def due() -> list[int]:
    """The feeds whose time has come, the longest waiting first."""
    now = timezone.now()
    waiting = Feed.objects.exclude(policy__mode=Mode.OFF).exclude(lease_until__gt=now)
    return list(
        (waiting.filter(next_at=None) | waiting.filter(next_at__lte=now))
        .order_by("next_at")
        .values_list("pk", flat=True)
    )


def _refresh(feed: Feed, place: Path, *, accept: bool, progress: Callable[[str], None]) -> None:
    where = endpoint()
    zone = next(zone for zone in configuration.zones_of([feed.policy]) if zone.name == feed.policy.zone)
    source, new_zone, new_entries = place / "source", place / "zone", place / "entries"
    there = entries_file(feed.pk).exists() and zone.file(where).exists()
    progress("fetching")
    got = asyncio.run(
        download(
            feed.url,
            source,
            etag=feed.etag if there else "",
            last_modified=feed.last_modified if there else "",
            allow_private=feed.allow_private,
            key=known(feed.key),
        )
    )
    if there and (not got.changed or (got.digest == feed.source_digest and not accept)):
        _record_unchanged(feed, got)
        return
    progress("compiling")
    outcome = _compile(
        Job(
            source=str(source),
            zone=str(new_zone),
            entries=str(new_entries),
            previous=str(entries_file(feed.pk)),
            format="rpz" if got.origin else feed.format,
            column=feed.column,
            subdomains=feed.subdomains,
            own=own_names(),
            origin=got.origin,
            serial=(feed.policy.serial or 1) + 1,
            longest=250 - len(feed.policy.zone),
        )
    )
    _refuse_unless_sound(feed, outcome, accept=accept)
    if there and outcome.digest == feed.digest:
        _record_unchanged(feed, got)
        return
    progress("loading")
    took_in = _put_in_force(where, zone, new_zone)
    new_entries.replace(entries_file(feed.pk))
    _record_current(feed, got, outcome, took_in=took_in)


def _compile(job: Job) -> Outcome:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "security.feeds.compiler"],
            input=msgspec.json.encode(job),
            capture_output=True,
            timeout=COMPILES_WITHIN_S,
            check=False,
            cwd=Path(__file__).resolve().parent.parent.parent,
        )
    except subprocess.TimeoutExpired as error:
        raise FeedRefused("too_slow", f"reading it takes longer than {COMPILES_WITHIN_S:g} s") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise FeedRefused("unreadable", f"it could not be read: {said[-1][:200] if said else 'the program ended'}")
    return msgspec.json.decode(done.stdout, type=Outcome)


def _refuse_unless_sound(feed: Feed, outcome: Outcome, *, accept: bool) -> None:
    if outcome.problem:
        samples = f", such as {outcome.bad_samples[0]!r}" if outcome.bad_samples else ""
        raise FeedRefused(outcome.problem, f"{_PROBLEMS[outcome.problem]}{samples}")
    if not accept and outcome.before and outcome.entries < outcome.before * (1 - MOST_SHRINKAGE):
        raise FeedRefused(
            "shrank",
            f"it has {outcome.entries} entr{pluralize(outcome.entries, 'y,ies')} instead of {outcome.before}; "
            "if that is right, accept it once",
        )


def _put_in_force(where: Endpoint, zone: configuration.PolicyZone, new: Path) -> bool | None:
    """Put the zone in the place of the old and wait until `named` acts by it; put the old one back if it does not take it.

    A server that does not know the zone yet reads it when it is told of it (`security.serving`).
    """
    file = zone.file(where)
    old = file.with_suffix(".old")
    arriving = file.with_suffix(".new")
    _copy(new, arriving)
    old.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.link(file, old)
    arriving.replace(file)
    watch = Watch(where)
    try:
        Rndc(where, timeout_s=60.0).call(f'reload "{zone.name}"')
        if not zone.listed:
            return None
        took_in = watch.wait([zone.name], timeout_s=TAKEN_IN_WITHIN_S)
    except CommandFailed as error:
        if error.result == NOT_FOUND:
            return None
        _put_back(where, zone, old)
        raise FeedRefused("not_taken", f"the name server does not take it: {error.reason}") from error
    except TimeoutError as error:
        _put_back(where, zone, old)
        raise FeedRefused("not_taken", str(error)) from error
    if took_in is False:
        _put_back(where, zone, old)
        raise FeedRefused("not_taken", "the name server does not take it: see its log")
    old.unlink(missing_ok=True)
    return took_in


def _copy(new: Path, arriving: Path) -> None:
    """Next to the place where it goes, so that it gets there in one step; readable for the server."""
    arriving.unlink(missing_ok=True)
    try:
        os.link(new, arriving)
    except OSError:  # another file system
        arriving.write_bytes(new.read_bytes())
    arriving.chmod(0o644)


def _put_back(where: Endpoint, zone: configuration.PolicyZone, old: Path) -> None:
    if old.exists():
        old.replace(zone.file(where))
        with contextlib.suppress(NameServerError):
            Rndc(where, timeout_s=60.0).call(f'reload "{zone.name}"')


# -- what came of it --------------------------------------------------------------------------------------------------------


def _record_unchanged(feed: Feed, got: Download) -> None:
    with transaction.atomic():
        was_failing = feed.state == FeedState.FAILED or bool(feed.error)
        _write(feed, state=FeedState.CURRENT, error="", error_code="", failures=0, next_in_s=feed.interval_s)
        Feed.objects.filter(pk=feed.pk).update(
            etag=got.etag, last_modified=got.last_modified, **({"source_digest": got.digest} if got.digest else {})
        )
        if was_failing:
            emit(EventType.THREAT_FEED_UPDATE, FeedEvent(feed=FeedData.of(_anew(feed)), changed=False))
            alerts.resolve(feed.alert_key, reason="The feed can be fetched again.")


def _record_current(feed: Feed, got: Download, outcome: Outcome, *, took_in: bool | None) -> None:
    now = timezone.now()
    with transaction.atomic():
        _write(feed, state=FeedState.CURRENT, error="", error_code="", failures=0, next_in_s=feed.interval_s)
        Feed.objects.filter(pk=feed.pk).update(
            changed_at=now,
            etag=got.etag,
            last_modified=got.last_modified,
            source_digest=got.digest,
            digest=outcome.digest,
            entries=outcome.entries,
            bad=outcome.bad,
            skipped=outcome.skipped,
            guarded=outcome.guarded,
            added=outcome.added,
            removed=outcome.removed,
            samples={
                "bad": outcome.bad_samples,
                "guarded": outcome.guarded_samples,
                "added": outcome.added_samples,
                "removed": outcome.removed_samples,
            },
        )
        serial = (feed.policy.serial or 1) + 1
        Policy.objects.filter(pk=feed.policy_id).update(
            serial=serial, sync_state=SyncState.SERVED, sync_error="", synced_at=now
        )
        feed = _anew(feed)
        emit(
            EventType.THREAT_FEED_UPDATE,
            FeedEvent(
                feed=FeedData.of(feed),
                changed=True,
                added=outcome.added,
                removed=outcome.removed,
                added_samples=outcome.added_samples,
                removed_samples=outcome.removed_samples,
            ),
        )
        what = "in_force" if took_in else "accepted"
        emit(
            EventType.RPZ_UPDATE,
            PolicyUpdate(policy=PolicyData.of(feed.policy), what=what, count=outcome.entries),
        )
        alerts.resolve(feed.alert_key, reason="The feed is up to date again.")


def _record_failure(feed: Feed, code: str, message: str) -> None:
    wait_s = min(RETRY_S[min(feed.failures, len(RETRY_S) - 1)], feed.interval_s)
    said = f"{message[:1].upper()}{message[1:]}"
    with transaction.atomic():
        _write(
            feed, state=FeedState.FAILED, error=message, error_code=code, failures=feed.failures + 1, next_in_s=wait_s
        )
        if (feed.error_code, feed.error) != (code, message):
            told = FeedEvent(feed=FeedData.of(_anew(feed)), changed=False)
            emit(EventType.THREAT_FEED_FAILED, told, severity=EventSeverity.WARNING)
        alerts.raise_alert(
            key=feed.alert_key,
            event_type=EventType.SECURITY_ALERT,
            severity=EventSeverity.WARNING,
            title=f"The feed “{feed.policy.name}” was not refreshed",
            detail=f"{said}. What it brought before, {feed.entries} entr{pluralize(feed.entries, 'y,ies')}, stays in force.",
            evidence={"feed": feed.pk, "code": code, "url": feed.url, "failures": feed.failures + 1},
        )


def _write(feed: Feed, *, state: str, error: str, error_code: str, failures: int, next_in_s: float) -> None:
    now = timezone.now()
    Feed.objects.filter(pk=feed.pk).update(
        state=state,
        error=error[:2000],
        error_code=error_code,
        failures=failures,
        checked_at=now,
        next_at=now + timedelta(seconds=next_in_s),
    )


def _anew(feed: Feed) -> Feed:
    return Feed.objects.select_related("policy").get(pk=feed.pk)
