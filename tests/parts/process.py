"""A server process of the tests: started in a group of its own, watched, and ended by its id."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class DidNotStart(Exception):
    """A server ended early, or was not ready in time; the message ends with its log."""


class Process:
    """One server process and whatever it starts. `log` is a file that its output is appended to."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command = command
        self.log_file = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child, "not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Negative for the signal that ended it; None while it runs."""
        return self._child.poll() if self._child else None

    def start(
        self,
        ready: Callable[[], bool],
        *,
        env: Mapping[str, str] | None = None,
        user: int | None = None,
        cwd: Path | None = None,
        timeout_s: float = 60,
    ) -> None:
        """Start and wait until `ready()`. Raises `DidNotStart`."""
        assert not self.running, "already running"
        with open(self.log_file, "ab") as log:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=env,
                cwd=cwd,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                process_group=0,
            )
        until = time.monotonic() + timeout_s
        while not ready():
            if not self.running:
                raise DidNotStart(f"{self.command[0]} ended with {self.exit_code}:\n{self.log()[-4000:]}")
            if time.monotonic() > until:
                self.stop()
                raise DidNotStart(f"{self.command[0]} was not ready after {timeout_s} s:\n{self.log()[-4000:]}")
            time.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        assert self._child, "not started"
        self._child.send_signal(number)

    def wait(self, timeout_s: float = 20) -> int:
        """Wait for the end of the process itself. Raises `subprocess.TimeoutExpired`."""
        assert self._child, "not started"
        return self._child.wait(timeout_s)

    def stop(self, timeout_s: float = 20) -> None:
        """End the process, first politely, and everything of its group that it may have left behind."""
        if not self._child:
            return
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait(timeout_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._child = None

    def log(self) -> str:
        """Everything it has written so far, over all its starts."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
