"""The rules that records keep, and that `named` agrees: each case is also put to the real `named-checkzone`."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from zones.changes import InvalidChange, change_set
from zones.lifecycle import create_zone
from zones.models import Zone
from zones.validation import Problem

pytestmark = pytest.mark.django_db

APEX = "@ 300 SOA ns.example.net. hostmaster.example.net. 1 10800 3600 604800 3600\n@ 300 NS ns.example.net.\n"

Verdict = tuple[list[Problem], list[Problem]]


@pytest.fixture
def judge() -> Callable[[str], Verdict]:
    """Ask for `name ttl type content` lines in a zone that has an SOA and NS: errors and warnings."""
    zone = create_zone("example.com", nameservers=["ns.example.net"])
    with change_set(zone) as changes:
        changes.create(name="there.old", type="A", content="192.0.2.1")

    def errors_and_warnings(lines: str) -> Verdict:
        try:
            with change_set(zone, dry_run=True) as changes:
                for line in lines.splitlines():
                    name, ttl, kind, content = line.split(" ", 3)
                    changes.create(name=name, type=kind, ttl=int(ttl), content=content)
        except InvalidChange as refused:
            return refused.problems, refused.warnings
        return [], changes.warnings

    return errors_and_warnings


def named_refuses(directory: Path, lines: str) -> bool:
    """Whether the real checker refuses the zone with these lines."""
    file = directory / "zone"
    file.write_text("$ORIGIN example.com.\n" + APEX + lines + "\n")
    return subprocess.run(["named-checkzone", "-i", "local", "example.com", file], capture_output=True).returncode != 0


L63 = "a" * 63
# On the wire a name is its labels, a length octet each, and the root: "example.com." takes 13 of the 255.
N255 = ".".join([L63, L63, L63, "b" * 49])
N256 = ".".join([L63, L63, L63, "b" * 50])

REFUSED_BY_BOTH = {
    "CNAME and other data": ("a 1 CNAME x.org.\na 1 A 192.0.2.1", "cname_and_other_data"),
    "CNAME and TXT": ('a 1 TXT "x"\na 1 CNAME x.org.', "cname_and_other_data"),
    "CNAME and MX below a wildcard": ("*.a 1 CNAME x.org.\n*.a 1 MX 1 x.org.", "cname_and_other_data"),
    "two CNAMEs": ("a 1 CNAME x.org.\na 1 CNAME y.org.", "cname_single"),
    "CNAME at the apex": ("@ 1 CNAME x.org.", "cname_apex"),
    "two DNAMEs": ("d 1 DNAME x.org.\nd 1 DNAME y.org.", "dname_single"),
    "two SOAs": ("@ 300 SOA x.org. y.org. 2 3 4 5 6", "soa_single"),
    "SOA below the apex": ("a 1 SOA x.org. y.org. 2 3 4 5 6", "soa_apex"),
    "DS at the apex": ("@ 1 DS 1 8 2 " + "ab" * 32, "ds_apex"),
    "NS at a wildcard": ("*.n 1 NS ns.x.org.", "wildcard"),
    "apex NS without an address": ("@ 300 NS ns1", "dangling_target"),
    "apex NS with a TXT only": ('@ 300 NS ns1\nns1 1 TXT "x"', "no_address"),
    "apex NS that is an alias": ("@ 300 NS ns1\nns1 1 CNAME x.org.", "target_is_alias"),
    "a label of 64": (f"{L63}a 1 A 192.0.2.1", "invalid_name"),
    "a name of 256": (f"{N256} 1 A 192.0.2.1", "invalid_name"),
    "an empty label": ("a..b 1 A 192.0.2.1", "invalid_name"),
    "a string of 256": (f'a 1 TXT "{"x" * 256}"', "invalid_content"),
    "no address": ("a 1 A 192.0.2.256", "invalid_content"),
    "an IPv6 address in an A": ("a 1 A 2001:db8::1", "invalid_content"),
    "an IPv4 address in an AAAA": ("a 1 AAAA 192.0.2.1", "invalid_content"),
    "two addresses": ("a 1 A 192.0.2.1 192.0.2.2", "invalid_content"),
    "an MX without preference": ("a 1 MX mail.x.org.", "invalid_content"),
    "an MX preference of 65536": ("a 1 MX 65536 mail.x.org.", "invalid_content"),
    "a port of 65536": ("_a._tcp 1 SRV 0 0 65536 x.org.", "invalid_content"),
    "an unfinished string": ('a 1 TXT "x', "invalid_content"),
    "a digest of odd length": ("s 1 DS 1 8 2 abc", "invalid_content"),
    "an unknown type": ("a 1 NOSUCHTYPE x", "invalid_type"),
    "an apex NS that is an address": ("@ 300 NS 192.0.2.1", "target_is_address"),
}

ACCEPTED_BY_BOTH = [
    "www 1 A 192.0.2.1",
    "www 0 A 192.0.2.1",
    f"www {2**31 - 1} A 192.0.2.1",
    "www 1 A 192.0.2.1\nwww 1 A 192.0.2.2\nwww 1 AAAA 2001:db8::1",
    f"{L63} 1 A 192.0.2.1",
    f"{N255} 1 A 192.0.2.1",
    f'a 1 TXT "{"x" * 255}"',
    'a 1 TXT "one" "two" ""',
    'a 1 TXT "quote \\" backslash \\\\ semicolon ; unit \\031"',
    "_dmarc 1 TXT v=DMARC1",
    "*.a 1 A 192.0.2.1",
    "* 1 CNAME x.org.",
    "@ 300 NS ns1\nns1 1 A 192.0.2.1",
    "@ 300 NS ns1\nns1 1 AAAA 2001:db8::1",
    "@ 300 NS ns.sub\nsub 1 NS ns.x.org.\nns.sub 1 A 192.0.2.3",
    "sub 1 NS ns.sub\nns.sub 1 A 192.0.2.1",
    "sub 1 NS ns.x.org.\nsub 1 DS 1 8 2 " + "ab" * 32,
    "d 1 DNAME x.org.",
    "@ 1 DNAME x.org.",
    "@ 300 MX 0 .",
    "_sip._tcp 1 SRV 0 0 0 .",
    "@ 1 HTTPS 0 svc.x.org.",
    "@ 1 HTTPS 1 . alpn=h2",
    '@ 1 CAA 128 issue ";"',
    "a\\.b 1 A 192.0.2.1",
    "a\\032b 1 TXT x",
    'a\\;\\"\\(b 1 TXT x',
    "xn--mnchen-3ya 1 A 192.0.2.1",
    "a 1 TYPE65400 \\# 2 abcd",
    "a 1 LOC 52 22 23.000 N 4 53 32.000 E -2.00m",
    'a 1 NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:i@x.org!" .',
]

IGNORED_IN_UPDATES = {"ds_without_ns"}
"""What `named` loads from a file, and silently drops when an update brings it."""

WARNED = {
    "an MX that is not there": ("@ 300 MX 1 mail", "dangling_target"),
    "an MX without an address": ('@ 300 MX 1 mail\nmail 1 TXT "x"', "no_address"),
    "an MX that is an alias": ("@ 300 MX 1 mail\nmail 1 CNAME x.org.", "target_is_alias"),
    "an SRV that is not there": ("_a._tcp 1 SRV 0 0 1 b", "dangling_target"),
    "a delegation without glue": ("sub 1 NS ns.sub", "dangling_target"),
    "an address below a DNAME": ("d 1 DNAME x.org.\na.b.d 1 A 192.0.2.1", "below_dname"),
    "a text below the DNAME of the apex": ("@ 1 DNAME x.org.\na 1 TXT x", "below_dname"),
    "a name that is there below a new DNAME": ("old 1 DNAME x.org.", "hides_names"),
    "a name of no script at all": ("xn--a 1 A 192.0.2.1", "misleading_name"),
    "an alias of nothing": ("a 1 CNAME b", "dangling_target"),
    "a forgotten final dot": ("a 1 MX 1 mail.example.com", "doubled_zone"),
    "a forgotten final dot in the name": ("www.example.com 1 A 192.0.2.1", "doubled_zone"),
    "a text pasted in two lines": ('a 1 TXT "v=DKIM1;\\010p=AAAA"', "pasted_text"),
    "a text with its quotes": ('a 1 TXT "\\"v=spf1 -all\\""', "pasted_text"),
    "a name in two scripts": ("аpple 1 A 192.0.2.1", "misleading_name"),
    "a target in two scripts": ("a 1 CNAME аpple.example.", "misleading_name"),
    "a host with an underscore": ("my_host 1 A 192.0.2.1", "no_host_name"),
    "a wildcard below one": ("*.my_host 1 AAAA 2001:db8::1", "no_host_name"),
    "a label that ends with a hyphen": ("a-.b 1 MX 1 mail.example.org.", "no_host_name"),
    "a mail server with an underscore": ("a 1 MX 1 my_mail.example.org.", "no_host_name"),
}


@pytest.mark.parametrize("case", REFUSED_BY_BOTH)
def test_what_named_refuses_is_refused_with_the_reason(
    judge: Callable[[str], Verdict], tmp_path: Path, case: str
) -> None:
    lines, code = REFUSED_BY_BOTH[case]
    errors, _ = judge(lines)
    assert code in {problem.code for problem in errors}
    assert all(problem.index is not None and problem.message for problem in errors)
    assert named_refuses(tmp_path, lines)


@pytest.mark.parametrize("lines", ACCEPTED_BY_BOTH)
def test_what_named_accepts_is_accepted(judge: Callable[[str], Verdict], tmp_path: Path, lines: str) -> None:
    errors, _ = judge(lines)
    assert errors == []
    assert not named_refuses(tmp_path, lines)


UNUSUAL = {
    "a NAPTR whose expression does not end": 'a 1 NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com" .',
    "an SVCB with a path for no DNS": 'a 1 SVCB 1 x.org. alpn="h2" key7="abc"',
    "an address of X.25 with a letter": 'a 1 X25 "31106170Z956"',
    "an OpenPGP key without a key": "a 1 OPENPGPKEY \\# 0",
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_values_that_only_bind_refuses_are_refused_before_they_are_saved(
    judge: Callable[[str], Verdict], case: str, tmp_path: Path
) -> None:
    (error,), _ = judge("b 1 A 192.0.2.1\n" + UNUSUAL[case])
    assert (error.code, error.field, error.index) == ("invalid_content", "content", 1)
    assert error.message.startswith("BIND does not take this value of ")
    assert named_refuses(tmp_path, UNUSUAL[case])


@pytest.mark.parametrize("case", WARNED)
def test_what_named_loads_but_looks_wrong_is_only_warned_of(judge: Callable[[str], Verdict], case: str) -> None:
    lines, code = WARNED[case]
    errors, warnings = judge(lines)
    assert errors == []
    assert code in {problem.code for problem in warnings}


@pytest.mark.parametrize(
    "lines",
    [
        "a 1 MX 1 b\nb 1 A 192.0.2.1",
        "a 1 MX 1 host.b\n*.b 1 A 192.0.2.1",
        "a 1 CNAME host.sub\nsub 1 NS ns.x.org.",
        "a 1 CNAME host.sub\nsub 1 DNAME x.org.",
        "a 1 CNAME b\nb 1 CNAME x.org.",
        "a 1 CNAME mail.example.net.",
        "xn--mnchen-3ya 1 A 192.0.2.1",
    ],
)
def test_what_is_right_is_not_warned_of(judge: Callable[[str], Verdict], lines: str) -> None:
    assert judge(lines) == ([], [])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("a 1 A 192.0.2.1\na 1 A 192.0.2.1", "duplicate"),
        ("a 1 A 192.0.2.1\na 2 A 192.0.2.2", "ttl_differs"),
        ("a 2147483648 A 192.0.2.1", "invalid_ttl"),
        ("a -1 A 192.0.2.1", "invalid_ttl"),
        ("a 1 MX 1 192.0.2.1", "target_is_address"),
        ("a 1 CNAME 2001:db8::1", "target_is_address"),
        ("a 1 PTR 192.0.2.1", "target_is_address"),
        ("www.example.org. 1 A 192.0.2.1", "invalid_name"),
        ("a.*.b 1 A 192.0.2.1", "invalid_name"),
        ("a 1 RRSIG x", "invalid_type"),
        ("a 1 ANY x", "invalid_type"),
        ("a 1 TXT v=DKIM1; p=x", "invalid_content"),
        ("💩 1 A 192.0.2.1", "invalid_name"),
        ("a\u200db 1 A 192.0.2.1", "invalid_name"),
    ],
)
def test_what_named_would_repair_or_ignore_silently_is_refused(
    judge: Callable[[str], Verdict], line: str, code: str
) -> None:
    errors, _ = judge(line)
    assert code in {problem.code for problem in errors}


def test_a_ds_without_a_delegation_is_refused(zone: Zone) -> None:
    ds = {"name": "sub", "type": "DS", "ttl": 300, "content": "1 8 2 " + "ab" * 32}
    with pytest.raises(InvalidChange) as refused, change_set(zone) as changes:
        changes.create(**ds)
    assert [problem.code for problem in refused.value.problems] == ["ds_without_ns"]

    with change_set(zone) as changes:
        changes.create(name="sub", type="NS", ttl=300, content="ns.example.org.")
        changes.create(**ds)
    with pytest.raises(InvalidChange), change_set(zone) as changes:
        changes.delete(zone.records.get(name="sub", type="NS"))


@pytest.mark.parametrize(("kind", "code"), [("SOA", "soa_missing"), ("NS", "ns_missing")])
def test_the_last_soa_and_ns_cannot_be_deleted(zone: Zone, kind: str, code: str) -> None:
    with pytest.raises(InvalidChange) as refused, change_set(zone) as changes:
        changes.delete(zone.records.get(type=kind))
    assert [problem.code for problem in refused.value.problems] == [code]


def test_the_last_ns_can_be_replaced_in_one_change_set(zone: Zone) -> None:
    with change_set(zone) as changes:
        changes.delete(zone.records.get(type="NS"))
        changes.create(name="@", type="NS", ttl=300, content="ns.example.org.")
    assert [record.content for record in zone.records.filter(type="NS")] == ["ns.example.org."]


def test_the_address_of_an_apex_name_server_cannot_be_taken_away(zone: Zone) -> None:
    with change_set(zone) as changes:
        changes.create(name="@", type="NS", ttl=3600, content="ns1")
        address = changes.create(name="ns1", type="A", ttl=300, content="192.0.2.53")
    with pytest.raises(InvalidChange) as refused, change_set(zone) as changes:
        changes.delete(address)
    assert [problem.code for problem in refused.value.problems] == ["dangling_target"]


def test_deleting_what_others_point_to_is_warned_of(zone: Zone) -> None:
    with change_set(zone) as changes:
        changes.create(name="alias", type="CNAME", ttl=300, content="www")
    with change_set(zone) as changes:
        for record in zone.records.filter(name="www"):
            changes.delete(record)
    assert [problem.code for problem in changes.warnings] == ["dangling_target"]
    assert "alias CNAME" in changes.warnings[0].message


def test_a_cname_takes_the_place_of_addresses_in_one_change_set(zone: Zone) -> None:
    with change_set(zone) as changes:
        changes.create(name="www", type="CNAME", ttl=300, content="x.org.")
        for record in zone.records.filter(name="www"):
            changes.delete(record)
    assert [record.type for record in zone.records.filter(name="www")] == ["CNAME"]


NAMES = ["@", "a", "b", "a.b", "*.a", "*", "sub", "x.sub"]
TARGETS = [*NAMES, "c", "x.org."]
VALUES = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "TXT": '"x"',
    "DS": "1 8 2 " + "ab" * 32,
    "CNAME": "{}",
    "DNAME": "{}",
    "NS": "{}",
    "PTR": "{}",
    "MX": "10 {}",
    "SRV": "0 0 1 {}",
}


@pytest.mark.parametrize("seed", range(200))
def test_named_has_the_same_opinion_of_a_random_zone(
    judge: Callable[[str], Verdict], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    kinds = [chance.choice(list(VALUES)) for _ in range(chance.randint(1, 4))]
    made = {f"{chance.choice(NAMES)} 300 {kind} {VALUES[kind].format(chance.choice(TARGETS))}" for kind in kinds}
    lines = "\n".join(sorted(made))
    errors = [error for error in judge(lines)[0] if error.code not in IGNORED_IN_UPDATES]
    assert bool(errors) == named_refuses(tmp_path, lines), (lines, errors)
