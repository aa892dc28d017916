"""Errors of the site as events for administrators: where, and of which kind. What exactly is in the log of the process,
because a message may hold anything, a secret included.
"""

from __future__ import annotations

import hashlib
import logging
import sys
import time
from typing import Any

import msgspec
from django.core.signals import got_request_exception
from django.db import transaction
from django.dispatch import receiver

from realtime.broadcasting import emit
from realtime.events import EventCategory, EventSeverity, EventType
from realtime.registry import ADMINISTRATORS, EventSpec, registry

logger = logging.getLogger(__name__)

EVERY_S = 60
"""The same error at the same place is told once in so many seconds, however many processes meet it."""


class ErrorPayload(msgspec.Struct, frozen=True, kw_only=True):
    """The server failed. where: the request or command. error: the kind of the exception."""

    where: str
    error: str


registry.declare(
    EventSpec(
        event_type=EventType.ERROR_OCCURRED,
        category=EventCategory.SYSTEM,
        payload=ErrorPayload,
        permission=ADMINISTRATORS,
        summary="The server failed at something; the log of the process has the details.",
    )
)


def tell(where: str, error: BaseException) -> None:
    """Record an error that was already logged. Never raises: the database may be what failed."""
    payload = ErrorPayload(where=where[:200], error=type(error).__name__)
    same = hashlib.sha256(f"{payload.where} {payload.error}".encode()).hexdigest()[:24]
    try:
        with transaction.atomic():
            key = f"error-{same}-{int(time.time() // EVERY_S)}"
            emit(EventType.ERROR_OCCURRED, payload, severity=EventSeverity.ERROR, key=key)
    except Exception:
        logger.exception("an error could not be told")


@receiver(got_request_exception)
def tell_of_request(sender: Any, request: Any = None, **_: Any) -> None:
    error = sys.exc_info()[1]
    if request is not None and error is not None:
        tell(f"{request.method} {request.path}", error)
