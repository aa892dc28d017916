"""The server as a whole: how it is, its configuration by statement, and being started, stopped and told to read anew."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

import msgspec

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import NameServerError, Unreachable
from zones.nameserver.private import ended_at, held, hold, release
from zones.nameserver.rndc import Rndc

Action = Literal["start", "stop", "restart", "reload", "reconfig"]

CHECK_WITHIN_S = 30.0
MOST_CHARACTERS = 2000
"""Of one statement's text that are kept for comparison."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{};]|[^\s{};"]+')


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What `rndc status` tells, times to the second. recursive_clients, transfers: under way now."""

    version: str
    booted_at: datetime
    configured_at: datetime
    configuration_file: str
    zones: int
    recursive_clients: int
    transfers: int
    query_log: bool


def status(endpoint: Endpoint, *, timeout_s: float = 3.0) -> Status:
    """Ask the control channel. Raises what `Rndc.call` raises, and `NameServerError` (`bad_answer`)."""
    lines = Rndc(endpoint, timeout_s=timeout_s).call("status").splitlines()
    said = dict(line.split(": ", 1) for line in lines if ": " in line)
    zones, _, automatic = said.get("number of zones", "").partition("(")
    try:
        return Status(
            version=said["version"].removeprefix("BIND ").split(" (")[0],
            booted_at=parsedate_to_datetime(said["boot time"]),
            configured_at=parsedate_to_datetime(said["last configured"]),
            configuration_file=said["configuration file"].split(" (")[0],
            zones=_number(zones) - _number(automatic),
            recursive_clients=_number(said.get("recursive clients", "")),
            transfers=_number(said.get("xfers running", "")),
            query_log="query logging is ON" in lines,
        )
    except (KeyError, ValueError) as error:
        raise NameServerError("bad_answer", f"the control channel's status cannot be read: {error}") from error


def act(endpoint: Endpoint, action: Action, *, wait_s: float = 15.0) -> None:
    """Do it, and return when it is done. Before the configuration is read it is checked.

    Raises `NameServerError`: `bad_configuration` with what `named-checkconf` said (nothing was done then), `not_ours` for
    start, stop and restart of a server that somebody else runs, `not_started`, `not_stopped`; or what `Rndc.call` raises.
    """
    if action in ("start", "stop", "restart") and not endpoint.private:
        raise NameServerError(
            "not_ours", f"the site does not run the name server at {endpoint}; {action} it over there"
        )
    if action == "stop":
        hold(endpoint.zone_dir.parent)
        _wait(lambda: not _answers(endpoint), wait_s, NameServerError("not_stopped", "named still answers", retry=True))
        return
    check(endpoint)
    not_up = NameServerError("not_started", "named is not up yet", retry=True)
    if action == "start":
        release(endpoint.zone_dir.parent)
        _wait(lambda: _answers(endpoint), wait_s, not_up)
    elif action == "restart":
        before = status(endpoint).booted_at
        Rndc(endpoint).call("stop")  # whoever keeps it running starts it again at once
        _wait(lambda: _booted_at(endpoint) not in (None, before), wait_s, not_up)
    else:
        Rndc(endpoint).call(action)


def is_held(endpoint: Endpoint) -> bool:
    """Whether somebody has stopped the private server on purpose."""
    return endpoint.private and held(endpoint.zone_dir.parent)


def ended_by_us_at(endpoint: Endpoint) -> datetime | None:
    """When the site itself has ended its private server last, as it does when it is stopped."""
    return ended_at(endpoint.zone_dir.parent) if endpoint.private else None


def check(endpoint: Endpoint) -> None:
    """Whether the configuration as it stands can be read. Does nothing where its file is out of our reach.

    Raises `NameServerError` (`bad_configuration`) with what `named-checkconf` says.
    """
    if (file := _configuration_file(endpoint)) is not None:
        _checkconf(file)


def configuration(endpoint: Endpoint) -> Mapping[str, str] | None:
    """The configuration as `named` understands it, by statement (`options.recursion`, `zone "a.example"`), without secrets.

    `None` where its file is out of our reach. Raises `NameServerError` (`bad_configuration`).
    """
    file = _configuration_file(endpoint)
    return None if file is None else statements(_checkconf(file, "-p", "-x"))


def statements(text: str) -> dict[str, str]:
    """The statements in the output of `named-checkconf -p`: the parts of `options` and `logging` each for itself.

    Several of one name stand together under it. Secrets are masked even where the program has left them in.
    """
    found: dict[str, str] = {}
    for words in _split(_TOKEN.findall(text)):
        head, body = _headed(words)
        if head in ("options", "logging") and body is not None:
            for inner in _split(body):
                depth = 2 if inner[0] in ("channel", "category") else 1
                _add(found, f"{head}.{' '.join(inner[:depth])}", inner[depth:])
        elif body is not None:
            _add(found, head, body)
        else:
            _add(found, words[0], words[1:])
    return found


def _add(found: dict[str, str], name: str, words: list[str]) -> None:
    hidden = ["…" if before == "secret" else word for before, word in zip(["", *words], words, strict=False)]
    text = " ".join(hidden).replace(" ;", ";")[:MOST_CHARACTERS]
    found[name] = f"{found[name]}; {text}" if name in found else text


def _split(words: list[str]) -> Iterator[list[str]]:
    """The statements in a row of words: each ends with a semicolon outside of braces."""
    statement: list[str] = []
    depth = 0
    for word in words:
        depth += (word == "{") - (word == "}")
        if word == ";" and depth == 0:
            if statement:
                yield statement
            statement = []
        else:
            statement.append(word)
    if statement:
        yield statement


def _headed(words: list[str]) -> tuple[str, list[str] | None]:
    """`zone "x" { … }` as its head and the words between its braces; no words for a statement without any."""
    if "{" not in words or words[-1] != "}":
        return " ".join(words), None
    opening = words.index("{")
    return " ".join(words[:opening]), words[opening + 1 : -1]


def _checkconf(file: Path, *options: str) -> str:
    program = shutil.which("named-checkconf") or shutil.which("named-checkconf", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise NameServerError("not_installed", "there is no program “named-checkconf”: install bind9-utils")
    try:
        done = subprocess.run(
            [program, *options, str(file)],
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=CHECK_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NameServerError("bad_configuration", f"named-checkconf did not end with {file}", retry=True) from error
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).split())
        raise NameServerError("bad_configuration", f"named-checkconf refuses the configuration: {said[-500:]}")
    return done.stdout


def _configuration_file(endpoint: Endpoint) -> Path | None:
    if endpoint.private:
        return endpoint.zone_dir.parent / "named.conf"
    try:
        file = Path(status(endpoint).configuration_file)
        with open(file):
            return file
    except (OSError, NameServerError):
        return None


def _answers(endpoint: Endpoint) -> bool:
    try:
        return "server is up and running" in Rndc(endpoint, timeout_s=2.0).call("status")
    except Unreachable:
        return False
    except NameServerError:
        return True


def _booted_at(endpoint: Endpoint) -> datetime | None:
    try:
        return status(endpoint, timeout_s=2.0).booted_at
    except NameServerError:
        return None


def _wait(done: Callable[[], bool], seconds: float, otherwise: NameServerError) -> None:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise otherwise
        time.sleep(0.1)


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found[0]) if found else 0
