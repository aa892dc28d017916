"""What the tests of zones say often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import StreamingHttpResponse

from zones.models import Record, Zone

Make = Callable[..., User]
"""Makes somebody: a user name, roles."""

Api = Callable[[User], Any]
"""A client of the API for somebody."""


def www(zone: Zone) -> Record:
    """One of the addresses of www."""
    record: Record = zone.records.get(content="192.0.2.1")
    return record


@async_to_sync
async def whole(answer: StreamingHttpResponse) -> bytes:
    """What is sent in pieces, read as the server reads it."""
    return b"".join([piece async for piece in answer])
