"""The pages of a whole site while it takes in a big feed, beside the same pages when it has nothing to do.

`python -m benchmarks.feed_pages_bench [--domains N] [--rounds N]`. A real site with its private name server; somebody goes
from page to page, one request after the other with a pause between, first undisturbed, then while the feed is fetched,
compiled and read by `named`. Each round has another version of the list. The figures are 95th percentiles of all answers.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.feed_bench import Quiet, names
from tests.parts.json_client import JsonClient
from tests.parts.site import Site

PAGES = ("/", "/zones/", "/security/", "/queries/", "/alerts/")
PAUSE_S = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description="The pages of a site while it takes in a feed.")
    parser.add_argument("--domains", type=int, nargs="+", default=[100_000, 500_000])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dnsadmin-pages-") as directory:
        lists = Path(directory) / "lists"
        lists.mkdir()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(lists)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site = Site(Path(directory))
        try:
            site.prepare()
            site.start()
            for count in options.domains:
                measure(site, lists / f"{count}.txt", f"http://127.0.0.1:{server.server_port}/{count}.txt", options)
        finally:
            site.stop()
            server.shutdown()
    return 0


def measure(site: Site, file: Path, url: str, options: argparse.Namespace) -> None:
    count = int(file.stem)
    browser = JsonClient(site.url, {"Cookie": site.cookie("sam")})
    visit(browser, until_s(3))  # pages that are asked for the first time take longer
    file.write_text("\n".join(names(count, 0)) + "\n")
    fields = {"name": f"Feed {count}", "url": url, "format": "domains", "subdomains": False, "allow_private": True}
    feed = site.client("admin").post("/api/rpz/feeds/", fields).data
    idle, loading, loads = [], [], []
    for version in range(options.rounds):
        file.write_text("\n".join(names(count, version + 1)) + "\n")
        settled(site, feed["id"])
        idle += visit(browser, until_s(8))
        begun = time.perf_counter()
        asking = threading.Thread(target=refresh, args=(site, feed["id"]))
        asking.start()
        loading += visit(browser, stopped(asking))
        loads.append(time.perf_counter() - begun)
    quiet, busy = (statistics.quantiles(waits, n=20)[-1] for waits in (idle, loading))
    print(f"{count} domains, {options.rounds} rounds, in force after {statistics.median(loads):.1f} s: 95 of 100 pages")
    print(
        f"  within {quiet * 1000:.0f} ms when idle ({len(idle)} pages), {busy * 1000:.0f} ms meanwhile ({len(loading)}):"
    )
    print(f"  {busy / quiet:.2f} times", flush=True)


def visit(browser: JsonClient, over: Callable[[], bool]) -> list[float]:
    """Go from page to page until it is over; returns the seconds that each answer took."""
    waits = []
    while not over():
        for page in PAGES:
            begun = time.perf_counter()
            answer = browser.get(page)
            waits.append(time.perf_counter() - begun)
            assert answer.status == 200, f"{page} answers {answer.status}"
            time.sleep(PAUSE_S)
    return waits


def until_s(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def stopped(thread: threading.Thread) -> Callable[[], bool]:
    return lambda: not thread.is_alive()


def refresh(site: Site, feed: int) -> None:
    site.client("admin").post(f"/api/rpz/feeds/{feed}/refresh/", {})
    settled(site, feed)


def settled(site: Site, feed: int) -> dict[str, Any]:
    """Wait until the feed is as it is to stay; looks seldom, as that costs the site something too."""
    deadline = time.monotonic() + 120
    while True:
        found: dict[str, Any] = site.client("admin").get(f"/api/rpz/feeds/{feed}/").data
        if found["state"] == "current":
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
