"""The look at a zone file before anything else reads it: what would open files or make it explode is refused here.

`named-compilezone` follows `$INCLUDE` to any file that the site may read, prints that file's contents in its error
messages, and expands `$GENERATE 0-2147483647` until something gives. Two ideas keep that out:

- The text is split as BIND's own lexer splits it (`lib/isc/lex.c`, `lib/dns/master.c`), so that a directive is found
  behind any spacing, quotes, parentheses or line ends, and one in a comment or in the middle of a TXT is not.
- Whatever looks like one of the two directives and is *not* at its place gets its `$` escaped, which means the same to
  BIND wherever the word is harmless. So `$INCLUDE` never reaches BIND, whatever the two lexers may disagree about, and
  every `$GENERATE` that reaches it is followed by the range that was counted.

Texts that BIND would take and that are refused all the same: those over the bounds below; NUL bytes; a `$GENERATE`
that is quoted, whose range is not on its line in plain decimal numbers, or with the word of a directive inside. And, by the
rules for records (`zones.validation`): a DS without an NS beside it, which BIND drops from an update without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from zones.zonefile.problems import MAX_PROBLEMS, Problem, ZoneFileError

MAX_BYTES = 64 * 1024 * 1024
MAX_LINES = 1_000_000
MAX_GENERATED = 65_536
"""Records that all the `$GENERATE` directives of a file may make together."""
MAX_WIDTH = 127
"""Characters of one number in `$GENERATE`; BIND's own buffer ends there (`genname()` in master.c)."""
MAX_TOKENS = 5_000_000
"""Quotes, parentheses, comments and line ends that are looked at to find the directives of a file; about 3 s of work."""


