"""A PostgreSQL server of the test run's own."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tests.parts.ports import free_port
from tests.parts.process import Process


class PostgresServer:
    """Trusts everybody on the loopback address. PostgreSQL refuses to run as root: then it runs as another user."""

    def __init__(self) -> None:
        # Not below pytest's temporary directory, which other users may not enter.
        self.directory = Path(tempfile.mkdtemp(prefix="dnsadmin-postgres-"))
        self.port = free_port()
        self._user = _other_user()
        self._names = (f"test_{number}" for number in itertools.count(1))
        # fsync off: the tests end processes, not machines.
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self.process = Process([_program("postgres"), "-D", str(self._data), *settings], self.directory / "log")

    def start(self) -> None:
        if not self._data.exists():
            self._initialise()
        self.process.start(self._answers, user=self._user, cwd=self.directory)

    def stop(self) -> None:
        """Close every connection and end (a "fast shutdown")."""
        if self.process.running:
            self.process.signal(signal.SIGINT)
        self.process.stop()

    def kill(self) -> None:
        """End it without a farewell (SIGKILL); it recovers from its log at the next start."""
        self.process.signal(signal.SIGKILL)
        self.process.stop()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.directory)

    def create_database(self) -> str:
        """Make an empty database and answer its URL."""
        name = next(self._names)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgres://dnsadmin@127.0.0.1:{self.port}/{database}"

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _initialise(self) -> None:
        if self._user is not None:
            os.chown(self.directory, self._user, self._user)
        command = [
            _program("initdb"),
            "-D",
            str(self._data),
            "-U",
            "dnsadmin",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        done = subprocess.run(
            command,
            cwd=self.directory,
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _other_user() -> int | None:
    """The user to run as: ourselves, unless we are root."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _program(name: str) -> str:
    """The path of one of PostgreSQL's programs; Debian keeps them in a directory per version, off the PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) or (str(places[0]) if places else None)
    assert found, f"PostgreSQL's {name} is not installed"
    return found
