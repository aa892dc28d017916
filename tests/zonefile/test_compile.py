"""`named-compilezone` in its child: what it complains of, in the lines of the text, and what it may not take."""

from __future__ import annotations

import pytest

from zones.zonefile import compile as compiling
from zones.zonefile.compile import Limits, compile_zone
from zones.zonefile.guard import guard
from zones.zonefile.problems import Problem, ZoneFileError

HEAD = b"$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"


def refusal(text: bytes) -> tuple[Problem, ...]:
    with pytest.raises(ZoneFileError) as refused:
        compile_zone(guard(text), "example.com")
    return refused.value.problems


@pytest.mark.parametrize(
    ("more", "line", "reason"),
    [
        (b"www A 192.0.2.400\n", 5, "near '192.0.2.400': bad dotted quad"),
        (b"\nwww A 192.0.2.4\nwww CNAME ns\n", 7, "www.example.com: CNAME and other data"),
        (b"www FOO bar\n", 5, "unknown RR type 'FOO'"),
        (b"$FOO bar\n", 5, "unknown $ directive '$FOO'"),
        (b'www TXT "open\n', 5, "unbalanced quotes"),
        (b"www TXT ( open\n", 6, "unbalanced parentheses"),
        (b"www CH TXT chaos\n", 5, "class 'CH' != zone class 'IN'"),
        (b"a..b A 192.0.2.1\n", 5, "empty label"),
        (b"@ NS elsewhere\n", 5, "NS 'elsewhere.example.com' has no address records (A or AAAA)"),
        (b"x" * 64 + b" A 192.0.2.1\n", 5, "label too long"),
        (b"; " + b"\xe9\n" + b"www TXT \xff\xfe \x1b[31m\n" + b"\x1b[31m A 192.0.2.400\n", 7, "bad dotted quad"),
    ],
)
def test_a_refusal_names_line_and_reason(more: bytes, line: int, reason: str) -> None:
    problems = refusal(HEAD + more)
    assert any(problem.line == line and reason in problem.reason for problem in problems), problems
    assert all(problem.reason.isprintable() for problem in problems)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "has 0 SOA records"),
        (b"$TTL 1\n@ SOA . . 1 1 1 1 1\n", "has no NS records"),
    ],
)
def test_what_is_wrong_with_the_zone_as_a_whole_has_no_line(text: bytes, reason: str) -> None:
    assert Problem(None, reason) in refusal(text)


def test_all_problems_are_told_at_once_but_not_thousands() -> None:
    assert [problem.line for problem in refusal(HEAD + b"a A x\nb A 192.0.2.1\nc A y\n")] == [5, 7]
    assert len(refusal(HEAD + b"a A x\n" * 50_000)) == 100


def test_warnings_do_not_refuse_and_are_kept() -> None:
    compiled = compile_zone(guard(HEAD + b"elsewhere.example.net. A 192.0.2.1\nwww MX 10 nowhere\n"), "example.com")
    assert compiled.warnings == (
        Problem(5, "ignoring out-of-zone data (elsewhere.example.net)"),
        Problem(6, "www.example.com/MX 'nowhere.example.com' has no address records (A or AAAA)"),
    )
    assert not any("elsewhere" in line for line in compiled.lines)


def test_warnings_are_not_given_as_the_reason_of_a_refusal() -> None:
    assert [problem.line for problem in refusal(HEAD + b"x.example.net. A 192.0.2.1\nwww A x\n")] == [6]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(cpu_s=1, wall_s=60, memory=2**32), "takes too long"),
        (Limits(cpu_s=60, wall_s=0.3, memory=2**32), "takes too long"),
        (Limits(cpu_s=60, wall_s=60, memory=150 * 2**20), "too much memory"),
    ],
)
def test_a_child_that_takes_too_much_is_ended(monkeypatch: pytest.MonkeyPatch, limits: Limits, reason: str) -> None:
    monkeypatch.setattr(Limits, "of", classmethod(lambda cls, text: limits))
    text = HEAD + b"".join(b"a%d A 192.0.2.1\n" % number for number in range(600_000))
    with pytest.raises(ZoneFileError, match=reason):
        compile_zone(text, "example.com")


def test_records_that_are_larger_than_their_text_end_at_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "MAX_OUTPUT", 2**20)
    text = HEAD + b"$ORIGIN " + b".".join([b"x" * 63] * 3) + b".example.com.\n" + b"a CNAME b\n"
    text += b"".join(b"a%d CNAME b\n" % number for number in range(5_000))
    with pytest.raises(ZoneFileError, match="more than 1 MiB"):
        compile_zone(text, "example.com")


def test_limits_grow_with_the_text() -> None:
    assert Limits.of(b"") == Limits(cpu_s=5, wall_s=30, memory=256 * 2**20)
    assert Limits.of(b"x" * 2**26).cpu_s == 69


def test_the_name_of_a_zone_cannot_become_an_option() -> None:
    assert compile_zone(HEAD, "-h").lines[0].startswith("-h.")
