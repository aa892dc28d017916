"""Workbenches for the parts of the event system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.realtime.catalogue import small_catalogue


@pytest.fixture
def catalogue() -> Iterator[None]:
    """Only the events of `tests.realtime.catalogue` are declared."""
    with small_catalogue():
        yield


@pytest.fixture
def bench(catalogue: None) -> Iterator[Any]:
    """Make a node on a workbench: `bench(wait_low_ms=…)`."""
    from tests.realtime.bench import Bench  # needs Django, which is set up after this file is read

    with ExitStack() as stack:

        def make(**settings: Any) -> Any:
            made = Bench(**settings)
            stack.callback(made.close)
            return made

        yield make
