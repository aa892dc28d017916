"""Searches the query log backwards. The log is the store of recent queries: it is there already, exact, bounded by `named`'s
own rotation, and costs nothing until somebody asks.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from zones.nameserver.query_log import PolicyHit, Query, Unreadable, moment, own_apart, parse_hits, parse_queries

BLOCK = 256 * 1024
ACTED_WITHIN = timedelta(seconds=5)
"""How long after a query a response policy may act on it: when the answer has come back."""


class Cursor(NamedTuple):
    """Where a search goes on: in the file of this inode, before this offset, after so many that were found in that block."""

    inode: int
    offset: int
    taken: int

    def __str__(self) -> str:
        return f"{self.inode:x}-{self.offset:x}-{self.taken:x}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises `ValueError`."""
        inode, offset, taken = (int(part, 16) for part in text.split("-"))
        return cls(inode, offset, taken)


class Found(NamedTuple):
    """A query and what became of it. at: its time."""

    query: Query
    outcome: str
    at: datetime


class Outcome(NamedTuple):
    """found: newest first. matched: how many match in all that was looked at. back_to: time of the oldest query that was
    looked at. complete: whether that was all there is. after: where to go on, if there may be more."""

    found: list[Found]
    matched: int
    back_to: datetime | None
    complete: bool
    after: Cursor | None


Wanted = Callable[[Query, str], bool]


def search(
    log_dir: Path,
    wanted: Wanted,
    *,
    needle: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
    before: Cursor | None = None,
    limit: int = 100,
    patience_s: float = 1.5,
    own_key: str = "",
) -> Outcome:
    """The newest queries that are wanted, from `start` until before `end`, at most `limit`; older ones than those are counted
    for as long as the patience lasts. needle: text that every wanted line holds, in lower case, which makes it fast.
    own_key: name of the site's key; what it asked itself is not looked at.

    Raises `OSError` when the log cannot be read, and `LookupError` when the file that `before` points to is gone.
    """
    found: list[Found] = []
    matched, back_to, after = 0, None, None
    give_up = time.monotonic() + patience_s
    acted = _ActedOn(log_dir)
    passed_over = needle.encode()
    for inode, at, block in _blocks(log_dir / "query.log", before):
        if time.monotonic() > give_up and (found or matched or back_to):
            return Outcome(found, matched, back_to, False, after or Cursor(inode, at, 0))
        first_at = _first_time(block)
        back_to = first_at or back_to
        if end is not None and first_at is not None and first_at >= end:
            continue
        skip = before.taken if before is not None and (inode, at) == (before.inode, before.offset) else 0
        here = 0
        if not passed_over or passed_over in block.lower():
            _, others = own_apart(block, own_key)
            queries = list(parse_queries(others, Unreadable()))
            outcome_of = acted.between(first_at, _time(queries[-1]) if queries else None)
            for query in reversed(queries):
                query_at = _time(query)
                if (end is not None and query_at >= end) or (start is not None and query_at < start):
                    continue
                if not wanted(query, outcome := outcome_of(query, query_at)):
                    continue
                here += 1
                if here <= skip:
                    continue
                matched += 1
                if len(found) < limit:
                    found.append(Found(query, outcome, query_at))
                    if len(found) == limit:
                        after = Cursor(inode, at, here)
        if start is not None and first_at is not None and first_at < start:
            break
    more = matched > len(found)
    return Outcome(found, matched, back_to, True, after if more else None)


def _blocks(log: Path, before: Cursor | None) -> Iterator[tuple[int, int, bytes]]:
    """Blocks of whole lines, backwards through the log and its rotated files: inode, offset of the block's end, lines."""
    started = before is None
    for path in _newest_first(log):
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if path == log and before is None:
                raise
            continue  # rotated away meanwhile
        with contextlib.closing(os.fdopen(file, "rb", buffering=0)) as opened:
            status = os.fstat(opened.fileno())
            end = status.st_size
            if not started:
                assert before is not None
                if status.st_ino != before.inode:
                    continue
                started, end = True, min(before.offset, end)
            while end > 0:
                begin = max(0, end - BLOCK)
                data = os.pread(opened.fileno(), end - begin, begin)
                if begin:  # what is before the first line break belongs to the block before
                    cut = data.find(b"\n") + 1
                    begin, data = begin + cut, data[cut:]
                    if not data:
                        break  # a line of that length is none
                yield status.st_ino, end, data if data.endswith(b"\n") else data[: data.rfind(b"\n") + 1]
                end = begin
    if not started:
        raise LookupError("the part of the log that the search had come to is gone")


def _newest_first(log: Path) -> list[Path]:
    numbered = [(int(p.suffix[1:]), p) for p in log.parent.glob(f"{log.name}.*") if p.suffix[1:].isdigit()]
    return [log, *(path for _, path in sorted(numbered))]


def _time(query: Query | PolicyHit) -> datetime:
    try:
        return moment(query.time)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _first_time(block: bytes) -> datetime | None:
    first = parse_queries(block[: block.find(b"\n") + 1], Unreadable())
    return _time(next(iter(first))) if first else None


class _ActedOn:
    """What response policies did, read backwards from their own log as far as it is needed."""

    def __init__(self, log_dir: Path) -> None:
        self._blocks = _blocks(log_dir / "rpz.log", None)
        self._hits: list[tuple[datetime, PolicyHit]] = []
        self._back_to: datetime | None = None
        self._at_the_end = False

    def between(self, first: datetime | None, last: datetime | None) -> Callable[[Query, datetime], str]:
        """A function that tells what became of the queries between these times."""
        if first is not None:
            self._read_back_to(first)
        if last is not None:
            self._hits = [each for each in self._hits if each[0] <= last + ACTED_WITHIN]
        acted: dict[tuple[str, str, str, str], list[tuple[datetime, str]]] = {}
        for at, hit in self._hits:
            if not hit.trial:
                acted.setdefault((hit.client, hit.port, hit.name, hit.type), []).append((at, hit.outcome))

        def outcome(query: Query, at: datetime) -> str:
            hits = acted.get((query.client, query.port, query.name, query.type), ())
            return next((word for hit_at, word in hits if at <= hit_at <= at + ACTED_WITHIN), "allowed")

        return outcome

    def _read_back_to(self, first: datetime) -> None:
        while not self._at_the_end and (self._back_to is None or self._back_to >= first):
            try:
                _, _, block = next(self._blocks)
            except (StopIteration, FileNotFoundError):
                self._at_the_end = True
                return
            hits = [(_time(hit), hit) for hit in parse_hits(block, Unreadable())]
            self._hits = hits + self._hits
            if hits:
                self._back_to = hits[0][0]
