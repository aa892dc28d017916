"""What the machine and the site's own processes use, read from the operating system (psutil)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import connection

from monitoring.metrics import Group
from monitoring.series import Measured, count, gauge


class Machine:
    """Reads one group of metrics at a time; keeps the counters of the time before, as most figures are differences.

    The first reading of a group has only what needs no difference.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self._data_dir = data_dir or settings.DATA_DIR
        self._before: dict[str, tuple[float, dict[str, float]]] = {}
        self._processes: dict[int, psutil.Process] = {}

    def read(self, group: Group) -> dict[str, Measured]:
        """The metrics of `group` (`monitoring.metrics`), as far as this operating system has them."""
        readings: dict[Group, Any] = {
            "cpu": self._cpu,
            "memory": self._memory,
            "disk": self._disk,
            "network": self._network,
            "process": self._process,
        }
        found: dict[str, Measured] = readings[group]()
        return found

    def _cpu(self) -> dict[str, Measured]:
        load = psutil.getloadavg()
        found = {"load_1": gauge(load[0]), "load_5": gauge(load[1]), "load_15": gauge(load[2])}
        times = psutil.cpu_times()
        # Time of guests is in that of users already; waiting for a disk is idleness.
        idle = times.idle + getattr(times, "iowait", 0.0)
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        _, passed = self._since("cpu", {"idle": idle, "total": total})
        if passed and passed["total"] > 0:
            busy = 100 * (1 - passed["idle"] / passed["total"])
            found["cpu_percent"] = gauge(min(100.0, max(0.0, busy)))
        return found

    def _memory(self) -> dict[str, Measured]:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return {
            "memory_percent": gauge(memory.percent),
            "memory_available": gauge(memory.available),
            "swap_percent": gauge(swap.percent),
        }

    def _disk(self) -> dict[str, Measured]:
        usage = psutil.disk_usage(str(self._data_dir))
        found = {"disk_percent": gauge(usage.percent), "disk_free": gauge(usage.free)}
        if counters := psutil.disk_io_counters():
            seconds, passed = self._since("disk", {"read": counters.read_bytes, "written": counters.write_bytes})
            if passed:
                found["disk_read"] = count(passed["read"], seconds)
                found["disk_written"] = count(passed["written"], seconds)
        return found

    def _network(self) -> dict[str, Measured]:
        counters = psutil.net_io_counters()
        errors = counters.errin + counters.errout + counters.dropin + counters.dropout
        now = {"received": counters.bytes_recv, "sent": counters.bytes_sent, "errors": errors}
        seconds, passed = self._since("network", now)
        return {f"network_{name}": count(number, seconds) for name, number in passed.items()} if passed else {}

    def _process(self) -> dict[str, Measured]:
        found = self._usage("site", self._site())
        if (named := self._named()) is not None:
            found |= self._usage("named", [named])
        if (size := _database_size()) is not None:
            found["database_size"] = gauge(size)
        return found

    def _usage(self, name: str, processes: list[psutil.Process]) -> dict[str, Measured]:
        memory, cpu = 0.0, 0.0
        for process in processes:
            try:
                memory += process.memory_info().rss
                times = process.cpu_times()
                cpu += times.user + times.system
            except psutil.Error:
                continue
        seconds, passed = self._since(name, {"cpu": cpu, "pids": sum(process.pid for process in processes)})
        found = {f"{name}_memory": gauge(memory)}
        if passed and seconds and not passed["pids"]:
            found[f"{name}_cpu"] = gauge(100 * passed["cpu"] / seconds)
        return found

    def _site(self) -> list[psutil.Process]:
        """This process and what it started, but the name server."""
        own = psutil.Process()
        return [own, *(child for child in own.children(recursive=True) if child.name() != "named")]

    def _named(self) -> psutil.Process | None:
        try:
            process = psutil.Process(int((self._data_dir / "named" / "named.pid").read_text()))
            return process if process.name() == "named" else None
        except (OSError, ValueError, psutil.Error):
            return None

    def _since(self, name: str, now: dict[str, float]) -> tuple[float, dict[str, float] | None]:
        """Seconds and differences since the reading before; no differences at first, or when a counter began anew."""
        moment = time.monotonic()
        before = self._before.get(name)
        self._before[name] = (moment, now)
        if before is None:
            return 0.0, None
        passed = {key: value - before[1].get(key, 0.0) for key, value in now.items()}
        seconds = moment - before[0]
        return (seconds, passed) if seconds > 0 and all(number >= 0 for number in passed.values()) else (seconds, None)


def _database_size() -> float | None:
    """Bytes of the database, its write-ahead log included."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            row = cursor.fetchone()
        return float(row[0]) if row else None
    name = str(connection.settings_dict["NAME"])
    files = [Path(name), Path(f"{name}-wal")]
    return float(sum(file.stat().st_size for file in files if file.exists()))
