"""Free loopback ports for the servers of the tests."""

from __future__ import annotations

import random
import socket

# Below the range from which the kernel takes the ports of outgoing connections, so that none of those comes between.
CANDIDATES = range(18_000, 32_000)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, by TCP or UDP."""
    for _ in range(1000):
        port = random.choice(CANDIDATES)
        if _free(port, socket.SOCK_STREAM) and _free(port, socket.SOCK_DGRAM):
            return port
    raise RuntimeError("no free port found")


def _free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
