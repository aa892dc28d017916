"""What can be said of a domain name by looking at it."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

_SUFFIXES = PublicSuffixList()

_PAIRS = frozenset(
    """ab ac ad ag ai ak al am an ap ar as at au av ay ba bc bd be bg bi bj bl bm bo bp br bs bt bu ca ce ch ck cl co cr cs ct
    cu da db de di do ea eb ec ed ee el em en ep er es et ev ew ex fa ff fi fl fo ga ge gi gl go gr ha he hi ho ht ia ib ic
    id ie if ig il im in io ip ir is it ke ki la ld le li ll lo ls lt lu ma me mi ml mo mp mu na nc nd ne nf ng ni no ns nt
    ob oc od og ol om on oo op or os ot ou ow pa pe ph pi pl po pp pr ps pt pu py qu ra rc rd re ri rm ro rs rt ru ry sa sc
    se sh si sm so sp ss st su sy ta tc te th ti tl to tp tr ts tt tu ty ui ul um un up ur us ut va ve vi wa we wi xt yp
    ys""".split()  # noqa: SIM905  # to be read
)
"""The 200 most frequent pairs of letters in the words of Debian 12's package names: 81 % of all pairs there."""

RANDOM_BELOW = 0.4
"""Share of frequent pairs. Of 34,000 package names of ten letters and more 0.4 % lie below, of as many random ones 74 %."""

SHORTEST_JUDGED = 10
"""Letters of a label that is judged at all; a shorter one says too little."""


@lru_cache(maxsize=20_000)
def _registered(tail: str) -> str:
    return _SUFFIXES.privatesuffix(tail) or tail


def registered_domain(name: str) -> str:
    """The domain that somebody registered (by the public suffix list), of a name in lower case without the final dot."""
    labels = name.rsplit(".", 5)
    return _registered(".".join(labels[-5:]) if len(labels) > 5 else name)


def entropy(text: str) -> float:
    """Bits per character, by the frequency of the characters in `text` itself (Shannon). 0 for the empty text."""
    length = len(text)
    return -sum(count / length * math.log2(count / length) for count in Counter(text).values()) if length else 0.0


@lru_cache(maxsize=20_000)
def looks_generated(label: str) -> bool:
    """Whether a label looks like one that a program made up: few of its pairs are usual ones. Not for IDN (`xn--`)."""
    letters = label.replace("-", "")
    if len(letters) < SHORTEST_JUDGED or label.startswith("xn--"):
        return False
    usual = sum(letters[place : place + 2] in _PAIRS for place in range(len(letters) - 1))
    return usual / (len(letters) - 1) < RANDOM_BELOW
