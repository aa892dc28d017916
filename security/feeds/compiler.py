"""From what a feed sent to a policy zone and a sorted list of its entries: a program of its own, run as a child.

    python -m security.feeds.compiler < job.json > outcome.json

In a process of its own because it is the one part of the site that works through megabytes: it takes no time from those who
answer people, and its memory goes when it ends. It knows neither Django nor the database. A line that cannot be read is
counted and left out; only when most of them cannot be read is the whole refused.
"""

from __future__ import annotations

import csv
import hashlib
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


def lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """The lines of a file, lower case; `None` for one that is too long. Never more than a block of it in memory."""
    rest = b""
    too_long = False
    while block := file.read(BLOCK):
        *whole, rest = (rest + block.lower()).split(b"\n")
        for line in whole:
            if too_long or len(line) > LONGEST_LINE:
                too_long = False
                yield None
            else:
                yield line
        if len(rest) > LONGEST_LINE:
            rest, too_long = b"", True
    if too_long:
        yield None
    elif rest:
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


def is_comment(line: bytes) -> bool:
    return line[:1] in (b"#", b"!", b";", b"[") or not line


def sniff(job: Job) -> str:
    """The format of which the first lines are."""
    some: list[bytes] = []
    with open(job.source, "rb") as file:
        for line in lines(file):
            stripped = (line or b"").strip()
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
    own = tuple(zone.encode() for zone in job.own)
    own_parents = {zone[cut:] for zone in own for cut in _cuts(zone)} | set(own) | set(_SPECIAL)
    read = reader(outcome.format, job)
    found: dict[bytes, bytes] = {}
    with open(job.source, "rb") as file:
        if b"\0" in file.read(4096):
            outcome.problem = "binary"
            return found
        file.seek(0)
        for line in lines(file):
            if line is None:
                _bad(outcome, "a line longer than any name")
                continue
            line = line.strip()
            if is_comment(line):
                continue
            try:
                for key, rdata in read(line):
                    if len(key) > job.longest:
                        _bad(outcome, line.decode(errors="replace"))
                    elif key in own_parents or (b"." not in key and outcome.format != "rpz") or _covers(key, own):
                        outcome.guarded += 1
                        if len(outcome.guarded_samples) < SAMPLES:
                            outcome.guarded_samples.append(key.decode())
                    else:
                        found[key] = rdata
            except Skip:
                outcome.skipped += 1
            except Unreadable:
                _bad(outcome, line.decode(errors="replace"))
            if len(found) > job.most_entries:
                outcome.problem = "too_many"
                return found
    if not found:
        outcome.problem = "unreadable" if outcome.bad else "empty"
    elif outcome.bad > 10 and outcome.bad > len(found):
        outcome.problem = "unreadable"
    return found


def _cuts(zone: bytes) -> list[int]:
    """Where the parents of a name begin."""
    return [at + 1 for at, character in enumerate(zone) if character == ord(".")]


def _covers(key: bytes, own: tuple[bytes, ...]) -> bool:
    """Whether a wildcard of a transferred zone covers one of ours."""
    if not key.startswith(b"*"):
        return False
    bare = key[2:]
    return not bare or b"." not in bare or any(zone == bare or zone.endswith(b"." + bare) for zone in own)


def _bad(outcome: Outcome, line: str) -> None:
    outcome.bad += 1
    if len(outcome.bad_samples) < SAMPLES:
        outcome.bad_samples.append(line[:200])


def write(job: Job, found: dict[bytes, bytes], outcome: Outcome) -> None:
    """Zone and list of entries, in one pass over the sorted entries and those of before, which keep their first day."""
    today = int(time.time()) // 86_400
    digest = hashlib.blake2b(digest_size=16)
    both = job.subdomains and outcome.format != "rpz"
    head = f"$TTL 60\n@ SOA localhost. hostmaster.localhost. {job.serial} 3600 600 86400 60\n@ NS localhost.\n"
    with open(job.zone, "wb", BLOCK) as zone, open(job.entries, "wb", BLOCK) as kept:
        zone.write(head.encode())
        before = _previous(job.previous, outcome)
        old = next(before, None)
        for key in sorted(found):
            while old is not None and old[0] < key:
                _sample(outcome.removed_samples, old[0])
                outcome.removed += 1
                old = next(before, None)
            if old is not None and old[0] == key:
                since = old[1]
                old = next(before, None)
            else:
                since = today
                outcome.added += 1
                _sample(outcome.added_samples, key)
            rdata = found[key]
            kept.write(b"%s\t%d\t%s\n" % (key, since, rdata))
            line = b"%s %s\n" % (key, rdata or b"CNAME .")
            zone.write(line + b"*." + line if both else line)
            digest.update(line)
        while old is not None:
            _sample(outcome.removed_samples, old[0])
            outcome.removed += 1
            old = next(before, None)
        for file in (zone, kept):
            file.flush()
            os.fsync(file.fileno())
    outcome.entries = len(found)
    outcome.digest = f"{digest.hexdigest()}{'+' if both else ''}"


def _previous(path: str, outcome: Outcome) -> Iterator[tuple[bytes, int]]:
    try:
        file = open(path, "rb", BLOCK)  # noqa: SIM115  # closed below
    except FileNotFoundError:
        return
    with file:
        for line in file:
            key, since, _ = line.split(b"\t", 2)
            outcome.before += 1
            yield key, int(since)


def _sample(samples: list[str], key: bytes) -> None:
    if len(samples) < SAMPLES:
        samples.append(key.decode())


def compile_feed(job: Job) -> Outcome:
    """Do the job; with a problem, nothing was written."""
    outcome = Outcome(format=job.format if job.format in FORMATS else sniff(job))
    found = entries(job, outcome)
    if not outcome.problem:
        write(job, found, outcome)
    return outcome


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    outcome = compile_feed(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))
