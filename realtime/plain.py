"""Text from outside as text that does nothing: query names, comments of feeds and people, answers of other machines.

Control characters move a terminal's cursor or colour it; bidirectional controls make a line read as another one. Both
become visible escapes (`\\x1b`, `\\u202e`), wherever text is kept that goes to pages, mail, logs and terminals alike.
"""

from __future__ import annotations

import unicodedata
from typing import Any

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_INVISIBLE = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def plain(text: str, longest: int | None = None, *, lines: bool = False) -> str:
    """`text` without anything that acts, cut to `longest` characters. lines: line breaks stay."""
    made = "".join(_shown(character, lines) for character in text[: longest or len(text)])
    return made if longest is None or len(made) <= longest else f"{made[: longest - 1]}…"


def _shown(character: str, lines: bool) -> str:
    if character.isascii() and character.isprintable():
        return character
    if lines and character == "\n":
        return character
    if character in _BIDI or unicodedata.category(character) in _INVISIBLE:
        number = ord(character)
        return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
    return character


def plain_json(value: Any, longest: int = 500) -> Any:
    """The same for every text in a JSON value, keys included."""
    match value:
        case str():
            return plain(value, longest)
        case dict():
            return {plain(str(key), 100): plain_json(each, longest) for key, each in value.items()}
        case list() | tuple():
            return [plain_json(each, longest) for each in value]
    return value


def cell(value: Any) -> str:
    """A value for CSV: what a spreadsheet would run as a formula is kept from it by an apostrophe."""
    text = plain(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