_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SUSPECT = re.compile(rb"\$(?:INCLUDE|GENERATE)", re.IGNORECASE)
_TOKEN = re.compile(
    rb"""
      (?P<words> (?: [^\r\n()";\\]++ | \\[^\r\n] )++ | \\ )  # and the blanks between them
    | (?P<quoted> " (?: [^"\\\n]++ | \\. )*+ "? )             # a bare line end breaks it, an escaped one does not
    | (?P<eol> \r\n | \n | \r )
    | (?P<comment> ; [^\n]*+ )                                # a lone CR does not end it
    | (?P<open> \(++ ) | (?P<close> \)++ )
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN_LINES = re.compile(rb"(?:[^\"();\\\r\n]*+(?:;[^\n]*+|\r)?\n)++")
_BEFORE_FIRST_WORD = re.compile(rb"(?:[ \t\r\n()]++|;[^\n]*+)*+")
_RANGE = re.compile(rb"\$GENERATE[ \t]+(\d{1,10})-(\d{1,10})(?:/(\d{1,10}))?(?=[ \t])", re.IGNORECASE)
_WIDTH = re.compile(rb"\$\{\s*[+-]?\d+,\s*([+-]?\d+)")
_INT_MAX = 2**31 - 1


def guard(text: bytes) -> bytes:
    """The text to give to `named-compilezone` in place of `text`: same meaning, same lines, nothing dangerous in it.

    A UTF-8 byte-order mark is taken off. Raises `ZoneFileError` with line and reason for what is refused.
    """
    _check_size(text)
    text = text.removeprefix(_BOM)
    _check_bytes(text)
    if not _SUSPECT.search(text):
        return text
    return _Directives(text).harmless()


def _check_size(text: bytes) -> None:
    if len(text) > MAX_BYTES:
        raise ZoneFileError([Problem(None, f"larger than {MAX_BYTES // 2**20} MiB")])


def _check_bytes(text: bytes) -> None:
    if text.startswith(_UTF16):
        raise ZoneFileError([Problem(1, "not a plain text: it is in UTF-16; save it as UTF-8 or ASCII")])
    nul = text.find(b"\0")
    if nul >= 0:
        raise ZoneFileError([Problem(_line(text, nul), "NUL byte: this is not a text file")])
    lines = text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")
    if lines > MAX_LINES:
        raise ZoneFileError([Problem(MAX_LINES + 1, f"more than {MAX_LINES:,} lines")])


def _line(text: bytes, position: int) -> int:
    return text.count(b"\n", 0, position) + 1


class _Directives:
    """One pass over a text that holds a suspect word: problems, records generated, and dollars to escape."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._problems: list[Problem] = []
        self._escapes: list[int] = []
        self._generated = 0

    def harmless(self) -> bytes:
        done = 0
        for start, end, first in _entries(self._text):
            for match in _SUSPECT.finditer(self._text, max(start, done), end):
                if match.start() >= done:
                    done = self._judge(match, first, end)
            if len(self._problems) >= MAX_PROBLEMS:
                break
        if self._problems:
            raise ZoneFileError(self._problems)
        return self._escaped()

    def _judge(self, match: re.Match[bytes], first: int, end: int) -> int:
        """Look at one suspect word of the entry that ends at `end`; answers up to where the text is done with."""
        text = self._text
        at_its_place = match.start() in (first, first + 1) and text[first : match.start()] in (b"", b'"')
        if not at_its_place:
            self._escape(match.start())
            return match.end()
        if match.group().upper() == b"$INCLUDE":
            self._refuse(match.start(), "$INCLUDE is not allowed: put the records into this file")
        else:
            self._generate(match.start(), end)
        return end

    def _generate(self, start: int, end: int) -> None:
        """Bound a `$GENERATE` by arithmetic, without expanding it."""
        text = self._text
        match = _RANGE.match(text, start, end)
        if match is None:
            self._refuse(start, "$GENERATE needs a range such as 1-100 or 0-254/2 behind it on the same line")
            return
        first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if last < first or step < 1 or max(last, step) > _INT_MAX:
            self._refuse(start, f"invalid range '{match.group().split()[1].decode()}' in $GENERATE")
            return
        self._generated += (last - first) // step + 1
        if self._generated > MAX_GENERATED:
            self._refuse(
                start, f"$GENERATE would make {self._generated:,} records so far; at most {MAX_GENERATED:,} are allowed"
            )
        widths = [width[1] for width in _WIDTH.finditer(text, match.end(), end)]
        if any(len(width) > 9 or not 0 <= int(width) <= MAX_WIDTH for width in widths):
            self._refuse(start, f"a number in $GENERATE may be at most {MAX_WIDTH} characters wide")
        if _SUSPECT.search(text, match.end(), end):
            self._refuse(start, "a directive inside $GENERATE is not allowed")

    def _refuse(self, position: int, reason: str) -> None:
        self._problems.append(Problem(_line(self._text, position), reason))

    def _escape(self, dollar: int) -> None:
        backslashes = 0
        while dollar > backslashes and self._text[dollar - backslashes - 1] == 0x5C:
            backslashes += 1
        if backslashes % 2 == 0:
            self._escapes.append(dollar)

    def _escaped(self) -> bytes:
        if not self._escapes:
            return self._text
        pieces, done = [], 0
        for dollar in self._escapes:
            pieces += [self._text[done:dollar], b"\\"]
            done = dollar
        return b"".join([*pieces, self._text[done:]])


def _entries(text: bytes) -> Iterator[tuple[int, int, int]]:
    """The entries of a master file (RFC 1035, section 5.1) that hold a suspect word: start, end, and where the first
    word of each begins. An entry is one line, or several that parentheses hold together."""
    start = end = tokens = 0
    while suspect := _SUSPECT.search(text, end):
        while end <= suspect.start():
            if plain := _PLAIN_LINES.match(text, end, suspect.start()):
                end = plain.end()
            start = end
            end, looked_at = _end_of_entry(text, start, MAX_TOKENS - tokens)
            tokens += looked_at
            if tokens >= MAX_TOKENS:
                raise ZoneFileError([Problem(_line(text, start), "too intricate to find its directives")])
        yield start, end, _BEFORE_FIRST_WORD.match(text, start, end).end()  # type: ignore[union-attr]  # matches nothing


def _end_of_entry(text: bytes, position: int, most: int) -> tuple[int, int]:
    """Where the entry at `position` ends, and how many tokens it took to find out, giving up after `most`."""
    depth = tokens = 0
    while tokens < most and (token := _TOKEN.match(text, position)):
        tokens += 1
        position = token.end()
        kind = token.lastgroup
        if kind == "open":
            depth += position - token.start()
        elif kind == "close":
            depth = max(depth - (position - token.start()), 0)
        elif kind == "eol" and depth == 0:
            break
    return position, tokens
