"""One leader among any number of processes, by a row in the database, with fencing."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from monitoring.models import CollectorLease

LEASE_S = 4.0
"""Seconds for which a lease is good. A leader that dies is replaced, or missed, after that time."""
_ROW = 1


class LeaseLost(Exception):
    """Another process has taken over: whatever this one was going to write is not its to write."""


class Lease:
    """This process's share in the lease. All but `leads` use the database."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.term = 0
        self._holder = secrets.token_hex(8)
        self._good_until = 0.0

    @property
    def leads(self) -> bool:
        """Whether this process is the leader now, as far as it knows by its own clock."""
        return time.monotonic() < self._good_until

    def acquire(self) -> bool:
        """Take the lease if nobody has it; says whether that worked."""
        CollectorLease.objects.get_or_create(pk=_ROW)
        now, asked = timezone.now(), time.monotonic()
        free = Q(leased_until=None) | Q(leased_until__lt=now)
        taken = CollectorLease.objects.filter(free, pk=_ROW).update(
            holder=self._holder, node=self.node, term=F("term") + 1, renewed_at=now, leased_until=_until()
        )
        if taken:
            self.term = CollectorLease.objects.values_list("term", flat=True).get(pk=_ROW)
            self._good_until = asked + LEASE_S
        return bool(taken)

    def renew(self) -> None:
        """Keep the lease. Raises `LeaseLost`."""
        asked = time.monotonic()
        if not self._mine().update(renewed_at=timezone.now(), leased_until=_until()):
            self._good_until = 0.0
            raise LeaseLost(f"another process runs the collectors since term {self.term}")
        self._good_until = asked + LEASE_S

    def release(self) -> None:
        """Give the lease back, so that another process need not wait for its end."""
        self._good_until = 0.0
        self._mine().update(leased_until=None)

    @contextlib.contextmanager
    def fenced(self) -> Iterator[None]:
        """A transaction that only the leader can commit. Raises `LeaseLost`."""
        with transaction.atomic():
            # An update, so that a take-over waits for the end of this transaction.
            if not self._mine().update(holder=self._holder):
                raise LeaseLost(f"another process runs the collectors since term {self.term}")
            yield

    def _mine(self) -> QuerySet[CollectorLease]:
        return CollectorLease.objects.filter(pk=_ROW, holder=self._holder, term=self.term)


LEASE: ContextVar[Lease] = ContextVar("lease")
"""The lease under which the running collector works."""


def _until() -> datetime:
    return timezone.now() + timedelta(seconds=LEASE_S)


@contextlib.contextmanager
def fenced() -> Iterator[None]:
    """A transaction of the running collector, which only the leader can commit (raises `LeaseLost`). Outside of a
    supervisor, in a shell or a test, an ordinary one."""
    lease = LEASE.get(None)
    with lease.fenced() if lease is not None else transaction.atomic():
        yield
