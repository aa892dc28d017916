"""Which zone of ours a query is about, for people who may see the queries of single zones only."""

from __future__ import annotations

import time

from zones.models import Zone

REFRESH_S = 5.0


class HostedZones:
    """The living zones by name. `refresh()` uses the database, the rest does not."""

    def __init__(self) -> None:
        self._key_of: dict[str, str] = {}
        self._read_at = float("-inf")

    def refresh(self) -> None:
        """Read the zones again, if that was long ago."""
        if time.monotonic() - self._read_at >= REFRESH_S:
            self._key_of = dict(Zone.objects.living().values_list("name", "key"))
            self._read_at = time.monotonic()

    def suffixes(self, keys: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
        """`.name` of the zones with these keys, for a quick look, and their names."""
        names = frozenset(name for name, key in self._key_of.items() if key in keys)
        return tuple(f".{name}" for name in names), names

    def key(self, name: str) -> str | None:
        """The key of the zone that a name lies in: the nearest, so that a zone below another is not taken for it."""
        while True:
            if (key := self._key_of.get(name)) is not None:
                return key
            _, dot, name = name.partition(".")
            if not dot:
                return None
