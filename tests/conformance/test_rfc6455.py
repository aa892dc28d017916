"""RFC 6455, by the Autobahn cases: whatever the server passes by itself, it passes with our protocol class, routing and
transports in front."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import kosoku
import pytest

from tests.parts.ports import free_port
from tests.parts.process import Process
from tests.parts.site import CHECKOUT, Site

SHORT = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.1.*", "6.2.*", "6.3.*", "6.4.*", "7.*", "10.*")
"""Framing, pings, reserved bits, opcodes, fragmentation, UTF-8 and closing; without the cases about size and time."""

COMPRESSION = ("12.*", "13.*")
"""Compression per connection is off on purpose (decision 0003)."""

StartEcho = Callable[[str], str]


@pytest.fixture
def start_echo(tmp_path: Path, site_template: Path) -> Iterator[StartEcho]:
    """Start a server of `tests.conformance.echo`, and answer its address."""
    with ExitStack() as stack:

        def start(kind: str) -> str:
            site = Site(tmp_path / kind)
            site.directory.mkdir()
            site.prepare(site_template)
            port = free_port()
            process = Process(
                [sys.executable, "-m", "tests.conformance.echo", kind, str(port)], tmp_path / f"{kind}.log"
            )
            stack.callback(process.stop)

            def listens() -> bool:
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    return True
                return False

            process.start(listens, env=site.environment(), cwd=CHECKOUT)
            return f"ws://127.0.0.1:{port}/echo"

        yield start


async def passed(address: str, include: tuple[str, ...]) -> tuple[set[str], set[str]]:
    """The cases that a server passes, and all that were run."""
    try:
        results: Any = await kosoku.run_fuzzingclient(address, list(include), list(COMPRESSION), concurrency=4)
    except kosoku.FailureError as failure:
        results = failure.results
    return {result.case_id for result in results if result.passed}, {result.case_id for result in results}


async def compare(start_echo: StartEcho, include: tuple[str, ...], at_least: int) -> None:
    bare, run = await passed(start_echo("bare"), include)
    ours, _ = await passed(start_echo("ours"), include)
    assert len(run) >= at_least
    assert len(bare) >= len(run) * 0.9, "the server implementation itself is broken"
    assert bare - ours == set(), "cases that only the bare server passes"


async def test_every_case_that_the_server_passes_is_passed_behind_our_routing(start_echo: StartEcho) -> None:
    await compare(start_echo, SHORT, 110)


@pytest.mark.soak
async def test_all_cases_with_those_of_size_and_time(start_echo: StartEcho) -> None:
    await compare(start_echo, ("*",), 290)
