"""Zones come to the server and leave it while it runs: `rndc addzone`, `delzone`, `zonestatus` (BIND ARM, section 8.1).

Zone names are typed by people and end up in commands and configuration, so nothing goes there that is not a plain
domain name: `checked_name` stands before every use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import (
    NOT_FOUND,
    BadName,
    CommandFailed,
    NameServerError,
    NotHosted,
    Refused,
    Unreachable,
)
from zones.nameserver.peers import Peer
from zones.nameserver.rndc import Rndc

_LABEL = re.compile(r"(?!.*//)[a-z0-9_]([a-z0-9_/-]{0,61}[a-z0-9_])?")
_FAILURES = {
    80: "the zone file has a type or class that named does not know",
    108: "named refuses the zone: it has no usable SOA or NS records",
}
QUICK_S = 3.0
"""Seconds within which a server that is well answers a question about a zone; loading one may take longer."""
FULL_BYTES = 128 * 1024
"""With less room than this on the disk, `named` cannot keep the journal of an update."""
_EXISTS, _FAILURE, _NOT_LOADED = 18, 25, 123
_SUFFIXES = ("", ".jnl", ".jbk", ".signed", ".signed.jnl")

_CLAUSE = (
    'addzone "{name}" {{ type primary; file "{file}"; '
    # What records may hold is decided by the site, when they are entered. A refusal here would come after the commit.
    "check-names ignore; check-integrity no; check-mx ignore; check-mx-cname ignore; check-srv-cname ignore; "
    "check-dup-records ignore; check-spf ignore; {limits}"
    'update-policy {{ grant "{key}" zonesub any; }}; allow-transfer {{ key "{key}"; }}; }};'
)

_SECONDARY = (
    '{command} "{name}" {{ type secondary; primaries {{ {primaries} }}; file "{file}"; masterfile-format text; '
    'check-names ignore; {limits}notify no; allow-transfer {{ key "{key}"; }}; }};'
)

_NO_LIMITS = "max-records-per-type 0; max-types-per-name 0; "
"""Without it, 100 records of an RRset are the most that is loaded. Servers before 9.18.28 have neither limit nor option."""


class ZoneStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says about one of its zones. file: as it was configured. serial: `None` while it is not loaded,
    because its file is broken or, for a secondary, has never come; then it answers SERVFAIL. secure: it is signed.
    expires, refresh: of a secondary, when its copy is no longer served and when it asks next, as `named` writes times."""

    kind: str
    file: str
    serial: int | None
    dynamic: bool
    frozen: bool
    secure: bool = False
    expires: str = ""
    refresh: str = ""

    @property
    def loaded(self) -> bool:
        return self.serial is not None


def checked_name(zone: str) -> str:
    """The name as it may be put into commands and configuration: lower case, no final dot.

    Letters, digits, hyphens, underscores, and slashes inside a label for the classless reverse zones of RFC 2317.
    Raises `BadName` for everything else.
    """
    name = zone.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or "/" in labels[-1]:
        raise BadName("bad_name", f"{zone!r} is not a domain name that a zone can have")
    return name


def zone_status(endpoint: Endpoint, zone: str) -> ZoneStatus:
    """Ask for one zone. Raises `NotHosted`, or what `Rndc.call` raises."""
    name = checked_name(zone)
    try:
        answer = Rndc(endpoint, timeout_s=QUICK_S).call(f'zonestatus "{name}"')
    except CommandFailed as error:
        if error.result == NOT_FOUND:
            raise NotHosted("not_hosted", f"the name server has no zone {name}") from error
        if error.result == _NOT_LOADED:
            return _status_of_unloaded(endpoint, name)
        raise
    fields = dict(line.split(": ", 1) for line in answer.splitlines() if ": " in line)
    return ZoneStatus(
        kind=fields.get("type", ""),
        file=fields.get("files", "").split(", ")[0],
        serial=int(fields.get("serial", 0)),
        dynamic=fields.get("dynamic") == "yes",
        frozen=fields.get("frozen") == "yes",
        secure=fields.get("secure") == "yes",
        expires=fields.get("expires", ""),
        refresh=fields.get("next refresh", ""),
    )


