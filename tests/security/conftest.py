"""A `named` that resolves for real, in a small internet of the test's own, and policies that are brought to it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.parts.authority import Authority
from tests.security.peers import FeedServer
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.private import PrivateNamed, free_port

if TYPE_CHECKING:
    from security.models import Feed, Policy, Rule

ROOT = "127.0.0.2"
"""The whole internet of the tests, root included, is served at this address."""

INTERNET = {
    ".": "@ NS a.root.test.\na.root.test. A 127.0.0.2\n",
    "test": "@ NS ns.test.\nns A 127.0.0.2\n",
    "good.test": "@ NS ns.good.test.\nns A 127.0.0.2\nwww A 192.0.2.10\nwww AAAA 2001:db8::10\nother A 192.0.2.11\n",
    "victim.test": "@ NS ns.bad-host.test.\nwww A 192.0.2.20\nv6 AAAA 2001:db8:bad::66\nsink A 203.0.113.66\n",
    "bad-host.test": "@ NS ns.bad-host.test.\nns A 127.0.0.2\nns AAAA 2001:db8::53\n",
}


class ResolvingNamed(PrivateNamed):
    """The site's own server, whose root is that of the test, at the port of the test."""

    def _write_configuration(self) -> Endpoint:
        endpoint = super()._write_configuration()
        file = self.directory / "named.conf"
        # `port` is also where it sends its questions: BIND's own way to be tested without port 53.
        file.write_text(file.read_text().replace("options {", f"options {{ port {endpoint.port};", 1))
        (self.directory / "root.hints").write_text(f". 3600000 NS a.root.test.\na.root.test. 3600000 A {ROOT}\n")
        return endpoint


@pytest.fixture(scope="package")
def internet() -> Iterator[int]:
    """The port at which all name servers of the tests' internet answer."""
    authority = Authority(ROOT, free_port(), INTERNET)
    authority.start()
    yield authority.port
    authority.stop()


@pytest.fixture(scope="package")
def resolver(internet: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNamed]:
    """The site's name server, which resolves names of the tests' internet."""
    server = ResolvingNamed(tmp_path_factory.mktemp("data") / "named", port=internet)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def site_named(resolver: PrivateNamed, settings: Any, transactional_db: None) -> Endpoint:
    """The site's name server is the resolving one; nothing of earlier tests is in force there."""
    settings.DATA_DIR = resolver.directory.parent
    return resolver.start()


@pytest.fixture
def enforcing(site_named: Endpoint) -> Iterator[Endpoint]:
    """What enforces policies runs, as in a web process."""
    from security import enforcement

    enforcement.start()
    yield site_named
    enforcement.stop()


@pytest.fixture
def policy(enforcing: Endpoint) -> Policy:
    """A policy of rules, in force."""
    from security.rules import create_policy

    return in_force(create_policy("House rules"))


@pytest.fixture
def ask(enforcing: Endpoint) -> Callable[..., str]:
    """What `dig` prints for a name, asked at the site's server."""

    def ask(name: str, *options: str) -> str:
        return dig(enforcing.host, enforcing.port, name, *options)

    return ask


def dig(address: str, port: int, name: str, *options: str) -> str:
    """The whole output of `dig`."""
    command = ["dig", f"@{address}", "-p", str(port), "+tries=1", "+time=5", *options, name]
    return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout


def in_force(thing: Any, *, within_s: float = 20.0) -> Any:
    """Wait until a policy or rule is as wanted at the name server; returns it anew."""

    def settled() -> bool:
        thing.refresh_from_db()
        return thing.sync_state == "served"

    wait_for(settled, within_s=within_s, why=lambda: f"{thing.sync_state}: {thing.sync_error}")
    return thing


def gone(rule: Rule) -> None:
    """Wait until a deleted rule is out of force."""
    from security.models import Rule

    wait_for(lambda: not Rule.objects.filter(pk=rule.pk).exists())


def wait_for(condition: Callable[[], Any], *, within_s: float = 20.0, why: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, why() or "it did not come about"
        time.sleep(0.01)


def status(output: str) -> str:
    """The status that `dig` printed: NOERROR, NXDOMAIN, …, or `none` for no answer."""
    return output.partition("status: ")[2].partition(",")[0] or "none"


def log_of(server: Endpoint, name: str) -> str:
    assert server.log_dir is not None
    return Path(server.log_dir / name).read_text()


@pytest.fixture
def feed_server() -> Iterator[FeedServer]:
    """A web server that a feed comes from."""
    server = FeedServer()
    yield server
    server.stop()


@pytest.fixture
def make_feed(enforcing: Endpoint) -> Callable[..., Feed]:
    """Make a feed whose policy is known to the name server, before its first refresh."""
    from security.feeds.entries import entries_file
    from security.feeds.registry import create_feed

    def make(url: str, name: str = "Bad names", **fields: Any) -> Feed:
        feed = create_feed(name, url=url, **{"allow_private": True, **fields})
        entries_file(feed.pk).unlink(missing_ok=True)  # of an earlier test, whose rows had the same id
        in_force(feed.policy)
        return feed

    return make
