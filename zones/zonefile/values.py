"""BIND's judgement of single values, where it refuses what dnspython takes: the regular expression of a NAPTR, the keys of an
SVCB, an address of X.25. Asked of unusual types alone, so that ordinary records wait for no child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zones.rdata import TYPES
from zones.zonefile.compile import compile_zone
from zones.zonefile.problems import ZoneFileError

ORDINARY = frozenset({"A", "AAAA", "CAA", "CNAME", "DNAME", "DS", "MX", "NS", "PTR", "SOA", "SRV", "TXT"})
"""Types of which both take the same."""

_APEX = "$TTL 60\n@ SOA . . 0 0 0 0 0\n@ NS .\n"


def refused(zone: str, values: Sequence[tuple[str, str]]) -> Mapping[int, str]:
    """Which of these values (type, canonical content) BIND would not load: their places, each with a sentence. All are taken
    where BIND's tools are not installed."""
    asked = [place for place, (kind, _) in enumerate(values) if kind not in ORDINARY]
    if not asked:
        return {}
    lines = (f"v{place} {values[place][0]} {values[place][1]}\n" for place in asked)
    try:
        compile_zone((_APEX + "".join(lines)).encode(), zone, whole=False)
    except FileNotFoundError:
        return {}
    except ZoneFileError as error:
        first = _APEX.count("\n") + 1
        at = {asked[problem.line - first]: problem.reason for problem in error.problems if problem.line}
        return {place: _sentence(values[place][0], reason) for place, reason in at.items()}
    return {}


def _sentence(kind: str, reason: str) -> str:
    example = f"; for example {TYPES[kind].example}" if kind in TYPES else ""
    return f"BIND does not take this value of {kind} ({reason}){example}"