def _status_of_unloaded(endpoint: Endpoint, name: str) -> ZoneStatus:
    clause = Rndc(endpoint).call(f'showzone "{name}"')
    kind, file = re.search(r"\btype (\w+);", clause), re.search(r'\bfile "([^"]*)";', clause)
    return ZoneStatus(
        kind=kind[1] if kind else "",
        file=file[1] if file else "",
        serial=None,
        dynamic="update-policy" in clause,
        frozen=False,
    )


def is_ours(endpoint: Endpoint, zone: str, status: ZoneStatus) -> bool:
    """Whether the site itself has put this zone on the server, as opposed to an administrator: by the file's name."""
    file = Path(status.file)
    return file.parent == endpoint.zone_dir and _pattern(checked_name(zone)).fullmatch(file.name) is not None


def add_zone(endpoint: Endpoint, zone: str, zone_text: str) -> bool:
    """Make the server serve a new dynamic primary zone with the records of `zone_text` (a whole zone file).

    Returns whether it was added: `False` when the server has it already, as a dynamic primary zone that we put there;
    its records are left alone. One that we put there and that the server could not load again is replaced.
    Raises `Refused` (code `foreign_zone`) when it has a zone of that name which is not ours, `BadName`,
    `NameServerError` (`bad_zone`: `named` does not accept the text; `no_new_zones`; `no_zone_dir`), or what `Rndc.call`
    raises.
    """
    name = checked_name(zone)
    if _recognised(endpoint, name):
        return False
    for litter in _files(endpoint, name):  # of an earlier attempt that did not get as far as the server
        litter.unlink(missing_ok=True)
    # A name never used before: files of a deleted zone of this name may still be on their way out.
    file = endpoint.zone_dir / f"{_stem(name)}.{secrets.token_hex(4)}.db"
    _write(file, zone_text)
    try:
        _add(endpoint, _CLAUSE, name=name, file=file)
    except CommandFailed as error:
        file.unlink(missing_ok=True)
        if error.result == _EXISTS and _recognised(endpoint, name):
            return False
        raise _addition_failed(name, error) from error
    except Unreachable:
        # It may have been carried out all the same. If not, the next attempt removes the file.
        if _is_hosted(endpoint, name):
            return True
        raise
    return True


def add_secondary(endpoint: Endpoint, zone: str, primaries: Sequence[Peer]) -> None:
    """Make the server fetch a zone from `primaries` and serve it, or fetch it from others than before.

    Raises `Refused` (code `foreign_zone`) when it has a zone of that name which is not ours or of another kind, `BadName`,
    `NameServerError` (`bad_zone`, `no_new_zones`), or what `Rndc.call` raises.
    """
    name = checked_name(zone)
    if not primaries:
        raise BadName("no_servers", f"no primaries are named from which {name} comes")
    listed = " ".join(primary.clause() for primary in primaries)
    try:
        status: ZoneStatus | None = zone_status(endpoint, name)
    except NotHosted:
        status = None
    if status is not None and (status.kind != "secondary" or not is_ours(endpoint, name, status)):
        raise _foreign(name)
    command = "addzone" if status is None else "modzone"
    file = Path(status.file) if status else endpoint.zone_dir / f"{_stem(name)}.{secrets.token_hex(4)}.db"
    try:
        _add(endpoint, _SECONDARY, command=command, name=name, file=file, primaries=listed)
    except CommandFailed as error:
        raise _addition_failed(name, error) from error


def _add(endpoint: Endpoint, clause: str, **values: Any) -> None:
    key = endpoint.tsig.name
    try:
        Rndc(endpoint).call(clause.format(key=key, limits=_NO_LIMITS, **values))
    except CommandFailed as error:
        if error.result != _FAILURE:  # the only answer to an option that it does not know
            raise
        Rndc(endpoint).call(clause.format(key=key, limits="", **values))


