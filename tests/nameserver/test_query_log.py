"""Specification of reading what the name server logs: every line once, whatever becomes of the file; parsing is total."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import dns.name
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nameserver.conftest import HostedZone, dig
from zones.nameserver.exchange import Exchange
from zones.nameserver.log_files import HEAD, LogFollower, Place
from zones.nameserver.query_log import Unreadable, moment, own_apart, parse_hits, parse_queries
from zones.nameserver.transfer import transfer

QUERY = (
    "2026-11-22T21:55:43.749Z queries: info: client @0x7ff57bca1498 127.0.0.1#35385/key ddns-key (www.example.test): "
    "query: www.example.test IN A +SE(0)TDCK (127.0.0.1) [ECS 192.0.2.0/24/0]\n"
)


def lines(first: int, last: int) -> list[bytes]:
    return [b"%08d a line of the log that is long enough to tell files apart\n" % n for n in range(first, last)]


def append(path: Path, first: int, last: int) -> None:
    with path.open("ab") as file:
        file.writelines(lines(first, last))


def drain(follower: LogFollower) -> list[bytes]:
    blocks = b""
    while block := follower.read():
        blocks += block
    return blocks.splitlines(keepends=True)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "query.log"
    append(path, 0, 10)
    return path


# -- following --------------------------------------------------------------------------------------------------------


def test_what_is_appended_is_read_once(log: Path) -> None:
    follower = LogFollower(log)
    assert drain(follower) == lines(0, 10)
    assert drain(follower) == []
    append(log, 10, 30)
    assert drain(follower) == lines(10, 30)


def test_half_a_line_waits_for_its_other_half(log: Path) -> None:
    follower = LogFollower(log)
    drain(follower)
    whole = lines(10, 11)[0]
    with log.open("ab", buffering=0) as file:
        file.write(whole[:20])
        assert drain(follower) == []
        file.write(whole[20:])
    assert drain(follower) == [whole]


def test_rotation_by_renaming_loses_nothing(log: Path) -> None:
    follower = LogFollower(log)
    follower.read()
    append(log, 10, 20)
    log.rename(log.with_name("query.log.0"))
    append(log.with_name("query.log.0"), 20, 25)  # the writer has not opened the new one yet
    assert drain(follower) == lines(10, 25)
    append(log, 25, 40)
    assert drain(follower) == lines(25, 40)
    assert (follower.skipped, follower.truncations) == (0, 0)


def test_a_new_file_that_stands_there_empty_does_not_end_the_old_one(log: Path) -> None:
    follower = LogFollower(log)
    drain(follower)
    old = log.with_name("query.log.1")
    log.rename(old)
    log.touch()
    append(old, 10, 20)
    assert drain(follower) == lines(10, 20)
    append(old, 20, 22)
    append(log, 22, 30)
    assert drain(follower) == lines(20, 30)


def test_several_rotations_between_two_looks_are_followed_in_order(log: Path) -> None:
    follower = LogFollower(log)
    drain(follower)
    for generation in range(1, 4):
        for number in reversed(range(3)):
            older = log.with_name(f"query.log.{number}")
            if older.exists():
                older.rename(log.with_name(f"query.log.{number + 1}"))
        log.rename(log.with_name("query.log.0"))
        append(log, generation * 10, generation * 10 + 10)
    assert drain(follower) == lines(10, 40)
    assert follower.skipped == 0


def test_files_that_were_deleted_before_they_were_read_are_told(log: Path) -> None:
    follower = LogFollower(log)
    drain(follower)
    log.rename(log.with_name("query.log.0"))
    log.with_name("query.log.0").unlink()
    append(log, 50, 60)
    assert drain(follower) == lines(50, 60)
    assert follower.skipped == 1


def test_a_truncated_file_is_read_from_its_beginning(log: Path) -> None:
    follower = LogFollower(log)
    drain(follower)
    os.truncate(log, 0)
    append(log, 10, 15)
    assert drain(follower) == lines(10, 15)
    assert follower.truncations == 1


def test_a_file_truncated_and_grown_again_beyond_the_place_is_noticed(log: Path) -> None:
    follower = LogFollower(log)
    drain(follower)
    os.truncate(log, 0)
    append(log, 100, 200)
    assert drain(follower) == lines(100, 200)


def test_a_successor_goes_on_where_the_last_one_saved(log: Path) -> None:
    first = LogFollower(log)
    drain(first)
    place = first.place
    append(log, 10, 20)
    log.rename(log.with_name("query.log.0"))
    append(log, 20, 30)
    assert drain(LogFollower(log, place)) == lines(10, 30)


def test_a_place_in_an_empty_file_is_found_again(tmp_path: Path) -> None:
    log = tmp_path / "query.log"
    log.touch()
    first = LogFollower(log)
    assert drain(first) == []
    place = first.place
    assert place is not None and place.head == ""
    append(log, 0, 5)
    log.rename(log.with_name("query.log.0"))
    append(log, 5, 9)
    assert drain(LogFollower(log, place)) == lines(0, 9)


def test_a_place_in_a_file_that_is_gone_goes_on_with_the_oldest_there_is(log: Path) -> None:
    follower = LogFollower(log, Place(1, "x" * HEAD, 1000))
    assert drain(follower) == lines(0, 10)
    assert follower.skipped == 1


def test_from_now_on_passes_over_what_was_there(log: Path) -> None:
    follower = LogFollower(log, at_end=True)
    assert drain(follower) == []
    append(log, 10, 12)
    assert drain(follower) == lines(10, 12)


def test_a_log_that_is_not_there_is_an_error_and_may_appear(tmp_path: Path) -> None:
    follower = LogFollower(tmp_path / "query.log")
    with pytest.raises(FileNotFoundError):
        follower.read()
    append(tmp_path / "query.log", 0, 3)
    assert drain(follower) == lines(0, 3)


def test_a_line_without_an_end_does_not_fill_the_memory(log: Path) -> None:
    follower = LogFollower(log, at_end=True)
    follower.read()
    with log.open("ab") as file:
        file.write(b"x" * 1_000_000)
    given = b"".join(iter(follower.read, b""))
    assert 900_000 < len(given) <= 1_000_000


# -- parsing ----------------------------------------------------------------------------------------------------------


def test_a_query_line_is_read_whole() -> None:
    (query,) = parse_queries(QUERY.encode(), Unreadable())
    assert (query.client, query.port, query.name, query.type) == ("127.0.0.1", "35385", "www.example.test", "A")
    assert query.flags == "+SE(0)TDCK"
    assert moment(query.time) == datetime(2026, 11, 22, 21, 55, 43, 749000, UTC)


@pytest.mark.parametrize(
    ("line", "name", "type"),
    [
        ("client @0x7f 2001:db8::1#53 (a.test): query: A.Test IN AAAA -E(0) (::1)", "a.test", "AAAA"),
        (
            "queries: info: client @0x7f 10.0.0.1#53 (a.test): view in: query: a.test IN TYPE65 + (::1)",
            "a.test",
            "TYPE65",
        ),
        ("queries: client 10.0.0.1#53 (.): query: . IN NS +T (127.0.0.1)", ".", "NS"),
        (r"client @0x7f 10.0.0.1#53 (a\032b\(.test): query: a\032b\(.test IN A + (::1)", r"a\032b\(.test", "A"),
        ("client @0x7f fe80::1%eth0#53 (a.test): query: a.test CH TXT + (::1)", "a.test", "TXT"),
    ],
)
def test_other_forms_of_query_lines_are_read(line: str, name: str, type: str) -> None:
    for written in ("2026-11-22T21:55:43.749Z", "2026-11-22T21:55:43.749", "22-Nov-2026 21:55:43.749"):
        (query,) = parse_queries(f"{written} {line}\n".encode(), Unreadable())
        assert (query.name, query.type) == (name, type)
        assert query.time == written and moment(query.time).tzinfo is UTC


def test_what_is_no_query_is_counted_and_kept_as_a_sample() -> None:
    unreadable = Unreadable()
    block = QUERY + "something else\n" + QUERY + "2026-11-22T21:55:43.749Z queries: info: client\n"
    assert len(parse_queries(block.encode(), unreadable)) == 2
    assert unreadable.count == 2
    assert unreadable.samples[0] == "something else"


@pytest.mark.parametrize(
    ("line", "action", "outcome", "name"),
    [
        ("rpz: info: client @0x7 127.0.0.1#1 (nx.evil): rpz QNAME NXDOMAIN rewrite nx.evil/A/IN via nx.evil.rpz.local",
         "NXDOMAIN", "blocked", "nx.evil"),
        (("rpz: info: client @0x7 127.0.0.9#1 (www.test): rpz CLIENT-IP DROP rewrite www.test/A/IN via "
         "32.9.0.0.127.rpz-client-ip.rpz.local"), "DROP", "blocked", "www.test"),
        (("rpz: info: client @0x7 127.0.0.1#1 (foo.evil): rpz QNAME CNAME rewrite Foo.evil/A/IN via foo.evil.rpz.local "
         "(CNAME to: foo.evil.garden.test)"), "CNAME", "rewritten", "foo.evil"),
        (("rpz: info: client @0x7 127.0.0.1#1 (ok.test): disabled rpz QNAME NXDOMAIN rewrite ok.test/A/IN via "
         "ok.test.feed1.rpz"), "NXDOMAIN", "allowed", "ok.test"),
        (("rpz-passthru: info: client @0x7 127.0.0.1#1 (pass.evil): rpz QNAME PASSTHRU rewrite pass.evil/A/IN via "
         "pass.evil.rpz.local"), "PASSTHRU", "passthru", "pass.evil"),
        ("rpz: info: client @0x7 127.0.0.1#1 (l.evil): rpz QNAME Local-Data rewrite l.evil/A/IN via l.evil.rpz.local",
         "LOCAL-DATA", "rewritten", "l.evil"),
        ("rpz: info: client @0x7 127.0.0.1#1 (t.evil): rpz QNAME TCP-ONLY rewrite t.evil/A/IN via t.evil.rpz.local",
         "TCP-ONLY", "tcp_only", "t.evil"),
    ],
)  # fmt: skip
def test_what_policies_did_is_read(line: str, action: str, outcome: str, name: str) -> None:
    (hit,) = parse_hits(f"2026-11-22T21:36:32.078Z {line}\n".encode(), Unreadable())
    assert (hit.action, hit.outcome, hit.name) == (action, outcome, name)


def test_lines_about_policy_zones_are_not_unreadable() -> None:
    unreadable = Unreadable()
    assert parse_hits(b"2026-11-22T21:36:32.078Z rpz: info: rpz: rpz.local: reload done: success\n", unreadable) == []
    assert unreadable.count == 0


def test_own_checks_are_told_from_what_people_ask_by_the_key_that_they_are_signed_with() -> None:
    others = QUERY.replace("ddns-key", "other-key") + QUERY.replace("/key ddns-key", "")
    own, rest = own_apart((QUERY + others + QUERY).encode(), "ddns-key")
    assert (own.decode(), rest.decode()) == (QUERY * 2, others)
    assert own_apart(others.encode(), "ddns-key") == (b"", others.encode())
    imitated = QUERY.replace("/key ddns-key", "").replace("www.example.test", r"/key\032ddns-key\032(")
    assert own_apart(imitated.encode(), "ddns-key") == (b"", imitated.encode())


def test_named_itself_marks_what_the_site_asks(zone: HostedZone) -> None:
    log = zone.endpoint.log_dir
    assert log is not None
    with Exchange(zone.endpoint) as exchange:
        exchange.lookup(dns.name.from_text(f"own.{zone.name}"), dns.rdatatype.A)
    transfer(zone.endpoint, zone.name)
    dig(zone.endpoint, f"people.{zone.name}", "A")
    key = f"{zone.endpoint.tsig.algorithm}:{zone.endpoint.tsig.name.upper()}"
    dig(zone.endpoint, f"signed.{zone.name}", "A", "-y", f"{key}:{zone.endpoint.tsig.secret}")

    def asked(block: bytes) -> list[tuple[str, str]]:
        return [
            (q.name.removesuffix(zone.name), q.type) for q in parse_queries(block, Unreadable()) if zone.name in q.name
        ]

    for _ in range(100):
        own, others = own_apart((log / "query.log").read_bytes(), zone.endpoint.tsig.name)
        if f"signed.{zone.name}".encode() in own:
            break
        time.sleep(0.05)
    assert asked(own) == [("own.", "A"), ("", "AXFR"), ("signed.", "A")]
    assert asked(others) == [("people.", "A")]


@given(st.binary(max_size=400))
def test_parsing_is_total(junk: bytes) -> None:
    for parse in (parse_queries, parse_hits):
        parse(junk + b"\n", Unreadable())
        mixed = QUERY.encode() + junk.replace(b"\n", b" ") + b"\n" + QUERY.encode()
        assert len(parse_queries(mixed, Unreadable())) in (2, 3)
