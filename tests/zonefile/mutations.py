"""Zone texts that nobody would write on purpose: those of other projects, cut up, mixed and damaged."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import cache

from tests.zonefile import corpora
from zones.nameserver.errors import BadName
from zones.nameserver.hosting import checked_name
from zones.zonefile.origin import origin_of

MOST_BYTES = 8000
"""Of a text that is taken for a start; larger ones have nothing that these lack."""

WORDS = [
    *[b"$ORIGIN", b"$TTL", b"$INCLUDE", b"$GENERATE", b"$DATE", b"@", b".", b"*", b"IN", b"CH", b"HS", b"ANY", b"IN A"],
    *[b"A", b"AAAA", b"CNAME", b"DNAME", b"NS", b"SOA", b"MX", b"TXT", b"SRV", b"DS", b"PTR", b"CAA", b"LOC", b"HTTPS"],
    *[b"TYPE65280", b"TYPE1", b"TYPE0", b"TYPE65535", b"TYPE99999", b"CLASS1", b"CLASS3", b"\\# 0", b"\\# 4 0a000001"],
    *[b"0", b"-1", b"1w2d3h", b"65535", b"65536", b"2147483647", b"2147483648", b"4294967295", b"4294967296", b"0x10"],
    *[
        b"192.0.2.1",
        b"192.0.2.256",
        b"2001:db8::1",
        b"::",
        b"1.2.3",
        b"ns",
        b"ns.example.net.",
        b"a..b",
        b".a",
        b"a.b.c.",
    ],
    *[
        b"x" * 63,
        b"x" * 64,
        b".".join([b"y" * 63] * 4),
        b"xn--bcher-kva",
        "bücher".encode(),
        b"\xff",
        b"a\\.b",
        b"\\097",
    ],
    *[
        b'""',
        b'"a b"',
        b'"',
        b'"' + b"t" * 255 + b'"',
        b'"' + b"t" * 256 + b'"',
        b"\\",
        b"\\256",
        b"\\1",
        b";",
        b"(",
        b")",
    ],
    *[
        b"( ; c\n )",
        b"\n",
        b"\r\n",
        b"\r",
        b"\n\n",
        b"\t",
        b" ",
        b"\0",
        b"\x0b",
        b"\xef\xbb\xbf",
        b"$",
        b"1-3",
        b"0-9/3",
    ],
    *[b"\n@ IN NS ns\n", b"\nns A 192.0.2.1\n", b"\n* NS ns\n", b"\nx CNAME @\n", b"\nx DNAME y\n", b"\n@ CNAME x\n"],
    *[
        b"\nx DS 1 13 2 " + b"ab" * 32 + b"\n",
        b"\nsub NS ns.sub\n",
        b"\nx A 192.0.2.1\nx CNAME y\n",
        b"\n@ 0 IN SOA a b 1 2 3 4 5\n",
    ],
]

_PIECE = re.compile(rb"[^ \t\r\n;()\"]+|[ \t]+|.", re.DOTALL)


@cache
def originals() -> tuple[tuple[str, bytes], ...]:
    """Zone name and text of what other projects have, each once, in one order; what has no name of a zone is `example`."""
    found = {}
    for foreign in (*corpora.dnspython(), *corpora.octodns(), *corpora.bind()):
        if len(foreign.text) <= MOST_BYTES:
            found.setdefault(foreign.text, _name(origin_of(foreign.text)))
    return tuple((zone, text) for text, zone in found.items())


def _name(found: str | None) -> str:
    try:
        return checked_name(found or "example")
    except BadName:
        return "example"


def mutated(number: int) -> tuple[str, bytes]:
    """Zone name and text number `number`: the same each time."""
    chance = random.Random(number)
    zone, text = chance.choice(originals())
    for _ in range(chance.choice([1, 1, 1, 2, 3, 6])):
        text = chance.choice(_WAYS)(chance, text)
    return zone, text[: 4 * MOST_BYTES]


def _octet(chance: random.Random, text: bytes) -> bytes:
    place = chance.randint(0, len(text))
    return text[:place] + bytes([chance.randrange(256)]) + text[place + chance.randint(0, 1) :]


def _cut(chance: random.Random, text: bytes) -> bytes:
    place = chance.randint(0, len(text))
    return text[:place] + text[place + chance.randint(1, 12) :]


def _end(chance: random.Random, text: bytes) -> bytes:
    return text[: chance.randint(0, len(text))]


def _pieces(text: bytes) -> list[bytes]:
    return _PIECE.findall(text)


def _word(chance: random.Random, text: bytes) -> bytes:
    """A word in the place of another, or between two."""
    pieces = _pieces(text) or [b""]
    place = chance.randrange(len(pieces))
    pieces[place : place + chance.randint(0, 1)] = [chance.choice(WORDS)]
    return b"".join(pieces)


def _swap(chance: random.Random, text: bytes) -> bytes:
    pieces = _pieces(text) or [b""]
    one, other = chance.randrange(len(pieces)), chance.randrange(len(pieces))
    pieces[one], pieces[other] = pieces[other], pieces[one]
    return b"".join(pieces)


def _line(chance: random.Random, text: bytes) -> bytes:
    """A line gone, twice, or somewhere else."""
    lines = text.splitlines(keepends=True) or [b""]
    line = lines[chance.randrange(len(lines))]
    if chance.random() < 0.7:
        lines.remove(line)
    for _ in range(chance.randint(0, 2)):
        lines.insert(chance.randint(0, len(lines)), line)
    return b"".join(lines)


def _borrowed(chance: random.Random, text: bytes) -> bytes:
    """Some lines of another project's zone among these."""
    lines, others = text.splitlines(keepends=True), chance.choice(originals())[1].splitlines(keepends=True)
    start = chance.randint(0, len(others))
    place = chance.randint(0, len(lines))
    lines[place:place] = others[start : start + chance.randint(1, 8)]
    return b"".join(lines)


def _case(chance: random.Random, text: bytes) -> bytes:
    return chance.choice([bytes.swapcase, bytes.upper, lambda given: given.replace(b"\n", b"\r\n")])(text)


_WAYS: Sequence = (_octet, _octet, _cut, _word, _word, _word, _swap, _line, _line, _borrowed, _borrowed, _end, _case)
