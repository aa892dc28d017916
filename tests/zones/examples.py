"""What the tests of zones say often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User

from zones.models import Record, Zone

Make = Callable[..., User]
"""Makes somebody: a user name, roles."""

Api = Callable[[User], Any]
"""A client of the API for somebody."""


def www(zone: Zone) -> Record:
    """One of the addresses of www."""
    record: Record = zone.records.get(content="192.0.2.1")
    return record
