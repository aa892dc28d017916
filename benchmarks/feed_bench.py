"""A threat feed from its download until `named` acts by it, beside a bare file write and `rndc reload` of the same zone.

`python -m benchmarks.feed_bench [--domains N …] [--rounds N] [--json FILE]`. The domains are those of the package
`isdisposable`, with a mark in front for as many as are wanted. Each round has another version of the list, so that both
have something to do; both wait for the log's word that the policy zone was read. Meanwhile somebody asks the server for a
name of its own all the time; the longest wait for an answer is the stall.

Memory: the highest of this process, which downloads, keeps the database and holds the list it serves; of the child that
compiles (the kernel counts what it was before it became another program, so never less than ours); and of `named`.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import os
import re
import resource
import socket
import statistics
import sys
import tempfile
import threading
import time
from importlib import resources
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="dnsadmin-feed-") as directory:
        for name in [name for name in os.environ if name.startswith("DNSADMIN_")]:
            del os.environ[name]
        os.environ |= {
            "DNSADMIN_DATA_DIR": directory,
            "DNSADMIN_SECRET_KEY": "only-for-benchmarks",
            "DNSADMIN_LOG_LEVEL": "WARNING",
        }
        results = compare(options, Path(directory))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A threat feed from its download until it is in force.")
    parser.add_argument("--domains", type=int, nargs="+", default=[100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every round to FILE")
    return parser.parse_args()


def names(count: int, version: int) -> list[str]:
    """Real domains, with marks in front of further ones; a hundredth of them is another in each version."""
    known = sorted(json.loads(resources.files("isdisposable").joinpath("domains.json").read_text()))
    found = [name for name in known if len(name) < 150]
    mark = 0
    while len(found) < count:
        mark += 1
        found += [f"m{mark}-{name}" for name in known if len(name) < 60]
    return [f"v{version}-{name}" if place % 100 == 0 else name for place, name in enumerate(found[:count])]


class Asker:
    """Asks for a name of the server's own as fast as it answers, and keeps the longest wait."""

    def __init__(self, port: int, name: str) -> None:
        import dns.message

        self.longest = 0.0
        self._query = dns.message.make_query(name, "SOA").to_wire()
        self._port = port
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Asker:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect(("127.0.0.1", self._port))
            asking.settimeout(30)
            while not self._ending.is_set():
                begun = time.perf_counter()
                asking.send(self._query)
                asking.recv(4096)
                self.longest = max(self.longest, time.perf_counter() - begun)
                time.sleep(0.005)


def compare(options: argparse.Namespace, directory: Path) -> list[dict[str, Any]]:
    import django

    django.setup()
    from django.core.management import call_command

    from security import enforcement
    from security.feeds.registry import create_feed
    from zones.nameserver.private import PrivateNamed

    call_command("migrate", verbosity=0)
    lists = directory / "lists"
    lists.mkdir()
    handler = functools.partial(Quiet, directory=str(lists))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    named = PrivateNamed(directory / "named")
    endpoint = named.start()
    enforcement.start()
    results = []
    try:
        for count in options.domains:
            url = f"http://127.0.0.1:{server.server_port}/{count}.txt"
            feed = create_feed(f"Feed {count}", url=url, format="domains", subdomains=False, allow_private=True)
            wait_until_known(feed)
            results.append(measure(feed, endpoint, lists / f"{count}.txt", count, options.rounds, named.pid))
    finally:
        enforcement.stop()
        named.stop()
        server.shutdown()
    return results


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


def wait_until_known(feed: Any) -> None:
    deadline = time.monotonic() + 60
    while feed.policy.sync_state != "served":
        assert time.monotonic() < deadline, feed.policy.sync_error
        time.sleep(0.05)
        feed.policy.refresh_from_db()


def measure(feed: Any, endpoint: Any, file: Path, count: int, rounds: int, server: int | None) -> dict[str, Any]:
    from security.feeds.refresh import refresh

    ours, bare, stalls_ours, stalls_bare = [], [], [], []
    for version in range(rounds):
        file.write_text("\n".join(names(count, version)) + "\n")
        with Asker(endpoint.port, feed.policy.zone) as asker:
            begun = time.perf_counter()
            done = refresh(feed.pk)
            ours.append(time.perf_counter() - begun)
        assert done is not None and done.state == "current", done and done.error
        stalls_ours.append(asker.longest)
        feed.refresh_from_db()
        seconds, stall = write_and_reload(feed, endpoint, names(count, rounds + version))
        bare.append(seconds)
        stalls_bare.append(stall)
        feed.__class__.objects.filter(pk=feed.pk).update(etag="", last_modified="", source_digest="", digest="")
    own, child = (resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    ratio = statistics.median(ours) / statistics.median(bare)
    print(f"{count} domains, {rounds} rounds, medians: ours {statistics.median(ours):.2f} s, bare write and reload")
    print(f"  {statistics.median(bare):.2f} s: ratio {ratio:.2f}")
    print(f"  longest wait for an answer meanwhile: {max(stalls_ours):.3f} s (bare {max(stalls_bare):.3f} s)")
    high = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server}/status").read_text())
    print(
        f"  memory: {own} MiB here, {child} MiB in the largest child, {int(high[1]) // 1024 if high else 0} MiB named"
    )
    unchanged = time.perf_counter()
    refresh(feed.pk)
    refresh(feed.pk)
    print(f"  (then twice more, the second without a change: {time.perf_counter() - unchanged:.2f} s)", flush=True)
    return {
        "domains": count, "ours_s": ours, "bare_s": bare, "ratio": ratio, "stalls_s": stalls_ours,
        "bare_stalls_s": stalls_bare, "memory_mib": own, "child_memory_mib": child,
    }  # fmt: skip


def write_and_reload(feed: Any, endpoint: Any, some: list[str]) -> tuple[float, float]:
    """The least there is to do: the same zone, written to the file that `named` reads, and reloaded."""
    from security.in_force import Watch
    from zones.nameserver.rndc import Rndc

    head = f"$TTL 60\n@ SOA localhost. h. {int(time.time())} 3600 600 86400 60\n@ NS localhost.\n"
    file = endpoint.zone_dir / f"{feed.policy.zone}.db"
    with Asker(endpoint.port, feed.policy.zone) as asker:
        begun = time.perf_counter()
        temporary = file.with_suffix(".bare")
        temporary.write_text(head + "".join(f"{name} CNAME .\n" for name in some))
        temporary.replace(file)
        watch = Watch(endpoint)
        Rndc(endpoint, timeout_s=60).call(f'reload "{feed.policy.zone}"')
        assert watch.wait([feed.policy.zone], timeout_s=120)
        seconds = time.perf_counter() - begun
    return seconds, asker.longest


if __name__ == "__main__":
    sys.exit(main())
