"""A Redis server of a test's own."""

from __future__ import annotations

import signal
from pathlib import Path

import redis

from tests.parts.ports import free_port
from tests.parts.process import Process


class RedisServer:
    """Keeps nothing: a restart begins empty, as after a crash."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        options = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(directory)]
        options += ["--save", "", "--appendonly", "no"]
        self.process = Process(["redis-server", *options], directory / "redis.log")

    def start(self) -> None:
        self.process.start(self._answers)

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """End it without a farewell to its clients (SIGKILL)."""
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def pause(self) -> None:
        """Let connections stay open while nothing is answered any more (SIGSTOP)."""
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=5)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
