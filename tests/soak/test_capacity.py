"""The table of what the site carries is true: `realtime_loadtest` gives its ratios again, on whatever machine."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable

import pytest

from tests.parts.site import CHECKOUT, Site

TABLE = CHECKOUT / "docs" / "explanation" / "capacity.md"
WITHIN = 1.5
RUNS = 3


def promised() -> dict[int, float]:
    """Clients -> the ratio of the table."""
    names, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in TABLE.read_text().splitlines()
        if line.startswith("|")
    ]
    return {int(row[0]): float(row[names.index("ratio")]) for row in rows}


def test_the_table_can_be_read() -> None:
    assert len(promised()) >= 2
    assert re.search(r"realtime_loadtest --clients", TABLE.read_text())


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_ratios_of_the_table_are_measured_again(start_site: Callable[..., Site]) -> None:
    site = start_site(REALTIME_CONNECTIONS_PER_ADDRESS=10_000)
    found: dict[int, float] = {}
    for clients in promised():
        command = ("realtime_loadtest", "--clients", str(clients), "--rate", "10", "--seconds", "5", "--json")
        results = [json.loads(site.manage(*command).stdout) for _ in range(RUNS)]
        for result in results:
            print(result)  # noqa: T201  # the figures of `make soak`
        found[clients] = statistics.median(result["ratio"] for result in results)
    print(found)  # noqa: T201  # the figures of `make soak`
    for clients, ratio in promised().items():
        assert ratio / WITHIN <= found[clients] <= ratio * WITHIN, (clients, found, ratio)
