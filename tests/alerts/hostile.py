"""Sixty strings that mean harm to whatever shows them: a browser, a spreadsheet, a terminal, a reader."""

from __future__ import annotations

import unicodedata

MARKUP = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<iframe src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    '" autofocus onfocus=alert(1) x="',
    "' onmouseover='alert(1)",
    "--><script>alert(1)</script><!--",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "<math><mtext><img src=x onerror=alert(1)>",
    "<style>*{display:none}</style>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{{ 7*7 }}{% debug %}",
    "${alert(1)}`${alert(1)}`",
    "]]><x:script>alert(1)</x:script>",
)
FORMULAS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example","x")',
    "=IMPORTXML(CONCAT(A1),1)",
    "+1+1",
    "+cmd|x!A0",
    "-1+1",
    "-2+3+cmd|x!A0",
    "@SUM(1+1)",
    "@A1",
    "\t=1+1",
    "\r=1+1",
    ' "=1+1"',
    '","=1+1',
    "\n=1+1",
)
TERMINAL = (
    "\x1b[31mred\x1b[0m",
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x07x\x1b]8;;\x07",
    "\x1b[6n",
    "\x1bP$q\x1b\\",
    "\x9b31mred",
    "\x90q\x9c",
    "\x07\x08\x08\x08",
    "a\rb",
    "a\nINFO forged line",
    "\x00nul",
    "\x1b[?1049h",
    "\x1b(0lqqk",
    "\x7f\x7f\x7f",
)
READERS = (
    "\u202emoc.elpmaxe",
    "\u202dabc\u202c",
    "a\u2066b\u2069c",
    "\u200fabc",
    "\u061cabc",
    "safe\u2028line",
    "safe\u2029paragraph",
    "\ufeffbom",
    "\ud7ff\ue000private",
    "ﷺ" * 20,
)
HOSTILE = MARKUP + FORMULAS + TERMINAL + READERS
assert len(HOSTILE) == len(set(HOSTILE)) == 60

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


def acts(text: str) -> list[str]:
    """The characters of a text that would do something to a terminal or to the order of reading."""
    return [c for c in text if c != "\n" and (unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in BIDI)]
