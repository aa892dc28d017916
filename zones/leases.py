"""Having a row to oneself, among any number of processes: a lease in its columns `lease` and `lease_until`.

A process that dies gives nothing back; its lease ends by itself.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models import Q
from django.utils import timezone

logger = logging.getLogger(__name__)

LEASE_S = 6.0
"""How long a row stays with a process that died while it had it."""
RENEW_S = 2.0

FREE: Mapping[str, Any] = {"lease": "", "lease_until": None}

Leased = TypeVar("Leased", bound=models.Model)


@contextmanager
def lease(kind: type[Leased], pk: int) -> Iterator[Leased | None]:
    """Have a row to oneself; `None` when another process has it, or it is gone. Kept while the block runs, however long."""
    now, token = timezone.now(), secrets.token_hex(8)
    rows = kind._default_manager
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    if not rows.filter(free, pk=pk).update(lease=token, lease_until=now + timedelta(seconds=LEASE_S)):
        yield None
        return
    done = threading.Event()
    keeper = threading.Thread(target=_keep, args=(kind, pk, token, done), name=f"lease-{pk}", daemon=True)
    keeper.start()
    try:
        yield rows.get(pk=pk)
    finally:
        done.set()
        keeper.join()
        rows.filter(pk=pk, lease=token).update(**FREE)


def _keep(kind: type[models.Model], pk: int, token: str, done: threading.Event) -> None:
    while not done.wait(RENEW_S):
        try:
            until = timezone.now() + timedelta(seconds=LEASE_S)
            kind._default_manager.filter(pk=pk, lease=token).update(lease_until=until)
        except Exception:
            logger.exception("the lease of %s %s was not renewed", kind._meta.verbose_name, pk)
        finally:
            connection.close()
