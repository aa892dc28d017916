"""A small systemctl for one machine below a directory: it starts what the unit files say, as far as the site needs it.

    python systemctl.py ROOT enable --now dnsadmin-web@8001 …

`ROOT/etc/systemd/system/` has the units, `ROOT/run/` the ids of what runs. Users are told apart by name only.
"""

from __future__ import annotations

import configparser
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(sys.argv[1])
UNITS, RUN = ROOT / "etc" / "systemd" / "system", ROOT / "run"
OF_THE_SYSTEM = {"nginx": "nginx", "named": ""}
"""What packages of the distribution bring, which its installation starts."""


def service(unit: str) -> dict[str, str]:
    """The `[Service]` of a unit, or of the template that it is an instance of."""
    name, at, instance = unit.partition("@")
    file = UNITS / f"{name}{at}.service"
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    if not parser.read(file):
        sys.exit(f"Unit {unit}.service not found.")
    return {name: value.replace("%i", instance) for name, value in parser["Service"].items()}


def start(unit: str) -> None:
    if pid_of(unit):
        return
    if unit in OF_THE_SYSTEM:
        command, environment, directory = OF_THE_SYSTEM[unit], dict(os.environ), "/"
    else:
        wanted = service(unit)
        lines = Path(wanted["EnvironmentFile"]).read_text().splitlines()
        settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        kept = ("PATH", "HOME", "PGHOST", "PGPORT", "DNSADMIN_NAMED_PORT")
        environment = {name: os.environ[name] for name in kept} | settings | {"PGUSER": wanted["User"]}
        command, directory = wanted["ExecStart"], wanted["WorkingDirectory"]
    with open(ROOT / "var" / "log" / f"{unit}.log", "ab") as log:
        child = subprocess.Popen(
            shlex.split(command),
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (RUN / f"{unit}.pid").write_text(str(child.pid))


def pid_of(unit: str) -> int | None:
    """The main process, if it runs."""
    file = RUN / f"{unit}.pid"
    if not file.exists():
        return None
    pid = int(file.read_text())
    state = Path(f"/proc/{pid}/stat")
    return pid if state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z" else None


def stop(unit: str) -> None:
    if not (pid := pid_of(unit)):
        return
    os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + float(service(unit)["TimeoutStopSec"] if unit not in OF_THE_SYSTEM else 20)
    while pid_of(unit):
        if time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
            sys.exit(f"{unit} did not end in time")
        time.sleep(0.05)


def main(action: str, units: list[str]) -> None:
    for unit in units:
        match action:
            case "enable" | "start":
                start(unit)
            case "disable" | "stop":
                stop(unit)
            case "restart":
                stop(unit)
                start(unit)
            case "reload" if pid := pid_of(unit):
                os.kill(pid, signal.SIGHUP)
            case "is-active":
                sys.exit(0 if pid_of(unit) else 3)
            case _:
                sys.exit(f"{action} {unit}: not possible")


if __name__ == "__main__" and sys.argv[2] != "daemon-reload":
    main(sys.argv[2], [word for word in sys.argv[3:] if not word.startswith("-")])
