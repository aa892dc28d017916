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
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from zones import pushing, standing
from zones.models import SyncState, Zone, ZoneKind
from zones.nameserver.endpoint import endpoint
from zones.nameserver.errors import NameServerError, Unreachable
from zones.nameserver.exchange import Exchange
from zones.nameserver.statistics import serials

logger = logging.getLogger(__name__)

TICK_S = 1.0
"""Seconds between two looks at the database without being woken: for changes that other processes made, and retries."""
DRIFT_EVERY_S = 10.0
FOLLOW_EVERY_S = 2.0
"""Seconds between two looks for changes of zones that are changed at the server."""
THREADS = 4
IDLE_S = 10.0
"""A thread without work for so long lets go of its database connection."""

_Job = tuple[int, Callable[[int], object]]


class Synchronizer:
    """The supervising thread, and a few that push."""

    def __init__(self) -> None:
        self._awake = threading.Event()
        self._ending = threading.Event()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._busy: set[int] = set()
        self._suspects: list[int] = []
        self._server_down = False
        self._drift_looked_at = self._followed_at = float("-inf")
        self._threads = [
            threading.Thread(target=self._watch, name="synchronizer", daemon=True),
            *(threading.Thread(target=self._work, name=f"pusher-{n}", daemon=True) for n in range(THREADS)),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look now."""
        self._awake.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End soon. A push that hangs is left behind: it is done again, by whoever comes next."""
        deadline = time.monotonic() + timeout_s
        self._ending.set()
        self._awake.set()
        for _ in range(THREADS):
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _watch(self) -> None:
        while not self._ending.is_set():
            try:
                self._look()
            except Exception:
                logger.exception("the synchronizer could not look what waits")
                connection.close()
            self._awake.wait(TICK_S)
            self._awake.clear()
        connection.close()

    def _look(self) -> None:
        for pk, attempts in due(besides=list(self._busy), limit=THREADS - len(self._busy)):
            # While the server is down, one question a second stands for all zones; new changes still find out why.
            if attempts and self._server_down and not self._answers():
                break
            self._begin(pk, self._push)
        if not self._suspects and time.monotonic() - self._drift_looked_at >= DRIFT_EVERY_S:
            self._suspects = drifting() + secondaries()
            self._drift_looked_at = self._followed_at = time.monotonic()
        if not self._suspects and time.monotonic() - self._followed_at >= FOLLOW_EVERY_S:
            self._suspects = followed()
            self._followed_at = time.monotonic()
        while self._suspects and len(self._busy) < THREADS:
            if (pk := self._suspects.pop()) not in self._busy:
                self._begin(pk, pushing.examine)

    def _begin(self, pk: int, job: Callable[[int], object]) -> None:
        self._busy.add(pk)
        self._jobs.put((pk, job))

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                job = self._jobs.get(timeout=IDLE_S)
            except queue.Empty:
                connection.close()
                continue
            if job is not None:
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
            self._awake.set()

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


def due(*, besides: list[int], limit: int) -> list[tuple[int, int]]:
    """Zones to push now, longest wait first: primary key, and failures so far. A name that is used again waits until the
    zone that had it before has left the server."""
    now = timezone.now()
    predecessor = Zone.objects.filter(name=OuterRef("name"), deleted_at__isnull=False, hosted=True)
    waiting = Q(sync_state=SyncState.PENDING, retry_at=None) | Q(
        sync_state__in=(SyncState.PENDING, SyncState.FAILED), retry_at__lte=now
    )
    rows = (
        Zone.objects.filter(waiting, _free())
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
    return _out_of_step(Q(kind=ZoneKind.SECONDARY) | Q(watched=True))


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


_running: Synchronizer | None = None


def start() -> None:
    """Begin to watch over all zones in this process."""
    global _running
    if _running is None:
        _running = Synchronizer()
        _running.start()


def stop() -> None:
    """End it; does nothing when it does not run here."""
    global _running
    if _running is not None:
        _running.stop()
        _running = None


def wake() -> None:
    """Something waits to be pushed. In a process without a synchronizer another one finds it, within `TICK_S`."""
    if _running is not None:
        _running.wake()
