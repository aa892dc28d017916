"""What an import would change: two states of a zone compared by RRset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from zones.rrsets import RRset

MAX_SHOWN = 5000
"""RRsets of each kind in an answer that shows a difference."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """RRsets that come, go, or get another TTL or other rdata (before, after), each sorted by name and type."""

    added: tuple[RRset, ...] = ()
    removed: tuple[RRset, ...] = ()
    changed: tuple[tuple[RRset, RRset], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def shown(self) -> dict[str, Any]:
        """The difference for scripts: RRsets of each kind, `MAX_SHOWN` at most, and how many there are."""
        changed = [{"before": before, "after": after} for before, after in self.changed[:MAX_SHOWN]]
        rrsets = {"added": self.added[:MAX_SHOWN], "removed": self.removed[:MAX_SHOWN], "changed": changed}
        counts = {"added": self.added, "removed": self.removed, "changed": self.changed}
        return {**msgspec.to_builtins(rrsets), **{f"{kind}_count": len(every) for kind, every in counts.items()}}

    def lines(self) -> Iterator[str]:
        """The difference for people: one line per record that goes (`- www 300 A 192.0.2.1`) or comes (`+ …`), by name
        and type, what goes first. Records that stay as they are, are not shown."""
        rows: list[tuple[str, str, RRset | None, RRset | None]] = [
            *((after.name, after.type, None, after) for after in self.added),
            *((before.name, before.type, before, None) for before in self.removed),
            *((after.name, after.type, before, after) for before, after in self.changed),
        ]
        for _, _, before, after in sorted(rows, key=lambda row: row[:2]):
            gone, come = _lines(before), _lines(after)
            yield from (f"- {line}" for line in gone if line not in come)
            yield from (f"+ {line}" for line in come if line not in gone)


def difference(before: Iterable[RRset], after: Iterable[RRset]) -> Difference:
    """What leads from one state of a zone to another. The serial of the SOA plays no part: it is 0 in both
    (`zones.rrsets`)."""
    old = {(rrset.name, rrset.type): rrset for rrset in before}
    new = {(rrset.name, rrset.type): rrset for rrset in after}
    return Difference(
        added=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        removed=tuple(old[key] for key in sorted(old.keys() - new.keys())),
        changed=tuple((old[key], new[key]) for key in sorted(old.keys() & new.keys()) if old[key] != new[key]),
    )


def _lines(rrset: RRset | None) -> dict[str, None]:
    if rrset is None:
        return {}
    return {f"{rrset.name} {rrset.ttl} {rrset.type} {content}": None for content in rrset.rdata}
