"""From what a feed sent to a policy zone and a sorted list of its entries: a program of its own, run as a child.

    python -m security.feeds.compiler < job.json > outcome.json

In a process of its own because it is the one part of the site that works through megabytes: it takes no time from those who
answer people, and its memory goes when it ends. It knows neither Django nor the database. A line that cannot be read is
counted and left out; only when most of them cannot be read is the whole refused.
"""

from __future__ import annotations

import csv
import gc
import hashlib
import heapq
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import msgspec

BLOCK = 1 << 20
LONGEST_LINE = 4096
MOST_MEMORY = 1 << 30
SAMPLES = 10
TOGETHER = 10_000
"""Entries that are written in one go."""
FORMATS = ("hosts", "domains", "adblock", "csv", "rpz")

_LABEL = rb"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rb"(?:" + _LABEL + rb"\.)*" + _LABEL)
_SINK = re.compile(rb"(?:0\.0\.0\.0|127(?:\.\d{1,3}){3}|::1?|0)")
_LOCAL = frozenset(
    b"localhost localhost.localdomain local broadcasthost 0.0.0.0 ip6-localhost ip6-loopback ip6-localnet "
    b"ip6-mcastprefix ip6-allnodes ip6-allrouters ip6-allhosts".split()
)
_ADBLOCK = re.compile(
    rb"\|\|([^\^/$*|]+)\^?(?:\$(?:important|all|document|doc|third-party|3p)(?:,(?:important|all))*)?"
)
_NOT_FOR_DNS = re.compile(rb"##|#@#|#\?#|#\$#|\$\$|^@@|^/|[*|/$]")
_HOST_OF_URL = re.compile(rb"(?:[a-z][a-z0-9+.-]*://)?(?:[^/@?#]*@)?([^/:?#]+)")
_RPZ_SUFFIXES = (b".rpz-ip", b".rpz-client-ip", b".rpz-nsip", b".rpz-nsdname")
_RPZ_OWNER = re.compile(rb"(?:\*|[a-z0-9_-]+)(?:\.[a-z0-9_-]+)*")
_BLOCKS = {b".": b"", b"*.": b"CNAME *.", b"rpz-drop.": b"CNAME rpz-drop.", b"rpz-tcp-only.": b"CNAME rpz-tcp-only."}
_SPECIAL = (b"localhost", b"arpa", b"in-addr.arpa", b"ip6.arpa")


class Job(msgspec.Struct, kw_only=True):
    """source: what was downloaded. zone, entries: files to write. previous: the entries as they were; may be missing.
    format: one of `FORMATS` or `auto`. column: of a CSV, from 1. subdomains: also block all below each name.
    own: zones that no entry may cover. longest: characters that a name may have within the policy zone."""

    source: str
    zone: str
    entries: str
    previous: str
    format: str = "auto"
    column: int = 1
    subdomains: bool = True
    own: list[str] = []
    origin: str = ""
    serial: int = 1
    longest: int = 180
    most_entries: int = 1_500_000


class Outcome(msgspec.Struct, kw_only=True):
    """problem: why there is no result: `empty`, `binary`, `unreadable`, `too_many`, or `""`. bad, skipped, guarded: lines
    that cannot be read, that say nothing to DNS, and that would block too much; samples of the first and the last."""

    problem: str = ""
    format: str = ""
    entries: int = 0
    bad: int = 0
    skipped: int = 0
    guarded: int = 0
    added: int = 0
    removed: int = 0
    before: int = 0
    digest: str = ""
    bad_samples: list[str] = []
    guarded_samples: list[str] = []
    added_samples: list[str] = []
    removed_samples: list[str] = []


class Unreadable(ValueError):
    """A line that means nothing in this format."""


class Skip(Exception):
    """A line that is fine and says nothing to DNS."""


