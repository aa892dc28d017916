"""Looking a name up in the entries of a feed: a sorted file, searched by halves, so that many names cost no memory."""

from __future__ import annotations

import mmap
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from django.conf import settings

from security import triggers


class Entry(msgspec.Struct, frozen=True):
    """An entry of a feed. rdata: what its record says; empty for the usual, the name does not exist."""

    key: str
    since: date
    rdata: str


def directory() -> Path:
    """Where the entries of all feeds are kept."""
    path: Path = settings.DATA_DIR / "feeds"
    path.mkdir(mode=0o750, exist_ok=True)
    return path


def entries_file(feed_id: int) -> Path:
    return directory() / f"{feed_id}.entries"


def find(feed_id: int, name: str, *, subdomains: bool) -> Entry | None:
    """The entry that covers `name`: itself, or the nearest above it."""
    try:
        with open(entries_file(feed_id), "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for candidate in (name, *triggers.ancestors(name)):
                if found := _line(text, candidate.encode()):
                    return found
                if subdomains and candidate.startswith("*.") and (found := _line(text, candidate[2:].encode())):
                    return found
    except (FileNotFoundError, ValueError):  # none yet, or an empty one
        pass
    return None


def _line(text: mmap.mmap, key: bytes) -> Entry | None:
    low, high = 0, len(text)
    while low < high:
        middle = (low + high) // 2
        start = text.rfind(b"\n", low, middle) + 1 or low
        end = text.find(b"\n", start)
        here, since, rdata = text[start:end].split(b"\t", 2)
        if here == key:
            day = datetime.fromtimestamp(int(since) * 86_400, UTC).date()
            return Entry(key.decode(), day, rdata.decode())
        if here < key:
            low = end + 1
        else:
            high = start
    return None
