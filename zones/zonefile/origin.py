"""Which zone a file is of, where the file itself says so."""

from __future__ import annotations

import re

_NAME = rb"(?:[^ \t\r\n()\";\\]|\\[^\r\n])+"
_STATEMENT = re.compile(
    rb"^(?:\$ORIGIN[ \t]+(?P<origin>" + _NAME + rb")"
    rb"|(?P<owner>" + _NAME + rb")[ \t]+(?:\(?[ \t]*(?:IN|\d[\dSMHDW]*)[ \t]+){0,2}SOA(?=[\s(]))",
    re.MULTILINE | re.IGNORECASE,
)


def origin_of(text: bytes) -> str | None:
    """The absolute name that the SOA of a zone file has, in lower case without the final dot (the root's
    is empty); `None` when only somebody who knows the name of the zone can tell."""
    origin = b""
    for statement in _STATEMENT.finditer(text):
        owner, name = statement["owner"], statement["origin"]
        if name is not None:
            origin = name if name.endswith(b".") else _below(name, origin)
            continue
        if owner == b"@":
            owner = origin
        elif not owner.endswith(b"."):
            owner = _below(owner, origin)
        if not owner.endswith(b".") or owner.endswith(b".."):
            return None
        return owner.removesuffix(b".").decode("ascii", "backslashreplace").lower()
    return None


def _below(name: bytes, origin: bytes) -> bytes:
    return name + b"." + origin.removeprefix(b".") if origin else name
