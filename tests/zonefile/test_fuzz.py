"""Whatever is uploaded: no crash, no hang, and the verdict of `named` itself, but for refusals that are documented."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.parts.site import CHECKOUT
from tests.zonefile.mutations import mutated
from tests.zonefile.strategies import LABELS, NAMES, RDATA
from zones.importing import preview
from zones.zonefile.compile import program
from zones.zonefile.problems import Problem, ZoneFileError
from zones.zonefile.read import read_zone_file

REFUSALS = (CHECKOUT / "docs" / "reference" / "zone-files.md").read_text()
DOCUMENTED = re.compile(
    "|".join(
        f"^{'.*'.join(map(re.escape, words.split('…')))}$"
        for words in chain.from_iterable(
            re.findall(r"`(.*?)`", line) for line in re.findall(r"^\| (`.*?`) \|", REFUSALS, re.MULTILINE)
        )
    )
)
"""Reasons for which a text is refused that `named` would take: the list that people read."""


def named_accepts(text: bytes, zone: str) -> bool:
    """The verdict of the real program, with nothing of ours in between."""
    command = [program("named-checkzone"), "-q", "-i", "none", f"{zone}.", "/dev/stdin"]
    return subprocess.run(command, input=text.removeprefix(b"\xef\xbb\xbf"), capture_output=True).returncode == 0


def same_verdict(text: bytes, zone: str) -> bool:
    """Read a text and compare with `named`; answers whether it was accepted."""
    problems: Sequence[Problem] = ()
    try:
        read_zone_file(text, zone)
    except ZoneFileError as error:
        problems = error.problems
    assert all(problem.reason and problem.reason.isprintable() for problem in problems)
    if not any(DOCUMENTED.search(problem.reason) for problem in problems):
        assert named_accepts(text, zone) is not bool(problems), problems
    return not problems


HEAD = b"$TTL 300\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"

BLANKS = st.sampled_from([b" ", b"\t", b" \t "])
AROUND = st.sampled_from(
    [(b"", b""), (b"", b" ; comment ("), (b"(", b")"), (b"(\n ", b" ; comment )\n)"), (b"( ", b"\r\n\t)")]
)
ODDITIES = st.sampled_from(
    [
        *[bytes([octet]) for octet in b'();"\\$@.*\r\n\t \0\x0b\x0c\x1a\x1c\x85\xa0\xff'],
        *[
            b"$INCLUDE ",
            b"$GENERATE 1-3 ",
            b"$GENERATE 3/",
            b"$ORIGIN ",
            b"$TTL ",
            b"$DATE 20260101000000",
            b"${0,3,d}",
        ],
        *[
            b"\\000",
            b"\\255",
            b"\\256",
            b"\\1",
            b"\r\n",
            b"\xef\xbb\xbf",
            b"\xe2\x80\xa8",
            b"IN",
            b"CH",
            b"1w2d",
            b"\\# 0",
        ],
        *[b"99999999999", b"-1", b"TYPE65535", b"GPOS", b'""', b"$INCLUDEX", b"$GENERATEX 1-2 a A 192.0.2.1\n"],
    ]
)


@st.composite
def entries(draw: st.DrawFn) -> bytes:
    """A record as somebody may write it."""
    kind = draw(st.sampled_from(sorted(RDATA)))
    owner = draw(st.sampled_from(["", "@"]) | LABELS | NAMES)
    before, after = draw(AROUND)
    parts = [owner, draw(st.sampled_from(["", "300", "IN", "IN 1h", "1h IN"])), kind]
    line = draw(BLANKS).join(part.encode() for part in parts)
    return line + b" " + before + draw(RDATA[kind]).encode() + after + draw(st.sampled_from([b"\n", b"\r\n"]))


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """A zone file, most likely damaged in a few places."""
    text = bytearray(draw(st.sampled_from([HEAD, HEAD.replace(b"\n", b"\r\n")])))
    for entry in draw(st.lists(entries(), max_size=6)):
        text += entry
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 4]))):
        place = draw(st.integers(0, len(text)))
        text[place : place + draw(st.integers(0, 3))] = draw(ODDITIES | st.binary(max_size=2))
    return bytes(text)


@given(texts())
@settings(max_examples=150)
def test_a_damaged_zone_file_gets_the_verdict_of_named(text: bytes) -> None:
    same_verdict(text, "example.com")


@given(st.binary(max_size=2000))
@settings(max_examples=50)
def test_random_octets_are_refused(text: bytes) -> None:
    assert not same_verdict(text, "example.com")


@pytest.mark.django_db
@pytest.mark.timeout(300)
def test_mutations_of_the_zones_of_other_projects_get_the_verdict_of_named() -> None:
    judge(range(150))


@pytest.mark.soak
@pytest.mark.django_db
@pytest.mark.timeout(7200)
def test_twenty_thousand_mutations_get_the_verdict_of_named() -> None:
    print(judge(range(20_000)))  # noqa: T201  # the figures of `make soak`


def judge(numbers: range) -> Counter[str]:
    """Hold our verdict about these texts, with the rules for records, against that of `named-checkzone -i none`."""
    counted: Counter[str] = Counter()
    wrong = []
    with ThreadPoolExecutor(2) as pool:
        for number, theirs in zip(
            numbers, pool.map(lambda number: named_accepts(*mutated(number)[::-1]), numbers), strict=True
        ):
            zone, text = mutated(number)
            try:
                preview(text, zone)
                ours, reasons = True, []
            except ZoneFileError as error:
                ours, reasons = False, [problem.reason for problem in error.problems]
                assert reasons
            documented = any(DOCUMENTED.search(reason) for reason in reasons)
            counted[
                "accepted" if ours else "refused for a documented reason" if documented and theirs else "refused"
            ] += 1
            if ours is not theirs and not documented:
                wrong.append(f"{number} ({zone}): named-checkzone says {theirs}, we say {ours} {reasons[:3]}")
    assert not wrong, f"{len(wrong)} of {len(numbers)}:\n" + "\n".join(wrong[:100])
    assert min(counted["accepted"], counted["refused"]) > len(numbers) // 5, counted
    return counted
