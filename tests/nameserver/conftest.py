"""A real `named` for the tests of this folder, zones on it, and `dig` as a second opinion on what it serves."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.hosting import add_zone
from zones.nameserver.private import PrivateNamed
from zones.rrsets import RRset

ZONE_TEXT = """\
$TTL 300
@   SOA ns1 hostmaster 7 3600 600 86400 60
@   NS  ns1
ns1 A   192.0.2.53
www A   192.0.2.1
"""

_numbers = itertools.count(1)


class HostedZone(msgspec.Struct, frozen=True):
    """A zone on the server, which holds `ZONE_TEXT` at first."""

    endpoint: Endpoint
    name: str

    def dig(self, name: str, type: str) -> list[str]:
        """What `dig` is answered for a name of the zone: `TTL rdata`, sorted."""
        owner = self.name if name == "@" else f"{name}.{self.name}"
        return [" ".join([line[1], *line[4:]]) for line in dig(self.endpoint, owner, type)]

    def nsupdate(self, *lines: str) -> None:
        """Change the zone behind the site's back, as an administrator would."""
        key = self.endpoint.tsig
        script = [
            f"server {self.endpoint.host} {self.endpoint.port}",
            f"key {key.algorithm}:{key.name} {key.secret}",
            f"zone {self.name}",
            *lines,
            "send",
        ]
        subprocess.run(["nsupdate"], input="\n".join(script) + "\n", text=True, check=True, timeout=10)


def dig(endpoint: Endpoint, name: str, type: str, *options: str) -> list[list[str]]:
    """The answer section of `dig`, each line split into words, sorted."""
    command = [
        "dig",
        "+noall",
        "+answer",
        "+norec",
        "+time=3",
        "+tries=1",
        f"@{endpoint.host}",
        "-p",
        str(endpoint.port),
    ]
    output = subprocess.run(
        [*command, *options, name, type], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    return sorted(line.split() for line in output.splitlines() if line and not line.startswith(";"))


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNamed]:
    """A server that the tests share. A test that kills, stops or reconfigures takes one of its own: `own_named`."""
    server = PrivateNamed(tmp_path_factory.mktemp("data") / "named")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_named(tmp_path: Path) -> Iterator[PrivateNamed]:
    """A server of the test's own."""
    server = PrivateNamed(tmp_path / "named")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def endpoint(named: PrivateNamed) -> Endpoint:
    """Where the shared server is."""
    return named.start()


@pytest.fixture
def host() -> Callable[..., HostedZone]:
    """Put a fresh zone on a server: `host(endpoint, more="@ MX 10 mail\\n")`."""

    def host_zone(endpoint: Endpoint, *, more: str = "") -> HostedZone:
        name = f"zone{next(_numbers)}.test"
        assert add_zone(endpoint, name, ZONE_TEXT + more)
        return HostedZone(endpoint, name)

    return host_zone


@pytest.fixture
def zone(endpoint: Endpoint, host: Callable[..., HostedZone]) -> HostedZone:
    """A fresh zone on the shared server."""
    return host(endpoint)


@pytest.fixture
def server(named: PrivateNamed, settings: Any) -> Endpoint:
    """The site's name server is the one that the tests share."""
    settings.DATA_DIR = named.directory.parent
    return named.start()


@pytest.fixture
def own_server(own_named: PrivateNamed, settings: Any) -> PrivateNamed:
    """The site's name server is the test's own."""
    settings.DATA_DIR = own_named.directory.parent
    return own_named


@pytest.fixture
def running() -> Iterator[None]:
    """The synchronizer runs, as in a web process."""
    from zones import synchronizer

    synchronizer.start()
    yield
    synchronizer.stop()


def a(name: str, *addresses: str, ttl: int = 300) -> RRset:
    """An RRset of addresses."""
    return RRset(name, "A", ttl, tuple(sorted(addresses)))
