"""The servers that are compared: how each is started, published to, and what it costs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.parts.ports import free_port
from tests.parts.process import Process
from tests.parts.redis_server import RedisServer

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SECRET_KEY = "only-for-benchmarks-" * 3
SERVER_CPU, CLIENT_CPU = 0, 1
PRIORITIES = ("HIGH", "NORMAL", "LOW")
WAIT_MS = 10
"""How long events wait for each other on the servers that let them."""


def pinned(command: Sequence[str], cpu: int) -> list[str]:
    """The command, bound to one processor where there are two."""
    return ["taskset", "-c", str(cpu), *command] if (os.cpu_count() or 1) > 1 else list(command)


class Server:
    """A server in a process of its own, with a Redis and a publisher beside it. All are ended by id.

    subscribes: its clients give a `subscribe` command. publisher: the kind that reaches it (`benchmarks.fanout.publisher`).
    """

    def __init__(
        self, name: str, directory: Path, command: Sequence[str], publisher: str, *, subscribes: bool = False
    ) -> None:
        self.name = name
        self.directory = directory
        self.port = free_port()
        self.subscribes = subscribes
        self.redis: RedisServer | None = None
        self.variables: dict[str, str] = {}
        self._command = [part.format(port=self.port) for part in command]
        self._publisher_kind = publisher
        self._publisher: subprocess.Popen[str] | None = None
        self._process: Process | None = None
        directory.mkdir()

    def start(self) -> None:
        """Start it and its publisher, and wait until both are ready. Raises `DidNotStart`, with the log."""
        if self.redis is not None:
            self.redis.start()
        self._process = Process(pinned([sys.executable, *self._command], SERVER_CPU), self.directory / "log")
        self._process.start(self._listens, env=self.environment(), cwd=CHECKOUT)

    def start_publisher(self, *command: str) -> None:
        """Have the publisher stand by, or another one that is run by `python -m <command>`."""
        with open(self.directory / "publisher.log", "w") as log:
            self._publisher = subprocess.Popen(
                [sys.executable, "-m", *(command or ("benchmarks.fanout.publisher", self._publisher_kind))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment(),
                cwd=CHECKOUT,
                text=True,
            )
        assert self._publisher.stdout
        if self._publisher.stdout.readline() != "ready\n":
            raise RuntimeError((self.directory / "publisher.log").read_text())

    def publish(self, number: int) -> None:
        """Ask the publisher for `number` events. Does not wait for them."""
        self.tell(str(number))

    def tell(self, order: str) -> None:
        """Give the publisher a line."""
        assert self._publisher and self._publisher.stdin, "not started"
        self._publisher.stdin.write(f"{order}\n")
        self._publisher.stdin.flush()

    def restart(self) -> None:
        """End it as an operator would, and start it again on the same port; its publisher goes on."""
        assert self._process is not None
        self._process.signal(signal.SIGTERM)
        self._process.wait(timeout_s=30)
        self._process.start(self._listens, env=self.environment(), cwd=CHECKOUT)

    def stop(self) -> None:
        if self._publisher is not None:
            self._publisher.terminate()
            self._publisher.wait()
        if self._process is not None:
            self._process.stop(timeout_s=5)
        if self.redis is not None:
            self.redis.stop()

    def environment(self) -> dict[str, str]:
        return clean_environment() | self.variables

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def cpu_s(self) -> float:
        """Seconds of processor time, user and system, that it and its children have used."""
        return float(sum(times.user + times.system for times in self._each("cpu_times")))

    def memory(self) -> int:
        """Bytes that the server process itself holds in memory."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def _each(self, figure: str) -> list[Any]:
        found = []
        root = psutil.Process(self.pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(getattr(process, figure)())
        return found

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def site(name: str, directory: Path, command: Sequence[str], template: Path) -> Server:
    """This project, with a data directory and a Redis of its own; the database is a copy of `template`."""
    server = Server(name, directory, command, "site", subscribes=True)
    server.redis = RedisServer(directory)
    server.variables = {**site_variables(directory / "data"), "DNSADMIN_REDIS_URL": server.redis.url}
    server.variables |= {"DNSADMIN_PORT": str(server.port), "DNSADMIN_NAMED_PORT": str(free_port())}
    (directory / "data").mkdir()
    shutil.copy(template, directory / "data" / "db.sqlite3")
    return server


def clean_environment() -> dict[str, str]:
    """Our own environment without any settings of a site."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DNSADMIN_", "DJANGO_"))}


def site_variables(data: Path) -> dict[str, str]:
    """Settings of a site that sends each event in a frame of its own, as soon as it can."""
    return {
        "DNSADMIN_DATA_DIR": str(data),
        "DNSADMIN_SECRET_KEY": SECRET_KEY,
        "DNSADMIN_LOG_LEVEL": "WARNING",
        **{f"DNSADMIN_REALTIME_WAIT_{priority}_MS": "0" for priority in PRIORITIES},
    }


def ours_on_uvicorn(directory: Path, template: Path) -> Server:
    return site("ours, uvicorn", directory, ["manage.py", "serve"], template)


def ours_on_daphne(directory: Path, template: Path) -> Server:
    return site("ours, Daphne", directory, ["-m", "daphne", "-p", "{port}", "dnsadmin.asgi:application"], template)


def _stock(name: str, directory: Path, command: Sequence[str], template: Path) -> Server:
    server = Server(name, directory, command, "stock")
    server.redis = RedisServer(directory)
    server.variables = {
        "STOCK_DATABASE": str(template),
        "STOCK_REDIS_URL": server.redis.url,
        "STOCK_SECRET_KEY": SECRET_KEY,
    }
    return server


def stock_on_uvicorn(directory: Path, template: Path) -> Server:
    command = ["-m", "uvicorn", "benchmarks.fanout.stock:application", "--port", "{port}", "--no-access-log"]
    return _stock("stock, uvicorn", directory, [*command, "--ws", "websockets-sansio", "--loop", "uvloop"], template)


def stock_on_daphne(directory: Path, template: Path) -> Server:
    command = ["-m", "daphne", "-p", "{port}", "--no-server-name", "benchmarks.fanout.stock:application"]
    return _stock("stock, Daphne", directory, command, template)


def ours_waiting(directory: Path, template: Path) -> Server:
    server = site(f"ours, waits of {WAIT_MS} ms", directory, ["manage.py", "serve"], template)
    server.variables |= {f"DNSADMIN_REALTIME_WAIT_{priority}_MS": str(WAIT_MS) for priority in PRIORITIES}
    return server


def bare_writer(directory: Path, template: Path, *cork: str) -> Server:
    server = Server("bare writer", directory, ["-m", "benchmarks.fanout.bare_writer", "{port}", *cork], "bare")
    server.variables = {"BARE_PORT": str(server.port)}
    return server


def corked_writer(directory: Path, template: Path) -> Server:
    server = bare_writer(directory, template, str(WAIT_MS))
    server.name = f"bare writer, cork of {WAIT_MS} ms"
    return server


KINDS = {
    "ours-uvicorn": ours_on_uvicorn,
    "ours-daphne": ours_on_daphne,
    "stock-uvicorn": stock_on_uvicorn,
    "stock-daphne": stock_on_daphne,
    "bare": bare_writer,
}
"""Everything that can be compared, by the name that the command line gives it."""

JOINING = {"ours-waiting": ours_waiting, "bare-corked": corked_writer}
"""Those that send together what comes together."""
