"""Zone files become records in exactly the form in which the database keeps them."""

from __future__ import annotations

import time

import dns.name
import dns.zone
import pytest
from hypothesis import given, settings

from tests.zonefile.strategies import record_texts
from zones import rdata
from zones.rrsets import RR
from zones.zonefile.problems import Problem, ZoneFileError
from zones.zonefile.read import LEFT_OUT, ZoneFile, read_piece, read_zone_file

HEAD = """\
$TTL 1h
@   SOA ns Hostmaster 2026112201 1d 2h 4w 5m
@   NS  NS
ns  A   192.0.2.1
"""


def read(more: str, zone: str = "example.com") -> ZoneFile:
    return read_zone_file((HEAD + more).encode(), zone)


def test_names_are_relative_and_rdata_is_absolute_and_in_lower_case() -> None:
    zone_file = read("WWW 300 CNAME Ns\n*.Sub MX 10 Mail.Example.NET.\n")
    assert zone_file.serial == 2026112201
    assert set(zone_file.records) == {
        RR("@", "SOA", 3600, "ns.example.com. hostmaster.example.com. 0 86400 7200 2419200 300"),
        RR("@", "NS", 3600, "ns.example.com."),
        RR("ns", "A", 3600, "192.0.2.1"),
        RR("www", "CNAME", 300, "ns.example.com."),
        RR("*.sub", "MX", 3600, "10 mail.example.net."),
    }


@given(record_texts())
@settings(max_examples=150)
def test_the_text_of_bind_is_the_form_of_the_database(texts: list[tuple[str, str]]) -> None:
    """The shortcut for common types gives what the canonical form of `zones.rdata` gives, for every type."""
    zone_file = read("".join(f"r{number} {kind} {content}\n" for number, (kind, content) in enumerate(texts)))
    found = {record.name: record for record in zone_file.records if record.name.startswith("r")}
    for number, (kind, content) in enumerate(texts):
        record = found[f"r{number}"]
        assert record.content == rdata.canonical(kind, content, "example.com")
        assert record.content == rdata.canonical(record.type, record.content, "elsewhere.test"), "it is its own form"


def test_a_file_of_another_zone_is_told_as_that() -> None:
    with pytest.raises(ZoneFileError) as refused:
        read_zone_file(b"$ORIGIN other.example.\n" + HEAD.encode(), "example.com")
    (told,) = refused.value.problems
    assert told.reason == "this is the file of the zone other.example, not of example.com"


def test_owner_names_with_odd_characters_are_those_of_dnspython() -> None:
    odd = r"a\.b", r"sp\032ace", r"q\"q", r"s\;c", r"at\@", r"do\$llar", r"par\(en\)", r"back\\slash", r"\195\169", "_x"
    zone_file = read("".join(f"{name}.sub A 192.0.2.2\n" for name in odd))
    theirs = dns.zone.from_text((HEAD + "".join(f"{name}.sub A 192.0.2.2\n" for name in odd)), "example.com")
    assert {record.name for record in zone_file.records} == {name.to_text() for name in theirs.nodes}


def test_types_that_nobody_declared_are_kept() -> None:
    zone_file = read("x TYPE65280 \\# 3 aabbcc\nx TYPE65281 \\# 0\nx APL\nx EID 12 89 ab\nx MB mail\n")
    assert {(record.type, record.content) for record in zone_file.records if record.name == "x"} == {
        ("TYPE65280", r"\# 3 aabbcc"),
        ("TYPE65281", r"\# 0 "),
        ("APL", r"\# 0 "),
        ("TYPE31", r"\# 3 1289ab"),
        ("MB", r"\# 18 046d61696c076578616d706c6503636f6d00"),
    }


def test_a_record_that_cannot_be_read_back_from_the_name_server_is_refused_by_name_and_reason() -> None:
    with pytest.raises(ZoneFileError) as refused:
        read('x GPOS "" "" ""\n')
    assert refused.value.problems[0].reason.startswith("x.example.com. GPOS: ")


