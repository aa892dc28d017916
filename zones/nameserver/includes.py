"""The pieces of the server's configuration that the site writes, one file each: tried first, then put in place whole.

The private server includes them by itself. An existing one has them in its zone directory, where its `named.conf` has to
include them (`nameserver_check` says how). Whoever owns a file is its only writer.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import CommandFailed, NameServerError
from zones.nameserver.rndc import Rndc

CHECK_WITHIN_S = 10.0

HEADING = "// Written by the site, whole, at each change. What is added here by hand is lost.\n"
"""The first line of each piece, for whoever opens the file."""


def include_file(endpoint: Endpoint, name: str) -> Path:
    """Where the piece `name` of the configuration stands."""
    return (endpoint.zone_dir.parent if endpoint.private else endpoint.zone_dir) / name


def written(endpoint: Endpoint, name: str) -> str:
    """What the piece says now; empty when it was never written."""
    try:
        return include_file(endpoint, name).read_text()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _unwritable(name, error) from error


def replace(endpoint: Endpoint, name: str, text: str, *, within: str = "{}", mode: int = 0o640) -> bool:
    """Make the piece `name` say `text`, and have the server read it. Returns whether that changed anything.

    within: the clause around it, `options {{ {} }};` for a piece of the options, for trying it by itself.
    Raises `NameServerError`: `bad_configuration` with what `named-checkconf` or the server said; the server then goes on
    with what it had, and so does the file. `unwritable`; or what `Rndc.call` raises, after which the file is the new one.
    """
    file = include_file(endpoint, name)
    with _alone(file):
        before = written(endpoint, name)
        if before == text and file.exists():
            return False
        _check(file, within.replace("{}", text))
        _put(file, text, mode)
        try:
            Rndc(endpoint).call("reconfig")
        except CommandFailed as error:
            _put(file, before, mode)
            Rndc(endpoint).call("reconfig")
            raise NameServerError("bad_configuration", f"the name server refused {name}: {error.reason}") from error
    return True


def _check(file: Path, text: str) -> None:
    """Whether `named-checkconf` takes it. It may name keys that stand elsewhere; those only the server can judge."""
    candidate = file.with_name(f".{file.name}.{secrets.token_hex(4)}.try")
    program = shutil.which("named-checkconf") or shutil.which("named-checkconf", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise NameServerError("not_installed", "there is no program “named-checkconf”: install bind9-utils")
    try:
        _put(candidate, text, 0o600)
        done = subprocess.run(
            [program, str(candidate)],
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=CHECK_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NameServerError(
            "bad_configuration", f"named-checkconf did not end with {file.name}", retry=True
        ) from error
    finally:
        candidate.unlink(missing_ok=True)
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).replace(str(candidate), file.name).split())
        raise NameServerError("bad_configuration", f"named-checkconf refuses {file.name}: {said[:500]}")


def _put(file: Path, text: str, mode: int) -> None:
    """Write the whole file or nothing."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    try:
        with open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _unwritable(file.name, error) from error


def _unwritable(name: str, error: OSError) -> NameServerError:
    return NameServerError("unwritable", f"{name} of the name server cannot be written: {error}", retry=True)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One process at a time."""
    try:
        lock = os.open(file.with_name(f".{file.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(file.name, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
