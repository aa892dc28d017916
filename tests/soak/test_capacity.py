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


def promised() -> dict[int, dict[str, float]]:
    """Clients -> the ratios of the table."""
    names, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in TABLE.read_text().splitlines()
        if line.startswith("|")
    ]
    wanted = {"connected_ratio": names.index("connected, ratio"), "ratio": names.index("deliveries, ratio")}
    return {int(row[0]): {name: float(row[place]) for name, place in wanted.items()} for row in rows}


def test_the_table_can_be_read() -> None:
    assert len(promised()) >= 2
    assert re.search(r"realtime_loadtest --clients", TABLE.read_text())


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_the_ratios_of_the_table_are_measured_again(start_site: Callable[..., Site]) -> None:
    site = start_site(REALTIME_CONNECTIONS_PER_ADDRESS=10_000)
    found: dict[int, dict[str, float]] = {}
    for clients, ratios in promised().items():
        command = ("realtime_loadtest", "--clients", str(clients), "--rate", "10", "--seconds", "5", "--json")
        results = [json.loads(site.manage(*command).stdout) for _ in range(RUNS)]
        for result in results:
            print(result)  # noqa: T201  # the figures of `make soak`
        found[clients] = {name: statistics.median(result[name] for result in results) for name in ratios}
    print(found)  # noqa: T201  # the figures of `make soak`
    for clients, ratios in promised().items():
        for name, ratio in ratios.items():
            assert ratio / WITHIN <= found[clients][name] <= ratio * WITHIN, (clients, name, found[clients], ratio)