def delete_zone(endpoint: Endpoint, zone: str) -> bool:
    """Make the server forget a zone, with its file and journal. Returns whether it had it.

    Raises `Refused` (code `foreign_zone`) for a zone that is not ours, `BadName`, or what `Rndc.call` raises.
    """
    name = checked_name(zone)
    try:
        status = zone_status(endpoint, name)
    except NotHosted:
        status = None
    files = _files(endpoint, name)  # before: the server removes a zone's file first and its journal a moment later
    if status is not None:
        if not is_ours(endpoint, name, status):
            raise _foreign(name)
        with contextlib.suppress(NotHosted):
            _delete(endpoint, name)
    for file in files:
        for suffix in _SUFFIXES:
            file.with_name(file.name + suffix).unlink(missing_ok=True)
    return status is not None


def _delete(endpoint: Endpoint, name: str) -> None:
    try:
        Rndc(endpoint).call(f'delzone -clean "{name}"')
    except CommandFailed as error:
        if error.result != NOT_FOUND:
            raise


def _recognised(endpoint: Endpoint, name: str) -> bool:
    """Whether the zone is there, ours, and in order. Raises `Refused` when it is there and not ours."""
    try:
        status = zone_status(endpoint, name)
    except NotHosted:
        return False
    if status.kind != "primary" or not status.dynamic or not is_ours(endpoint, name, status):
        raise _foreign(name)
    if not status.loaded:
        delete_zone(endpoint, name)
        return False
    return True


def is_full(endpoint: Endpoint) -> bool:
    """Whether the disk with the zone files, as far as we see it, has no room for a journal."""
    try:
        return shutil.disk_usage(endpoint.zone_dir).free < FULL_BYTES
    except OSError:
        return False


def _is_hosted(endpoint: Endpoint, name: str) -> bool:
    with contextlib.suppress(NameServerError):
        return _recognised(endpoint, name)
    return False


def _foreign(name: str) -> Refused:
    return Refused(
        "foreign_zone",
        f"the name server already has a zone {name} that was not put there by this site; remove it there first, "
        "after saving its records if they are wanted",
    )


def _addition_failed(name: str, error: CommandFailed) -> NameServerError:
    if error.result == 38:
        return NameServerError(
            "no_zone_dir", "named cannot read the file of the new zone: it has no access to the zone directory"
        )
    if "Not allowing new zones" in error.reason:
        return NameServerError(
            "no_new_zones", "named does not take new zones: set “allow-new-zones yes;” in its options"
        )
    reason = _FAILURES.get(error.result, error.reason)
    return NameServerError("bad_zone", f"named does not accept the zone {name}: {reason}")


def _stem(name: str) -> str:
    """The part of the file name that says which zone it is; a digest keeps very long names apart within 255 bytes."""
    escaped = name.replace("/", "%2F")
    return escaped if len(escaped) <= 200 else f"{escaped[:180]}.{sha256(name.encode()).hexdigest()[:16]}"


def _pattern(name: str) -> re.Pattern[str]:
    """What the zone files that we make for this zone are called."""
    return re.compile(re.escape(_stem(name)) + r"\.[0-9a-f]{8}\.db")


def _files(endpoint: Endpoint, name: str) -> list[Path]:
    """The zone files that we have made for this zone and that are still there."""
    try:
        return [file for file in endpoint.zone_dir.iterdir() if _pattern(name).fullmatch(file.name)]
    except OSError as error:
        raise NameServerError("no_zone_dir", f"the zone directory cannot be read: {error}") from error


def _write(file: Path, text: str) -> None:
    """Write the whole file or nothing; readable for the server, which may run as another user."""
    temporary = file.with_suffix(".new")
    try:
        with open(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644), "w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise NameServerError("no_zone_dir", f"the zone directory cannot be written: {error}", retry=full) from error
