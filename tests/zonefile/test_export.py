"""Exported zone files: `named-checkzone` accepts them, people can read them, and they come back as they went."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zonefile.strategies import LABELS, RDATA
from zones import names, rdata
from zones.rrsets import RR
from zones.zonefile.compile import program
from zones.zonefile.export import export
from zones.zonefile.read import read_zone_file

ZONE = "example.com"
APEX = [
    RR("@", "SOA", 3600, "ns.example.com. hostmaster.example.com. 0 86400 7200 2419200 300"),
    RR("@", "NS", 3600, "ns.example.com."),
    RR("ns", "A", 3600, "192.0.2.1"),
]


def in_file_order(records: list[RR]) -> list[RR]:
    """As the database gives them (`zones.exporting`)."""
    ranks = {"SOA": 0, "NS": 1}
    return sorted(
        records, key=lambda one: (3 if one.name != "@" else ranks.get(one.type, 2), one.name, one.type, one.content)
    )


def checkzone(text: str) -> None:
    done = subprocess.run(
        [program("named-checkzone"), "-k", "ignore", ZONE, "/dev/stdin"],
        input=text,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stdout


def test_an_export_reads_well() -> None:
    records = [
        *APEX,
        RR("www", "A", 300, "192.0.2.2"),
        RR("@", "MX", 300, "10 mail.example.net."),
        RR("a", "A", 60, "192.0.2.3"),
    ]
    assert "".join(export(ZONE, 2026112203, in_file_order(records))) == (
        "$ORIGIN example.com.\n"
        "@                                3600 IN SOA      ns.example.com. hostmaster.example.com. 2026112203 86400 7200"
        " 2419200 300\n"
        "@                                3600 IN NS       ns.example.com.\n"
        "@                                 300 IN MX       10 mail.example.net.\n"
        "a                                  60 IN A        192.0.2.3\n"
        "ns                               3600 IN A        192.0.2.1\n"
        "www                               300 IN A        192.0.2.2\n"
    )


def test_the_same_records_give_the_same_text() -> None:
    records = [*APEX, RR("b", "A", 1, "192.0.2.2"), RR("a", "TXT", 1, '"x"'), RR("a", "A", 1, "192.0.2.2")]
    texts = {"".join(export(ZONE, 1, in_file_order(some))) for some in (records, records[::-1])}
    assert len(texts) == 1


def test_without_an_soa_there_is_no_zone_file() -> None:
    with pytest.raises(ValueError, match="no SOA"):
        list(export(ZONE, 1, in_file_order(APEX[1:])))


@st.composite
def zones(draw: st.DrawFn) -> list[RR]:
    """A zone whose records may stand together: every type at names of its own."""
    records = set(APEX)
    chosen = draw(st.lists(st.tuples(st.sampled_from(sorted(RDATA)), LABELS), max_size=12))
    for number, (kind, label) in enumerate(chosen):
        text = draw(RDATA[kind])
        # DNAME and NS hide what is below; a number in front keeps the names apart.
        name = names.relative(f"{label}.x{number}", ZONE)
        records.add(RR(name, kind, draw(st.integers(0, 2**31 - 1)), rdata.canonical(kind, text, ZONE)))
    return list(records)


@given(zones(), st.integers(0, 2**32 - 1))
@settings(max_examples=150)
def test_what_is_exported_is_accepted_and_comes_back_the_same(records: list[RR], serial: int) -> None:
    text = "".join(export(ZONE, serial, in_file_order(records)))
    checkzone(text)
    back = read_zone_file(text.encode("ascii"), ZONE)
    assert set(back.records) == set(records)
    assert back.serial == serial