def test_signatures_are_left_out_and_that_is_said() -> None:
    zone_file = read("@ DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxIL\nx NXT y A\n")
    assert not LEFT_OUT & {record.type for record in zone_file.records}
    said = "left out, because the name server makes them when it signs the zone: 1 DNSKEY, 1 NXT"
    assert Problem(None, said) in zone_file.warnings


def test_data_outside_the_zone_is_a_warning_with_its_line() -> None:
    zone_file = read("www.example.net. A 192.0.2.1\n")
    assert zone_file.warnings == (Problem(5, "ignoring out-of-zone data (www.example.net)"),)
    assert len(zone_file.records) == 3


def test_reverse_and_classless_reverse_zones() -> None:
    assert RR("5", "PTR", 3600, "www.example.com.") in read("5 PTR www.example.com.\n", "2.0.192.in-addr.arpa").records
    zone_file = read("65 PTR www.example.com.\n", "64/26.2.0.192.in-addr.arpa")
    assert RR("65", "PTR", 3600, "www.example.com.") in zone_file.records


def test_a_byte_order_mark_and_carriage_returns_are_no_obstacle() -> None:
    text = "\ufeff" + (HEAD + "www A 192.0.2.9\n").replace("\n", "\r\n")
    assert RR("www", "A", 3600, "192.0.2.9") in read_zone_file(text.encode(), "example.com").records


def test_a_hundred_thousand_records_are_read_in_seconds() -> None:
    more = "".join(f"host-{n} A 10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(100_000))
    began = time.monotonic()
    zone_file = read(more)
    assert len(zone_file.records) == 100_003
    assert time.monotonic() - began < 15, "parsing it in Python takes 15 s; this takes about one"


LONGEST = ".".join(["x" * 63] * 3 + ["x" * 49])
"""With `.example.com.` 255 octets on the wire."""


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (f"{'x' * 63} A 192.0.2.2", f"{'x' * 64} A 192.0.2.2"),
        (f"{LONGEST} A 192.0.2.2", f"x{LONGEST} A 192.0.2.2"),
        (f'x TXT "{"x" * 255}"', f'x TXT "{"x" * 256}"'),
        ("x 0 A 192.0.2.2", "x -1 A 192.0.2.2"),
        ("x 2147483647 A 192.0.2.2", "x 4294967296 A 192.0.2.2"),
        ("x MX 65535 ns", "x MX 65536 ns"),
    ],
)
def test_the_last_value_that_fits_is_taken_and_the_next_is_refused(good: str, bad: str) -> None:
    assert len(read(good + "\n").records) == 4
    with pytest.raises(ZoneFileError) as refused:
        read(bad + "\n")
    assert refused.value.problems[0].line == 5


def test_a_ttl_beyond_31_bits_counts_as_0_and_that_is_said() -> None:
    """RFC 2181, section 8; so does `named`."""
    zone_file = read("x 2147483648 A 192.0.2.2\n")
    assert RR("x", "A", 0, "192.0.2.2") in zone_file.records
    assert zone_file.warnings[0].line == 5


# -- pieces ------------------------------------------------------------------------------------------------------------


def test_a_piece_needs_neither_soa_nor_ns_nor_ttl_and_points_where_it_likes() -> None:
    piece = b"www A 192.0.2.9\n  MX 10 elsewhere\n@ NS ns.example.net.\n$ORIGIN sub.example.com.\n@ 60 TXT x"
    assert set(read_piece(piece, "example.com").records) == {
        RR("www", "A", 3600, "192.0.2.9"),
        RR("www", "MX", 3600, "10 elsewhere.example.com."),
        RR("@", "NS", 3600, "ns.example.net."),
        RR("sub", "TXT", 60, '"x"'),
    }
    assert read_piece(piece, "example.com").serial == 0


def test_a_whole_file_is_a_piece_as_well() -> None:
    assert read_piece(HEAD.encode(), "example.com") == read_zone_file(HEAD.encode(), "example.com")


def test_what_is_wrong_with_a_piece_is_told_by_its_own_line() -> None:
    with pytest.raises(ZoneFileError) as refused:
        read_piece(b"www A 192.0.2.9\nmail A 192.0.2.300\n", "example.com")
    assert [problem.line for problem in refused.value.problems] == [2]
