"""When `named` really acts by a policy zone: not when it has the records, but when it has read them into its policies.

It says so in its log: `rpz: house-rules.rpz: reload done: success`. Only a reload that began after the change counts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from zones.nameserver.endpoint import Endpoint

LOG = "named.log"
_LOOK_EVERY_S = 0.01
_LINE = re.compile(rb"\brpz: (\S+): reload (start|done)(?:: (.*))?$")
_NOT_LOADED = re.compile(rb"\bzone (\S+)/IN: not loaded due to errors")


class Watch:
    """Begun before a change, asked after it. Without a log that we can read there is no telling."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._path = endpoint.log_dir / LOG if endpoint.log_dir else None
        self._at = 0
        self._rest = b""
        if self._path is not None:
            try:
                stat = self._path.stat()
            except OSError:
                self._path = None
            else:
                self._at, self._inode = stat.st_size, stat.st_ino
        self._begun: set[str] = set()
        self._done: dict[str, str] = {}

    def wait(self, zones: Iterable[str], *, timeout_s: float) -> bool | None:
        """Whether `named` has taken in all of `zones` since the watch began; `None` when there is no telling.

        Raises `TimeoutError` when that takes too long.
        """
        wanted = set(zones)
        deadline = time.monotonic() + timeout_s
        while self._path is not None:
            self._read()
            if wanted <= self._done.keys():
                return all(self._done[zone] == "success" for zone in wanted)
            if time.monotonic() > deadline:
                raise TimeoutError(f"named has not taken in {', '.join(sorted(wanted - self._done.keys()))}")
            time.sleep(_LOOK_EVERY_S)
        return None

    def _read(self) -> None:
        assert self._path is not None
        try:
            stat = self._path.stat()
        except OSError:
            return  # being rotated
        if stat.st_ino != self._inode or stat.st_size < self._at:
            self._at, self._inode, self._rest = 0, stat.st_ino, b""
        if stat.st_size == self._at:
            return
        with open(self._path, "rb") as file:
            file.seek(self._at)
            new = file.read()
        self._at += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            if found := _LINE.search(line.rstrip()):
                zone, what, outcome = found[1].decode(), found[2], found[3] or b""
                if what == b"start":
                    self._begun.add(zone)
                    self._done.pop(zone, None)
                elif zone in self._begun:
                    self._done[zone] = outcome.decode(errors="replace")
            elif found := _NOT_LOADED.search(line):
                self._done[found[1].decode()] = "not loaded"
