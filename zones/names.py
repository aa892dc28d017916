"""Domain names as text: relative and absolute, A-labels (what DNS carries) and U-labels (what people read).

Stored names are lower case, in A-labels, with the escapes of RFC 1035, section 5.1. Lengths: a label has at most 63
octets, a name at most 255 on the wire (RFC 1035, section 2.3.4).
"""

from __future__ import annotations

import re
import unicodedata
from string import hexdigits

import dns.exception
import dns.name
import idna

from zones.rrsets import APEX

IDNA = dns.name.IDNA_2008_Practical
"""IDNA 2008 with the mapping of UTS 46 (so that people may type capitals), leaving ASCII labels such as `_dmarc` alone."""

_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_A_LABEL = re.compile(r"xn--(?!-)[a-z0-9-]+")
_UNSEEN = re.compile(r"[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Marks and letters that leave no trace on the screen."""
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_DOTS = re.compile("[\u3002\uff0e\uff61]")
"""What UTS 46 takes for a dot between labels."""
_NOT_ASCII = re.compile(r"[^\s.]*[^\x00-\x7f\s.][^\s.]*")


def zone_name(text: str) -> str:
    """The name of a zone as it is stored: ASCII, lower case, without the final dot. Raises `ValueError`."""
    name = parse(text, dns.name.root)
    if name == dns.name.root:
        raise ValueError("the root zone cannot be managed here")
    if b"*" in name.labels:
        raise ValueError("a zone cannot be named with a wildcard")
    return name.to_text(omit_final_dot=True)


def sought(text: str) -> str:
    """What people type to find a name by, as names are stored: its U-labels as A-labels, wherever in the text they stand.

    A part of a U-label is taken for a whole one, and so finds no name that has it: nothing of it is in the A-label. What is
    no label stays as it is.
    """
    return text if text.isascii() else _NOT_ASCII.sub(_a_label, _DOTS.sub(".", text))


def is_reverse(zone: str) -> bool:
    """Whether the names of a zone stand for addresses (RFC 1035, section 3.5; RFC 3596, section 2.5)."""
    return f".{zone}".endswith((".in-addr.arpa", ".ip6.arpa"))


def has_pointers(zone: str) -> bool:
    """Whether the reverse names of addresses lie in a zone: not in one of less than a whole label (RFC 2317)."""
    *labels, kind, _ = zone.split(".")
    if not is_reverse(zone):
        return False
    if kind == "ip6":
        return all(len(label) == 1 and label in hexdigits for label in labels)
    return all(label.isdecimal() and int(label) < 256 for label in labels)


def relative(text: str, zone: str) -> str:
    """A name as people type it (`www`, `@`, `www.example.com.` with its final dot), as it is stored in zone `zone`.

    Raises `ValueError` for a name that is malformed, too long, or outside the zone.
    """
    origin = dns.name.from_text(zone)
    name = parse(text or APEX, origin)
    if not name.is_subdomain(origin):
        raise ValueError(f"{name.to_text()} is not inside the zone {zone}")
    relative_name = name.relativize(origin)
    if b"*" in relative_name.labels[1:]:
        raise ValueError("a wildcard must be the leftmost label")
    return relative_name.to_text()


def absolute(name: str, zone: str) -> str:
    """The whole name of a stored name of `zone`, with the final dot."""
    return f"{zone}." if name == APEX else f"{name}.{zone}."


def within(target: str, zone: str) -> str | None:
    """The stored form of the absolute name `target`, or `None` when it lies outside `zone`."""
    if target == f"{zone}.":
        return APEX
    suffix = f".{zone}."
    # An escaped dot (`a\.example.com.`) is part of a label, not a border between two.
    return target.removesuffix(suffix) if target.endswith(suffix) and not target.endswith("\\" + suffix) else None


def is_below(name: str, other: str) -> bool:
    """Whether one stored name of a zone is below another one of it."""
    return name != APEX if other == APEX else name.endswith(f".{other}") and not name.endswith(f"\\.{other}")


def parse(text: str, origin: dns.name.Name) -> dns.name.Name:
    """The absolute, lower-case name that `text` means relative to `origin`. Raises `ValueError` in plain words."""
    if _UNPRINTABLE.search(text):
        raise ValueError("a name has no spaces or control characters; write them as \\032, \\DDD")
    try:
        return dns.name.from_text(text, origin, idna_codec=IDNA).canonicalize()
    except dns.exception.DNSException as error:
        raise ValueError(explain(error)) from error


def explain(error: Exception) -> str:
    """What dnspython says about a malformed name or value, in plain words."""
    if isinstance(error, dns.name.LabelTooLong):
        return "a label is longer than 63 octets (RFC 1035)"
    if isinstance(error, dns.name.NameTooLong) or "> 255 octets" in str(error):
        return "the name is longer than 255 octets on the wire (RFC 1035)"
    if isinstance(error, dns.name.EmptyLabel):
        return "the name has an empty label (two dots in a row)"
    if isinstance(error, dns.name.BadEscape):
        return "the name has a malformed escape; \\DDD takes three digits up to 255"
    if "IDNA" in str(error):
        return f"not an internationalised name: {str(error).removeprefix('IDNA processing exception: ')}"
    if isinstance(error, dns.exception.UnexpectedEnd):
        return "something is missing at the end"
    return str(error)


def readable(name: str) -> str:
    """The name with its A-labels as people read them. Those that do not decode, or to what is no plain word, stay."""
    return ".".join(map(_read, name.split("."))) if "xn--" in name else name


def suspicious(name: str) -> list[str]:
    """Why people might be misled by an internationalised name: a list of sentences, empty for ordinary ones."""
    reasons: list[str] = []
    for label in name.split(".") if "xn--" in name else ():
        if not label.startswith("xn--"):
            continue
        try:
            shown = idna.ulabel(label)
        except (idna.IDNAError, UnicodeError):
            reasons.append(f"{label} is not a valid internationalised label (RFC 5891)")
            continue
        scripts = {unicodedata.name(character, "?").split(" ")[0] for character in shown if character.isalpha()}
        if len(scripts & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1:
            reasons.append(
                f"{shown} mixes the scripts {', '.join(sorted(scripts)).lower()}: it may pass for another name"
            )
    return reasons


def looks_like_address(name: str, zone: str) -> bool:
    """Whether an absolute name is an IP address that someone typed where a name belongs, with or without a final dot."""
    text = (within(name, zone) or name).removesuffix(".")
    return bool(_ADDRESS.fullmatch(text)) or ":" in text


def _a_label(label: re.Match[str]) -> str:
    try:
        return IDNA.encode(label[0]).decode()
    except dns.exception.DNSException:
        return label[0]


def _read(label: str) -> str:
    if not _A_LABEL.fullmatch(label):
        return label
    try:
        shown = label.removeprefix("xn--").encode().decode("punycode")
    except UnicodeError:
        return label
    return shown if _plain(shown) else label


def _plain(shown: str) -> bool:
    """Whether a decoded label is made of letters, their marks, digits and hyphens (and the dot of Catalan's l·l), all
    visible, and written as IDNA writes it: small, and in no compatibility form.

    That is IDNA 2008 without what depends on neighbours, as pages decide it too, of the names in events (`names.js`).
    """
    letters = shown.replace("l·l", "ll").replace("-", "0")
    kinds = [unicodedata.category(letter) for letter in letters]
    return (
        not shown.isascii()
        and kinds[0][0] != "M"
        and all(kind[0] in "LM" or kind == "Nd" for kind in kinds)
        and not _UNSEEN.search(shown)
        and shown == unicodedata.normalize("NFKC", shown).lower()
    )
