"""What the guard lets through to `named-compilezone`, what it refuses, and that nothing can be smuggled past it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zones.zonefile.compile import compile_zone, program
from zones.zonefile.guard import MAX_BYTES, MAX_GENERATED, MAX_LINES, guard
from zones.zonefile.problems import Problem, ZoneFileError

HEAD = b"$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"


def problems_of(text: bytes) -> list[Problem]:
    with pytest.raises(ZoneFileError) as refused:
        guard(text)
    return list(refused.value.problems)


# -- $INCLUDE -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"$INCLUDE /etc/passwd\n",
        b"$include /etc/passwd",
        b"$InClUdE\t/etc/passwd\n",
        b" \t $INCLUDE /etc/passwd\n",
        b'"$INCLUDE" /etc/passwd\n',
        b"( $INCLUDE /etc/passwd )\n",
        b"()$INCLUDE /etc/passwd\n",
        b"\xef\xbb\xbf$INCLUDE /etc/passwd\n",
        b"$INCLUDE ../../etc/passwd sub.example.com.\n",
        b"www A 192.0.2.1\r$INCLUDE /etc/passwd\r",
        b"$INCLUDE(\n/etc/passwd )\n",
        b"$INCLUDE;comment\n",
    ],
)
def test_include_is_refused_however_it_is_written(text: bytes) -> None:
    assert [problem.reason for problem in problems_of(text)] == [
        "$INCLUDE is not allowed: put the records into this file"
    ]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_line_of_each_include_is_told(line_end: bytes) -> None:
    text = line_end.join(
        [b"; a comment (", b'@ TXT ( "a"', b'"b" )', b"", b"$INCLUDE a", b'x TXT "\\', b'"', b"$include b", b""]
    )
    assert [problem.line for problem in problems_of(text)] == [5, 8]


@pytest.mark.parametrize(
    "text",
    [
        b"; $INCLUDE /etc/passwd\n",
        b"www A 192.0.2.1 ; $INCLUDE /etc/passwd\r\n",
        b'www TXT "$INCLUDE /etc/passwd"\n',
        b"www TXT $INCLUDE\n",
        b"www TXT (\n$INCLUDE )\n",
        b'www TXT "a\\\n$INCLUDE b"\n',
        b"$ORIGIN $include\n",
        b"a$include A 192.0.2.1\n",
        b"\\$INCLUDE A 192.0.2.1\n",
        b'www TXT "$GENERATE 0-9999999 is no bomb here"\n',
    ],
)
def test_the_word_where_it_is_no_directive_is_kept_with_its_meaning(text: bytes) -> None:
    """Its dollar is escaped, so that BIND cannot take it for a directive either; that changes nothing in the zone."""
    passed = guard(text)
    assert passed.replace(b"\\$", b"$") == text.replace(b"\\$", b"$")
    assert passed.count(b"\n") == text.count(b"\n")
    for word in (b"$INCLUDE", b"$GENERATE"):
        at = passed.upper().find(word)
        assert at < 0 or passed[at - 1 : at] == b"\\"


def test_a_txt_about_include_reads_as_it_was_written() -> None:
    text = HEAD + b'www TXT "use $INCLUDE" $include ; $INCLUDE /etc/passwd\n'
    assert any(line.endswith('"use $INCLUDE" "$include"') for line in compile_zone(guard(text), "example.com").lines)


PIECES = [
    b"$INCLUDE",
    b"$include",
    b"INCLUDE",
    b"$",
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"(",
    b")",
    b'"',
    b";",
    b"\\",
    b"\0",
    b"\x0b",
    b"@",
    b"www",
    b"TXT",
    b"A",
    b"IN",
    b"$ORIGIN",
    b"$TTL",
    b"$GENERATE",
    b"1-2",
    b"300",
    b"\\\n",
    b"\xef\xbb\xbf",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=25))
@settings(max_examples=400)
@example([b"www A ", b'"', b"\\\n", b"$INCLUDE"])
@example([b"www ", b"TXT ", b'"', b"\n", b"$INCLUDE"])
@example([b"www ", b"A ", b"(", b"\r", b")", b")", b"\n", b"\\", b"\\", b"$INCLUDE"])
def test_no_text_makes_bind_open_another_file(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    """Whatever passes the guard is given to the real program with a bait next to it, whose contents BIND would print."""
    directory = _bait(tmp_path_factory)
    text = HEAD + b"".join(pieces).replace(b"$INCLUDE", b"$INCLUDE bait ").replace(b"$include", b"$include bait ")
    try:
        passed = guard(text)
    except ZoneFileError:
        return
    done = subprocess.run(
        [program("named-compilezone"), "-k", "ignore", "-o", "-", "example.com.", "/dev/stdin"],
        input=passed,
        capture_output=True,
        cwd=directory,
        timeout=20,
    )
    assert b"SECRET" not in done.stdout + done.stderr
    assert b"bait:" not in done.stderr


def test_the_bait_of_the_test_above_works(tmp_path_factory: pytest.TempPathFactory) -> None:
    done = subprocess.run(
        [program("named-compilezone"), "-k", "ignore", "-o", "-", "example.com.", "/dev/stdin"],
        input=HEAD + b"$INCLUDE bait\n",
        capture_output=True,
        cwd=_bait(tmp_path_factory),
        timeout=20,
    )
    assert b"SECRET" in done.stderr
    assert b"bait:" in done.stderr


def _bait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.getbasetemp() / "bait"
    if not directory.exists():
        directory.mkdir()
        (directory / "bait").write_text("root SECRET here\n")
    return directory


# -- $GENERATE ------------------------------------------------------------------------------------------------------------


def test_generate_makes_its_records() -> None:
    text = HEAD + b'$GENERATE 1-3 host-${0,3,d} A 10.0.0.$\n$generate 0-20/5 net-$ MX "10 host-$"\n'
    lines = compile_zone(guard(text), "example.com").lines
    assert sum("host-00" in line for line in lines) == 3
    assert sum("net-" in line for line in lines) == 5


@pytest.mark.parametrize(
    ("directive", "reason"),
    [
        (b"$GENERATE 0-2147483647 a$ A 192.0.2.1", "would make 2,147,483,648 records"),
        (b"$GENERATE 1-65537 a$ A 192.0.2.1", "would make 65,537 records"),
        (b"$GENERATE 5-1 a$ A 192.0.2.1", "invalid range '5-1'"),
        (b"$GENERATE 1-5/0 a$ A 192.0.2.1", "invalid range '1-5/0'"),
        (b"$GENERATE 4294967295-4294967296 a$ A 192.0.2.1", "invalid range"),
        (b"$GENERATE 1-1 ${0,128,d} A 192.0.2.1", "127 characters wide"),
        (b"$GENERATE 1-1 ${0,4294967295,n} A 192.0.2.1", "127 characters wide"),
        (b"$GENERATE 1-1 ${0," + b"9" * 9999 + b"} A 192.0.2.1", "127 characters wide"),
        (b'$GENERATE 1-1 a$ TXT "${0, -1,n}"', "127 characters wide"),
        (b"$GENERATE ( 1-1 ) a$ A 192.0.2.1", "needs a range"),
        (b"$GENERATE ;\n 1-1 a$ A 192.0.2.1", "needs a range"),
        (b'"$GENERATE" 1-1 a$ A 192.0.2.1', "needs a range"),
        (b"$GENERATE 1-99999999999 a$ A 192.0.2.1", "needs a range"),
        (b"$GENERATE 1-1 $GENERATE A 192.0.2.1", "a directive inside $GENERATE"),
        (b"$GENERATE 1-1 $INCLUDE A 192.0.2.1", "a directive inside $GENERATE"),
    ],
)
def test_a_generate_that_explodes_or_hides_is_refused_at_once(directive: bytes, reason: str) -> None:
    began = time.process_time()
    problems = problems_of(HEAD + directive + b"\n")
    assert problems[0].line == 5
    assert reason in problems[0].reason
    assert time.process_time() - began < 1, "counted, not expanded"


def test_many_small_generates_count_together() -> None:
    text = b"".join(b"$GENERATE 1-1000 a%d-$ A 192.0.2.1\n" % number for number in range(100))
    assert problems_of(text)[0].line == MAX_GENERATED // 1000 + 1


def test_as_many_generated_records_as_allowed_are_quick() -> None:
    text = HEAD + b"$GENERATE 1-65536 a${0,100,n} TXT ${0,127,d}\n"
    began = time.monotonic()
    problem_free = compile_zone(guard(text.replace(b"${0,100,n}", b"-$")), "example.com")
    assert len(problem_free.lines) == MAX_GENERATED + 3
    assert time.monotonic() - began < 20


# -- the bounds of a text -----------------------------------------------------------------------------------------------


def test_a_text_that_is_too_large_is_refused() -> None:
    assert problems_of(b"\n" * (MAX_BYTES + 1))[0].reason == "larger than 64 MiB"
    assert problems_of(b"\n" * (MAX_LINES + 1))[0] == Problem(1_000_001, "more than 1,000,000 lines")
    assert guard(b"\r\n" * MAX_LINES) == b"\r\n" * MAX_LINES


def test_what_is_no_text_is_refused() -> None:
    assert problems_of(HEAD + b"www\0 A 192.0.2.1\n")[0].line == 5
    assert "UTF-16" in problems_of("$TTL 300\n".encode("utf-16"))[0].reason


@pytest.mark.parametrize("filling", [b"()", b'"', b"(", b'"\\', b"; \r", b"\r"])
def test_a_large_text_full_of_punctuation_does_not_take_forever(filling: bytes) -> None:
    began = time.process_time()
    try:
        guard(filling * (MAX_BYTES // len(filling) - 10) + b"\n$INCLUDE x")
    except ZoneFileError:
        pass
    assert time.process_time() - began < 15, "seconds; some three are usual"
