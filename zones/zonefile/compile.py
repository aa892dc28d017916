"""`named`'s own judgement of a zone file: `named-compilezone` in a child that cannot take more than its share.

It accepts what `named` would load, writes one record per line with absolute names (BIND ARM, "named-compilezone"), and is
fifteen times faster than parsing in Python.
"""

from __future__ import annotations

import re
import resource
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from threading import Timer
from typing import NoReturn

import msgspec

from zones.zonefile.problems import MAX_PROBLEMS, Problem, ZoneFileError, printable

MAX_OUTPUT = 256 * 2**20
"""Bytes of canonical text; absolute names can make it larger than what came in."""
_MIB = 2**20
_MESSAGES_READ = 256 * 1024
_REASON_CHARACTERS = 300
_SOURCE = "/dev/stdin"

_MESSAGE = re.compile(
    rf"(?:\$GENERATE: |dns_\w+: )*(?:{_SOURCE}:(?P<line>\d+): |{_SOURCE}: |zone [^ ]+: )?"
    r"(?:isc_\w+\(\) (?:failed|returned)[: ]+)?(?P<reason>.*)"
)
_EMPTY = re.compile(r"not loaded due to errors\.|loaded serial |dump zone to |OK$")
_ABOUT_NAMES = re.compile(rb"warning: .*\(check-names\)$")
_SUMMARY = f"loading from master file {_SOURCE} failed: "
_TARGET = re.compile(r"(?:.*/)?(?P<type>NS|MX|SRV) '(?P<target>[^']+)' ")
_WARNING = re.compile(
    r"ignoring out-of-zone data|using RFC1035 TTL semantics|TTL set to prior TTL|no TTL specified; using SOA MINTTL"
    r"|record with inherited owner|signature has expired|warning: |old style DNSSEC|file does not end|\$TTL \d+ > MAXTTL"
)


class Compiled(msgspec.Struct, frozen=True):
    """What came out: canonical lines (`owner TTL class type rdata`), and what `named` would warn of."""

    lines: list[str]
    warnings: tuple[Problem, ...]


class Limits(msgspec.Struct, frozen=True):
    """What one run may take: seconds of processor time and of wall-clock time, bytes of address space."""

    cpu_s: int
    wall_s: float
    memory: int

    @classmethod
    def of(cls, text: bytes) -> Limits:
        """Three times what a slow machine was seen to take: a million records (20 MiB) took 6 s and 302 MiB."""
        mib = len(text) / _MIB
        cpu = 5 + int(mib)
        return cls(cpu_s=cpu, wall_s=15 + 3 * cpu, memory=256 * _MIB + 24 * len(text))


def compile_zone(text: bytes, origin: str, *, whole: bool = True) -> Compiled:
    """Let `named-compilezone` judge a guarded text (`zones.zonefile.guard`) as the zone `origin` (no final dot needed).
    whole: all of the zone is in it, so that what its records point to is looked for.

    Raises `ZoneFileError` with what it complained of, by line of `text`; `FileNotFoundError` where BIND's tools are not
    installed.
    """
    limits = Limits.of(text)
    status, lines, found = _judged(text, origin, limits, "local" if whole else "none")
    if whole and status > 0 and not any(problem.reason.startswith(_SUMMARY) for problem in found):
        # It can be read. If only delegations lack their addresses, `named` serves it here, and people shall know.
        status, lines, errors = _judged(text, origin, limits, "none")
        found = errors if status else found
    if status:
        _refuse(status, found, limits)
    # Of names that are none of hosts, `zones.validation` warns where they are new.
    told = [problem for problem in found if not problem.reason.endswith("(check-names)")]
    return Compiled(lines, tuple(told[:MAX_PROBLEMS]))


def _judged(text: bytes, origin: str, limits: Limits, integrity: str) -> tuple[int, list[str], list[Problem]]:
    """How the child ended, the lines that it wrote, and what it said, with the mode `integrity` of its `-i`."""
    with tempfile.TemporaryDirectory(prefix="dnsadmin-zonefile-") as directory:
        output, messages = Path(directory, "out"), Path(directory, "messages")
        with messages.open("wb") as said:
            status = _run(text, origin, output, said.fileno(), limits, integrity)
        lines = output.read_text("ascii").removesuffix("\n").split("\n") if status == 0 else []
        return status, lines, [_located(problem, text, origin) for problem in _problems(messages)]


