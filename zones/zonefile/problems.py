"""What is wrong with a zone file, in words and with the line it is in."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

MAX_PROBLEMS = 100
"""How many problems of one file are told."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong, or odd. `line` counts from 1 in the text as it was given; `None` when it is about the
    zone as a whole."""

    line: int | None
    reason: str

    def __str__(self) -> str:
        return self.reason if self.line is None else f"line {self.line}: {self.reason}"


class ZoneFileError(ValueError):
    """A zone file that is refused, with every problem that was found before giving up on it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems[:3]))
        self.problems = tuple(problems)


def printable(text: str) -> str:
    """`text` with everything that is not printable written as an escape: messages end up in terminals and logs."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
