"""Zone files that nobody here wrote: in the source distributions of dnspython and octodns, and in BIND's own source.

They are fetched by the machine's own package tools, from wherever those are configured to look, into a cache outside the
checkout, and stay there for the next run. Nothing of them is part of this repository.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dnsadmin-tests"

_SOA = re.compile(rb"^(?![ \t]*;)[^;\n]{0,300}?[ \t]SOA[ \t]", re.MULTILINE | re.IGNORECASE)
_WORDS = re.compile(rb'\b[A-Z][A-Z0-9]*\b|\$[A-Z]+|[()\\"@*;]')
_NO_ZONE_FILES = {".c", ".h", ".py", ".pl", ".sh", ".rst", ".conf", ".html", ".md", ".xml"}
"""Programs and prose, which may speak of SOA records."""


class Foreign(msgspec.Struct, frozen=True):
    """One file that somebody else wrote. name: its path in the distribution."""

    name: str
    text: bytes


class NotDownloaded(Exception):
    """A source distribution could not be fetched: the network or the registry is at fault, not the code under test."""


def dnspython() -> list[Foreign]:
    """The zones that dnspython tests its parser with."""
    return list(_zone_files(_unpacked("dnspython", _pip), _has_soa))


def octodns() -> list[Foreign]:
    """The zones of octodns' tests, malformed ones and some in the format of tinydns included."""
    return list(_zone_files(_unpacked("octodns", _pip), lambda path, text: "/tests/zones/" in str(path)))


def bind() -> list[Foreign]:
    """All zone files of BIND's source, good and bad: mostly those of its system tests."""
    return list(_zone_files(_unpacked("bind9", _apt), _has_soa))


def bind_in_short() -> list[Foreign]:
    """Of those that use the same types, directives and signs, the first."""
    return list({frozenset(_WORDS.findall(foreign.text)): foreign for foreign in reversed(bind())}.values())


def _zone_files(directory: Path, is_one: Callable[[Path, bytes], bool]) -> Iterator[Foreign]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix not in _NO_ZONE_FILES:
            text = path.read_bytes()
            if is_one(path, text):
                yield Foreign(str(path.relative_to(directory)), text)


def _has_soa(path: Path, text: bytes) -> bool:
    return _SOA.search(text) is not None


def _unpacked(package: str, fetch: Callable[[str, Path], None]) -> Path:
    """The directory with the package's source, fetched when it is not there."""
    directory = CACHE / package
    if not directory.exists():
        partial = CACHE / f".{package}.{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            fetch(package, partial)
            archive = next(path for path in partial.iterdir() if ".tar." in path.name and path.suffix != ".asc")
            with tarfile.open(archive) as tar:
                tar.extractall(partial / "source", filter="data")
            (partial / "source").rename(directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return directory


def _pip(package: str, into: Path) -> None:
    _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", package, package], into)


def _apt(package: str, into: Path) -> None:
    """The upstream tarball of a Debian source package. The machine's own sources, asked for source packages."""
    parts, state = into / "sources", into / "lists"
    parts.mkdir()
    (state / "partial").mkdir(parents=True)
    own = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for number, path in enumerate(path for path in own if path.suffix in (".list", ".sources") and path.is_file()):
        text = re.sub(r"^deb(?=\s)", "deb-src", path.read_text(), flags=re.MULTILINE)
        (parts / f"{number}{path.suffix}").write_text(re.sub(r"^Types:.*$", "Types: deb-src", text, flags=re.MULTILINE))
    options = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": str(parts),
        "Dir::State::lists": str(state),
        "Dir::Cache": str(into / "cache"),
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "",
    }
    arguments = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    _run(["apt-get", *arguments, "--quiet", "update"], into)
    _run(["apt-get", *arguments, "--quiet", "source", "--download-only", "--tar-only", "--only-source", package], into)


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise NotDownloaded(f"{' '.join(command[:1] + command[-2:])} failed: {(done.stdout + done.stderr)[-600:]}")