def _run(text: bytes, origin: str, output: Path, messages: int, limits: Limits, integrity: str) -> int:
    # Names of any form are taken (`zones.nameserver.hosting`), but `-k ignore` would take a broken NSEC3 as well.
    modes = ["-i", integrity, "-k", "warn"]
    arguments = [*modes, "-f", "text", "-F", "text", "-s", "full", "-o", str(output)]
    child = subprocess.Popen(
        [program("named-compilezone"), *arguments, "--", origin.rstrip(".") + ".", _SOURCE],
        stdin=subprocess.PIPE,
        stdout=messages,
        stderr=messages,
        cwd=output.parent,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        start_new_session=True,
    )
    # Not `communicate(timeout=…)`, which looks for the end of the child every 50 ms: most are done sooner.
    alarm = Timer(limits.wall_s, child.kill)
    alarm.start()
    with child:
        try:
            # It waits for its input, so the limits are in force before there is anything to be limited.
            _limit(child.pid, limits)
            child.communicate(text)
        except BaseException:
            child.kill()
            raise
        finally:
            alarm.cancel()
    return child.returncode


def program(name: str) -> str:
    """The path of one of BIND's programs. Raises `FileNotFoundError`."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise FileNotFoundError(f"{name} is not installed; on Debian install bind9 and bind9-utils")
    return path


def _limit(pid: int, limits: Limits) -> None:
    for limit, value in (
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_FSIZE, MAX_OUTPUT),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.prlimit(pid, limit, (value, value))


def _problems(messages: Path) -> list[Problem]:
    """What the child said, each thing once, in order; of very much only the beginning."""
    found: dict[Problem, None] = {}
    room = _MESSAGES_READ
    with messages.open("rb") as file:
        for line in file:
            if _ABOUT_NAMES.search(line):
                continue
            if (room := room - len(line)) < 0:
                break
            if problem := _problem(line.rstrip(b"\n").decode("utf-8", "backslashreplace")):
                found[problem] = None
    return list(found)


def _problem(message: str) -> Problem | None:
    match = _MESSAGE.fullmatch(printable(message))
    if match is None or not match["reason"] or _EMPTY.match(match["reason"]):
        return None
    # BIND says line 0 when the first line ends too soon.
    return Problem(max(int(match["line"]), 1) if match["line"] else None, match["reason"][:_REASON_CHARACTERS])


def _located(problem: Problem, text: bytes, origin: str) -> Problem:
    """BIND checks targets when all is read, and no longer knows their lines: find the one that names the target."""
    match = _TARGET.match(problem.reason)
    if problem.line is not None or match is None:
        return problem
    target = match["target"]
    relative = re.sub(rf"\.{re.escape(origin.rstrip('.'))}$", "", target, flags=re.IGNORECASE)
    names = "|".join(re.escape(name) for name in (f"{target}.", relative))
    line = re.search(
        rf"^[^;\n]*[ \t]{match['type']}[ \t][^;\n]*?(?:{names})[ \t\r]*(?:;|$)".encode(),
        text,
        re.MULTILINE | re.IGNORECASE,
    )
    return problem if line is None else Problem(text.count(b"\n", 0, line.start()) + 1, problem.reason)


def _refuse(status: int, found: list[Problem], limits: Limits) -> NoReturn:
    if status > 0:
        errors = [problem for problem in found if not _WARNING.match(problem.reason)]
        told = [problem for problem in errors if not problem.reason.startswith(_SUMMARY)]
        summary = [Problem(None, problem.reason.removeprefix(_SUMMARY)) for problem in errors]
        raise ZoneFileError((told or summary)[:MAX_PROBLEMS] or [Problem(None, "refused without a reason")])
    killed_by = signal.Signals(-status)
    if killed_by in (signal.SIGKILL, signal.SIGXCPU):
        reason = f"reading it takes too long (over {limits.cpu_s} s)"
    elif killed_by == signal.SIGXFSZ:
        reason = f"its records take more than {MAX_OUTPUT // _MIB} MiB"
    elif killed_by in (signal.SIGSEGV, signal.SIGABRT, signal.SIGTRAP):
        reason = f"reading it takes too much memory (over {limits.memory // _MIB} MiB)"
    else:
        reason = f"the reader was ended by {killed_by.name}"
    raise ZoneFileError([Problem(None, reason)])
