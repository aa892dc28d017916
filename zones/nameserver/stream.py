"""A TCP connection that never waits longer than it was told to: a server that hangs must not hang us."""

from __future__ import annotations

import socket
import time
from types import TracebackType
from typing import Self

from zones.nameserver.errors import Unreachable


class Stream:
    """Connecting, sending and receiving, together within `timeout_s`, and never more than `silence_s` without a byte.

    peer: what is at the other end, for messages. Every failure is `Unreachable` with the code `unreachable` (nobody
    listens), `timed_out` or `closed` (in the middle of the conversation).
    """

    def __init__(self, peer: str, host: str, port: int, *, timeout_s: float, silence_s: float = 10.0) -> None:
        self.peer = f"{peer} at {host} port {port}"
        self._silence_s = min(timeout_s, silence_s)
        self._deadline = time.monotonic() + timeout_s
        try:
            self._socket = socket.create_connection((host, port), timeout=self._silence_s)
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            raise Unreachable(f"{self.peer} cannot be reached: {error.strerror or error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._socket.settimeout(self._remaining_s())
            self._socket.sendall(data)
        except TimeoutError as error:
            raise self._timed_out() from error
        except OSError as error:
            raise self._closed() from error

    def receive(self, length: int) -> bytes:
        """Receive exactly `length` bytes."""
        received = bytearray()
        while len(received) < length:
            try:
                self._socket.settimeout(self._remaining_s())
                chunk = self._socket.recv(length - len(received))
            except TimeoutError as error:
                raise self._timed_out() from error
            except OSError as error:
                raise self._closed() from error
            if not chunk:
                raise self._closed()
            received += chunk
        return bytes(received)

    def _remaining_s(self) -> float:
        remaining_s = self._deadline - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError
        return min(remaining_s, self._silence_s)

    def _timed_out(self) -> Unreachable:
        return Unreachable(f"{self.peer} gave no answer within {self._silence_s:g} s", code="timed_out")

    def _closed(self) -> Unreachable:
        return Unreachable(f"{self.peer} closed the connection", code="closed")