Read = Callable[[bytes], Iterable[tuple[bytes, bytes]]]
"""A line, lower case and stripped, to its entries: key and rdata (`b""` for the usual: the name does not exist)."""


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces of whole lines, lower case. Of a line that is longer than any name the end is left out."""
    rest = b""
    while block := file.read(BLOCK):
        whole, newline, rest = (rest + block.lower()).rpartition(b"\n")
        if newline:
            yield whole
        rest = rest[: LONGEST_LINE + 1]
    if rest:
        yield rest


def name(text: bytes) -> bytes:
    """A domain name, without the final dot. Raises `Unreadable`."""
    text = text.rstrip(b".")
    if len(text) <= 253 and _NAME.fullmatch(text):
        if text[text.rfind(b".") + 1 :].isdigit():
            raise Unreadable("an address, not a name")
        return text
    if not text.isascii():
        return _a_labels(text)
    raise Unreadable("not a domain name")


def _a_labels(text: bytes) -> bytes:
    import idna

    try:
        found: bytes = idna.encode(text.decode(), uts46=True)
    except (idna.IDNAError, UnicodeError) as error:
        raise Unreadable("not a domain name") from error
    return found.lower()


def read_domains(line: bytes) -> Iterable[tuple[bytes, bytes]]:
    word = line.split(b"#", 1)[0].strip()
    if b" " in word or b"\t" in word:
        raise Unreadable("more than one word")
    return [(name(word.removeprefix(b"*.").lstrip(b".")), b"")]


def read_hosts(line: bytes) -> Iterable[tuple[bytes, bytes]]:
    address, *hosts = line.split(b"#", 1)[0].split()
    if not _SINK.fullmatch(address) or not hosts:
        raise Unreadable("not a line of a hosts file that blocks something")
    found = [(name(host), b"") for host in hosts if host not in _LOCAL]
    if not found:
        raise Skip
    return found


def read_adblock(line: bytes) -> Iterable[tuple[bytes, bytes]]:
    if found := _ADBLOCK.fullmatch(line):
        return [(name(found[1]), b"")]
    if _NOT_FOR_DNS.search(line):
        raise Skip
    return [(name(line), b"")]


def csv_reader(column: int) -> Read:
    def read(line: bytes) -> Iterable[tuple[bytes, bytes]]:
        if b'"' in line:
            fields = [field.encode() for field in next(csv.reader([line.decode(errors="surrogateescape")]))]
        else:
            fields = line.split(b"," if b"," in line or b";" not in line else b";")
        if len(fields) < column:
            raise Unreadable("too few columns")
        host = _HOST_OF_URL.match(fields[column - 1].strip())
        return [(name(host[1] if host else b""), b"")]

    return read


def rpz_reader(origin: bytes) -> Read:
    """Lines of a transferred policy zone: `owner ttl class type rdata`."""
    suffix = b"." + origin.rstrip(b".").lower() + b"."

    def read(line: bytes) -> Iterable[tuple[bytes, bytes]]:
        fields = line.split(None, 4)
        if len(fields) < 5 or fields[2] != b"in":
            raise Unreadable("not a record")
        owner, _, _, kind, rdata = fields
        if not owner.endswith(suffix):
            raise Skip  # the apex
        owner = owner[: -len(suffix)]
        if not _RPZ_OWNER.fullmatch(owner):
            raise Unreadable("not an owner of a policy zone")
        if kind == b"cname":
            if rdata == b"rpz-passthru.":
                raise Skip  # a feed blocks; what is let through is for people to say
            if rdata in _BLOCKS:
                return [(owner, _BLOCKS[rdata])]
            return [(owner, b"CNAME " + name(rdata.removeprefix(b"*.")) + b".")]
        raise Skip  # other data of the zone

    return read


def reader(kind: str, job: Job) -> Read:
    return {
        "hosts": read_hosts,
        "domains": read_domains,
        "adblock": read_adblock,
        "csv": csv_reader(job.column),
        "rpz": rpz_reader(job.origin.encode()),
    }[kind]


_SEVERAL_LABELS = rb"(?:" + _LABEL + rb"\.)+(?!\d+[ \t\r\n^]|\d+\Z)" + _LABEL
_END = rb"[ \t\r]*(?:\n|\Z)"
_PLAIN = {
    "domains": re.compile(rb"^(" + _SEVERAL_LABELS + rb")" + _END, re.MULTILINE),
    "hosts": re.compile(
        rb"^(?:0\.0\.0\.0|127\.0\.0\.1)[ \t]+(?!localhost\.)(" + _SEVERAL_LABELS + rb")" + _END, re.MULTILINE
    ),
    "adblock": re.compile(rb"^\|\|(" + _SEVERAL_LABELS + rb")\^" + _END, re.MULTILINE),
}
"""Lines that say a name and nothing else, which nearly all are: found many at a time, ten times as fast as one by one."""


def plain_names(kind: str, piece: bytes, longest: int) -> tuple[list[bytes], list[bytes]]:
    """The names of the plain lines of a piece; and its other lines, to be read one by one."""
    if kind not in _PLAIN:
        return [], piece.split(b"\n")
    parts = _PLAIN[kind].split(piece)
    names, others = parts[1::2], b"".join(parts[::2]).split(b"\n")
    if max(map(len, names), default=0) > longest:
        return [name for name in names if len(name) <= longest], others + [
            name for name in names if len(name) > longest
        ]
    return names, others


def is_comment(line: bytes) -> bool:
    return line[:1] in (b"#", b"!", b";", b"[") or not line


def sniff(job: Job) -> str:
    """The format of which the first lines are."""
    some: list[bytes] = []
    with open(job.source, "rb") as file:
        for line in next(pieces(file), b"").split(b"\n"):
            stripped = line.strip()
            if stripped.startswith(b"[adblock"):
                return "adblock"
            if not is_comment(stripped):
                some.append(stripped)
            if len(some) >= 200:
                break
    scores = {
        "hosts": sum(bool(_SINK.match(line)) and b" " in line.replace(b"\t", b" ") for line in some),
        "adblock": sum(line.startswith((b"||", b"@@")) or b"##" in line for line in some),
        "csv": sum(b"," in line for line in some),
        "domains": sum(bool(_NAME.fullmatch(line.split(b"#")[0].strip().removeprefix(b"*."))) for line in some),
    }
    return max(scores, key=lambda kind: scores[kind])


def entries(job: Job, outcome: Outcome) -> dict[bytes, bytes]:
    """All entries of the source: key -> rdata. Sets `outcome.problem` when it is no such thing as a feed."""
    own = {zone.encode() for zone in job.own}
    own_parents = {zone[cut:] for zone in own for cut in _cuts(zone)} | own | set(_SPECIAL)
    read = reader(outcome.format, job)
    found: dict[bytes, bytes] = {}
    with open(job.source, "rb") as file:
        if b"\0" in file.read(4096):
            outcome.problem = "binary"
            return found
        file.seek(0)
        for piece in pieces(file):
            names, others = plain_names(outcome.format, piece, job.longest)
            found.update(dict.fromkeys(names, b""))
            for line in others:
                _read_line(line, read, job, outcome, found)
            if len(found) > job.most_entries:
                outcome.problem = "too_many"
                return found
    for key in sorted(own_parents & found.keys()):
        del found[key]
        _guarded(outcome, key)
    if not found:
        outcome.problem = "unreadable" if outcome.bad else "empty"
    elif outcome.bad > 10 and outcome.bad > len(found):
        outcome.problem = "unreadable"
    return found


def _read_line(line: bytes, read: Read, job: Job, outcome: Outcome, found: dict[bytes, bytes]) -> None:
    """Add what one line says to `found`, or count why it says nothing."""
    if len(line) > LONGEST_LINE:
        _bad(outcome, "a line longer than any name")
        return
    line = line.strip()
    if is_comment(line):
        return
    try:
        for key, rdata in read(line):
            if len(key) > job.longest:
                _bad(outcome, line.decode(errors="replace"))
            elif (b"." not in key and outcome.format != "rpz") or _covers(key, job.own):
                _guarded(outcome, key)
            else:
                found[key] = rdata
    except Skip:
        outcome.skipped += 1
    except Unreadable:
        _bad(outcome, line.decode(errors="replace"))


def _cuts(zone: bytes) -> list[int]:
    """Where the parents of a name begin."""
    return [at + 1 for at, character in enumerate(zone) if character == ord(".")]


def _covers(key: bytes, own: Iterable[str]) -> bool:
    """Whether a wildcard of a transferred zone covers one of ours."""
    if not key.startswith(b"*"):
        return False
    bare = key[2:].decode()
    return "." not in bare or any(zone == bare or zone.endswith(f".{bare}") for zone in own)


def _guarded(outcome: Outcome, key: bytes) -> None:
    outcome.guarded += 1
    if len(outcome.guarded_samples) < SAMPLES:
        outcome.guarded_samples.append(key.decode())


def _bad(outcome: Outcome, line: str) -> None:
    outcome.bad += 1
    if len(outcome.bad_samples) < SAMPLES:
        outcome.bad_samples.append(line[:200])


def write(job: Job, found: dict[bytes, bytes], outcome: Outcome) -> None:
    """Zone and list of entries, sorted. Those that were there before keep their first day."""
    today = b"%d" % (time.time() // 86_400)
    digest = hashlib.blake2b(digest_size=16)
    both = job.subdomains and outcome.format != "rpz"
    since = _previous(job.previous)
    fresh, gone = found.keys() - since.keys(), since.keys() - found.keys()
    outcome.entries, outcome.before, outcome.added, outcome.removed = len(found), len(since), len(fresh), len(gone)
    outcome.added_samples = [key.decode() for key in heapq.nsmallest(SAMPLES, fresh)]
    outcome.removed_samples = [key.decode() for key in heapq.nsmallest(SAMPLES, gone)]
    head = f"$TTL 60\n@ SOA localhost. hostmaster.localhost. {job.serial} 3600 600 86400 60\n@ NS localhost.\n"
    keys = sorted(found)
    with open(job.zone, "wb", BLOCK) as zone, open(job.entries, "wb", BLOCK) as kept:
        zone.write(head.encode())
        for at in range(0, len(keys), TOGETHER):
            some = keys[at : at + TOGETHER]
            kept.write(b"".join([b"%s\t%s\t%s\n" % (key, since.get(key, today), found[key]) for key in some]))
            records = [b"%s %s\n" % (key, found[key] or b"CNAME .") for key in some]
            text = b"".join([b"%s*.%s" % (record, record) for record in records] if both else records)
            zone.write(text)
            digest.update(text)
        for file in (zone, kept):
            file.flush()
            os.fsync(file.fileno())
    outcome.digest = digest.hexdigest()


def _previous(path: str) -> dict[bytes, bytes]:
    """The entries of before, with the day since when they are there."""
    days: dict[bytes, bytes] = {}
    try:
        with open(path, "rb", BLOCK) as file:
            split = (line.split(b"\t", 2) for line in file)
            return {key: days.setdefault(day, day) for key, day, _ in split}
    except FileNotFoundError:
        return {}


def compile_feed(job: Job) -> Outcome:
    """Do the job; with a problem, nothing was written."""
    outcome = Outcome(format=job.format if job.format in FORMATS else sniff(job))
    found = entries(job, outcome)
    if not outcome.problem:
        write(job, found, outcome)
    return outcome


if __name__ == "__main__":
    gc.disable()  # there are no cycles in a million names, and looking for them takes its time
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    outcome = compile_feed(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))
