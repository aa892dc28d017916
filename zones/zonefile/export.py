"""Records as a zone file (RFC 1035, section 5) that `named-checkzone` accepts and people can read.

The same records always give the same text: it can be kept in version control and compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zones.rrsets import APEX, RR

_NAME_COLUMNS = 30


def export(zone: str, serial: int, records: Iterable[RR]) -> Iterator[str]:
    """The lines of a zone file, each with its line end, in the order of `records`, which begin with the SOA.

    Owner names are relative to the one `$ORIGIN`, rdata is absolute, `serial` stands in the SOA.
    Raises `ValueError` when the records do not begin with an SOA.
    """
    yield f"$ORIGIN {zone}.\n"
    remaining = iter(records)
    soa = next(remaining, None)
    if soa is None or soa.type != "SOA" or soa.name != APEX:
        raise ValueError(f"{zone} has no SOA record, so it cannot be written as a zone file")
    yield _line(soa, with_serial(soa.content, serial))
    for record in remaining:
        yield _line(record, record.content)


def soa_first(records: Iterable[RR]) -> list[RR]:
    """Records in an order that can be exported, for a file that only a name server reads."""
    return sorted(records, key=lambda record: record.type != "SOA")


def with_serial(content: str, serial: int) -> str:
    """The rdata of an SOA with its serial replaced."""
    primary, contact, _, timers = content.split(" ", 3)
    return f"{primary} {contact} {serial} {timers}"


def _line(record: RR, content: str) -> str:
    return f"{record.name:<{_NAME_COLUMNS}} {record.ttl:>6} IN {record.type:<8} {content}\n"
