"""Specification of looking back: the log searched backwards, through rotated files, with what policies did."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.monitoring.test_query_counts import append, blocked, query
from zones.nameserver import query_search
from zones.nameserver.query_search import Cursor, search


@pytest.fixture
def log_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """1000 queries over three files, in blocks that are much smaller than usual."""
    monkeypatch.setattr(query_search, "BLOCK", 4096)
    for n in range(1000):
        name = "query.log.1" if n < 300 else "query.log.0" if n < 700 else "query.log"
        at = f"21:{n // 60:02}:{n % 60:02}.000"
        append(tmp_path, query(n, name=f"n{n}.{'odd' if n % 2 else 'even'}.example", at=at), name)
    return tmp_path


def names(found: query_search.Outcome) -> list[str]:
    return [each.query.name for each in found.found]


def test_the_newest_come_first(log_dir: Path) -> None:
    found = search(log_dir, lambda query, outcome: True, limit=3, patience_s=30)
    assert names(found) == ["n999.odd.example", "n998.even.example", "n997.odd.example"]
    assert (found.matched, found.complete) == (1000, True)


def test_own_checks_are_not_among_what_was_asked(log_dir: Path) -> None:
    append(log_dir, query(1, name="own.example", signed="site-key"))
    found = search(log_dir, lambda query, outcome: True, limit=1, patience_s=30, own_key="site-key")
    assert (names(found), found.matched) == (["n999.odd.example"], 1000)


def test_pages_lead_through_all_files_without_a_hole_or_a_repeat(log_dir: Path) -> None:
    seen: list[str] = []
    after: Cursor | None = None
    while True:
        found = search(
            log_dir, lambda query, outcome: "odd" in query.name, needle="odd", before=after, limit=37, patience_s=30
        )
        seen += names(found)
        append(log_dir, query(1, name="new.odd.example", at="23:00:00.000"))  # the log goes on meanwhile
        if (after := found.after) is None:
            break
        after = Cursor.parse(str(after))
    assert seen == [f"n{n}.odd.example" for n in range(999, 0, -2)]


def test_a_search_whose_patience_ends_says_how_far_it_came_and_can_go_on(log_dir: Path) -> None:
    seen: list[str] = []
    after: Cursor | None = None
    rounds = 0
    while True:
        found = search(log_dir, lambda query, outcome: True, before=after, limit=10_000, patience_s=0)
        seen += names(found)
        rounds += 1
        if (after := found.after) is None:
            break
        assert not found.complete
    assert rounds > 5
    assert seen == [f"n{n}.{'odd' if n % 2 else 'even'}.example" for n in range(999, -1, -1)]


def test_a_stretch_of_time_is_cut_out(log_dir: Path) -> None:
    start, end = datetime(2026, 11, 22, 21, 5, 0, tzinfo=UTC), datetime(2026, 11, 22, 21, 5, 3, tzinfo=UTC)
    found = search(log_dir, lambda query, outcome: True, start=start, end=end, patience_s=30)
    assert names(found) == ["n302.even.example", "n301.odd.example", "n300.even.example"]
    assert found.complete


def test_what_policies_did_is_joined(log_dir: Path) -> None:
    append(log_dir, blocked(500, name="n500.even.example", at="21:08:20.001"), "rpz.log")
    append(log_dir, blocked(501, name="n501.odd.example", at="21:10:00.000"), "rpz.log")  # much later, same port
    found = search(log_dir, lambda query, outcome: outcome == "blocked", patience_s=30)
    assert names(found) == ["n500.even.example"]


def test_a_place_in_a_file_that_is_gone_is_told(log_dir: Path) -> None:
    with pytest.raises(LookupError):
        search(log_dir, lambda query, outcome: True, before=Cursor(1, 100, 0))


@pytest.mark.parametrize("text", ["", "x", "1-2", "1-2-3-4", "1-2-z"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Cursor.parse(text)
