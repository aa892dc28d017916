"""Watches over all zones, in a thread of each web process: what waits is pushed, what drifts is found.

Any number of processes may run one; a lease on the zone's row lets one of them at it. A zone that is stuck holds up no
other: each push runs in a thread of its own, a few at a time, and none waits for the server without a limit.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import dns.name
import dns.rdatatype
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from realtime.events import EventType
from zones import pushing, standing
from zones.lookout import SOON_S, Lookout, Post
from zones.models import SyncState, Zone, ZoneKind
from zones.nameserver.endpoint import endpoint
from zones.nameserver.errors import NameServerError, Unreachable
from zones.nameserver.exchange import Exchange
from zones.nameserver.statistics import serials

logger = logging.getLogger(__name__)

DRIFT_EVERY_S = 10.0
FOLLOW_EVERY_S = 2.0
"""Seconds between two looks for changes of zones that are changed at the server."""
THREADS = 4
IDLE_S = 10.0
"""A thread without work for so long lets go of its database connection."""

_FOLLOWED = Q(kind=ZoneKind.SECONDARY) | Q(watched=True)
_Job = tuple[int, Callable[[int], object]]


class Synchronizer(Lookout):
    """The supervising thread, and a few that push."""

    def __init__(self) -> None:
        super().__init__("synchronizer")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._busy: set[int] = set()
        self._suspects: list[int] = []
        self._server_down = False
        self._drift_looked_at = self._followed_at = float("-inf")
        self._pushers = [threading.Thread(target=self._work, name=f"pusher-{n}", daemon=True) for n in range(THREADS)]

    def start(self) -> None:
        super().start()
        for pusher in self._pushers:
            pusher.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End soon. A push that hangs is left behind: it is done again, by whoever comes next."""
        deadline = time.monotonic() + timeout_s
        for _ in self._pushers:
            self._jobs.put(None)
        super().stop(timeout_s)
        for pusher in self._pushers:
            pusher.join(max(0.0, deadline - time.monotonic()))

    def look(self) -> float:
        something_waits = waiting().exists()
        if something_waits:
            self._push_what_is_due()
        now = time.monotonic()
        if not self._suspects and now - self._drift_looked_at >= DRIFT_EVERY_S:
            self._suspects = drifting() + secondaries()
            self._drift_looked_at = self._followed_at = now
        follows = Zone.objects.living().filter(_FOLLOWED).exists()
        if follows and not self._suspects and now - self._followed_at >= FOLLOW_EVERY_S:
            self._suspects = followed()
            self._followed_at = now
        while self._suspects and len(self._busy) < THREADS:
            if (pk := self._suspects.pop()) not in self._busy:
                self._begin(pk, pushing.examine)
        if something_waits or self._suspects:
            return SOON_S
        return FOLLOW_EVERY_S if follows else DRIFT_EVERY_S

    def _push_what_is_due(self) -> None:
        for pk, attempts in due(besides=list(self._busy), limit=THREADS - len(self._busy)):
            # While the server is down, one question a second stands for all zones; new changes still find out why.
            if attempts and self._server_down and not self._answers():
                break
            self._begin(pk, self._push)

    def _begin(self, pk: int, job: Callable[[int], object]) -> None:
        self._busy.add(pk)
        self._jobs.put((pk, job))

    def _work(self) -> None:
        idle_s: float | None = IDLE_S
        while True:
            try:
                job = self._jobs.get(timeout=idle_s)
            except queue.Empty:
                connection.close()
                idle_s = None
                continue
            if job is None:
                break
            idle_s = IDLE_S
            self._run(*job)
        connection.close()

    def _run(self, pk: int, job: Callable[[int], object]) -> None:
        try:
            job(pk)
        except NameServerError as error:
            logger.info("zone %s could not be compared: %s", pk, error)
        except Exception:
            logger.exception("zone %s could not be pushed", pk)
            connection.close()
            Zone.objects.filter(pk=pk).update(retry_at=timezone.now() + timedelta(seconds=standing.RETRY_S[-1]))
        finally:
            self._busy.discard(pk)
            self.wake()

    def _push(self, pk: int) -> None:
        self._server_down = isinstance(pushing.push(pk), Unreachable)

    def _answers(self) -> bool:
        try:
            with Exchange(endpoint(), timeout_s=1.0) as exchange:
                exchange.lookup(dns.name.root, dns.rdatatype.SOA)
        except Unreachable:
            return False
        except NameServerError:
            pass  # an answer, if not a good one
        self._server_down = False
        return True


def waiting() -> QuerySet[Zone]:
    """Zones that are to be pushed now or later."""
    return Zone.objects.filter(Q(sync_state=SyncState.PENDING) | Q(sync_state=SyncState.FAILED, retry_at__isnull=False))


def due(*, besides: list[int], limit: int) -> list[tuple[int, int]]:
    """Zones to push now, longest wait first: primary key, and failures so far. A name that is used again waits until the
    zone that had it before has left the server."""
    now = timezone.now()
    predecessor = Zone.objects.filter(name=OuterRef("name"), deleted_at__isnull=False, hosted=True)
    rows = (
        waiting()
        .filter(Q(retry_at=None) | Q(retry_at__lte=now), _free())
        .exclude(pk__in=besides)
        .exclude(Exists(predecessor), deleted_at=None)
        .order_by("attempts", "retry_at", "pk")
    )
    return list(rows.values_list("pk", "attempts")[: max(0, limit)])


def drifting() -> list[int]:
    """Zones that should be in step, and whose serial at the server is not the one that we know, or that it does not have.
    Empty when it cannot be told, because the server does not answer."""
    return _out_of_step(Q(kind=ZoneKind.PRIMARY, watched=False))


def followed() -> list[int]:
    """Zones that are changed at the server, and have been."""
    return _out_of_step(_FOLLOWED)


def secondaries() -> list[int]:
    """All secondary zones: how a copy stands beside its primaries changes by itself."""
    zones = Zone.objects.living().filter(_free(), kind=ZoneKind.SECONDARY, hosted=True)
    return list(zones.values_list("pk", flat=True))


def _free() -> Q:
    """Nobody has the zone to himself now."""
    return Q(lease_until=None) | Q(lease_until__lt=timezone.now())


def _out_of_step(which: Q) -> list[int]:
    zones = Zone.objects.living().filter(_free(), which, hosted=True, sync_state=SyncState.SERVED)
    known = list(zones.values_list("pk", "name", "serial"))
    if not known:
        return []
    try:
        served = serials(endpoint(), [name for _, name, _ in known])
    except NameServerError as error:
        logger.debug("no look for drift: %s", error)
        return []
    return [pk for pk, name, serial in known if served.get(name) != serial]


post = Post(
    Synchronizer,
    EventType.ZONE_CREATED,
    EventType.ZONE_UPDATED,
    EventType.ZONE_DELETED,
    EventType.CHANGE_SET_APPLIED,
    EventType.CHANGE_SET_REVERTED,
)
start, stop, wake_on_commit = post.start, post.stop, post.wake_on_commit
