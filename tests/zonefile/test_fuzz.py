"""Whatever is uploaded: no crash, no hang, and the verdict of `named` itself, but for refusals that are documented."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zonefile.strategies import LABELS, NAMES, RDATA
from zones.zonefile.compile import program
from zones.zonefile.problems import Problem, ZoneFileError
from zones.zonefile.read import read_zone_file

DOCUMENTED = re.compile(
    r"\$INCLUDE is not allowed|NUL byte|in UTF-16|more than 1,000,000 lines|larger than 64 MiB"
    r"|\$GENERATE needs a range|\$GENERATE would make|invalid range|may be at most 127|a directive inside \$GENERATE"
    # records that the site could not read back from the name server, or that this drops without a word
    r"|a DS belongs to a delegation"
    r"|GPOS: |AMTRELAY: |URI: URI target cannot be empty|(?:SVCB|HTTPS): invalid ECHConfigList"
)
"""Reasons for which a text is refused that `named` would take (`zones.zonefile.guard`, `zones.zonefile.read`)."""


def named_accepts(text: bytes, zone: str) -> bool:
    """The verdict of the real program, with nothing of ours in between."""
    command = [program("named-compilezone"), "-i", "local", "-k", "ignore", "-o", "/dev/null", f"{zone}.", "/dev/stdin"]
    return subprocess.run(command, input=text, capture_output=True).returncode == 0


def same_verdict(text: bytes, zone: str) -> bool:
    """Read a text and compare with `named`; answers whether it was accepted."""
    problems: Sequence[Problem] = ()
    try:
        read_zone_file(text, zone)
    except ZoneFileError as error:
        problems = error.problems
    assert all(problem.reason and problem.reason.isprintable() for problem in problems)
    if not any(DOCUMENTED.search(problem.reason) for problem in problems):
        assert named_accepts(text.removeprefix(b"\xef\xbb\xbf"), zone) is not bool(problems), problems
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
@settings(max_examples=400)
def test_a_damaged_zone_file_gets_the_verdict_of_named(text: bytes) -> None:
    same_verdict(text, "example.com")


@given(st.binary(max_size=2000))
@settings(max_examples=100)
def test_random_octets_are_refused(text: bytes) -> None:
    assert not same_verdict(text, "example.com")
