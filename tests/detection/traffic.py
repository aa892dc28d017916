"""Lines of a query log as `named` writes them, for the detectors."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from zones.nameserver.query_log import Queries, Unreadable, parse_queries

BEGIN = datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC)

WORDS = (
    *(
        "mail",
        "www",
        "api",
        "static",
        "images",
        "cdn",
        "login",
        "shop",
        "news",
        "blog",
        "video",
        "music",
        "maps",
        "cloud",
    ),
    *("backup", "store", "account", "support", "update", "download", "forum", "wiki", "status", "search", "office"),
    *("photo", "weather", "travel", "sport", "health", "school", "library", "museum", "garden", "kitchen"),
)


def queries(asked: Iterable[tuple[float, str, str]], qtype: str = "A") -> Queries:
    """`(second, client, name)` each, through the parser."""
    lines = []
    for second, client, name in asked:
        at = (BEGIN + timedelta(seconds=second)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines.append(
            f"{at} queries: info: client @0x7f0 {client}#5353 ({name}): query: {name} IN {qtype} +E(0)K (127.0.0.1)\n"
        )
    unreadable = Unreadable()
    found = parse_queries("".join(lines).encode(), unreadable)
    assert unreadable.count == 0, unreadable.samples
    return found


def everyday(seconds: int, per_s: int, seed: int = 1) -> list[tuple[float, str, str]]:
    """What people ask for: two hundred clients, some thousand names, most of them again and again."""
    drawn = random.Random(seed)
    names = [
        f"{drawn.choice(WORDS)}.{drawn.choice(WORDS)}{drawn.choice(WORDS)}.{tld}"
        for tld in ("com", "org", "co.uk")
        for _ in range(700)
    ]
    names += [f"{drawn.choice(WORDS)}{n}.{drawn.choice(WORDS)}.example.net" for n in range(300)]
    clients = [f"10.0.{n // 100}.{n % 100 + 1}" for n in range(200)]
    return [(n / per_s, drawn.choice(clients), drawn.choice(names)) for n in range(seconds * per_s)]


def tunnel(
    count: int, seconds: int, domain: str = "t.evil.example", client: str = "10.9.9.9", seed: int = 2
) -> list[tuple[float, str, str]]:
    """Random data in base 32, as iodine and dnscat write it."""
    drawn = random.Random(seed)
    made = []
    for n in range(count):
        text = base64.b32encode(drawn.randbytes(60)).decode().rstrip("=").lower()
        made.append((n * seconds / count, client, f"{text[:48]}.{text[48:]}.{domain}"))
    return made


def made_up(count: int, seconds: int, client: str = "10.8.8.8", seed: int = 3) -> list[tuple[float, str, str]]:
    """Domains of a generator: twelve to eighteen random letters."""
    drawn = random.Random(seed)
    labels = ["".join(drawn.choices("abcdefghijklmnopqrstuvwxyz", k=drawn.randint(12, 18))) for _ in range(count)]
    return [
        (n * seconds / count, client, f"{label}.{drawn.choice(('com', 'net', 'info'))}")
        for n, label in enumerate(labels)
    ]
