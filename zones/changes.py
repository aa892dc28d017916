"""The single road of every write to zones and records.

    with change_set(zone, comment="move the web server") as changes:
        changes.update(record_id, version=3, content="192.0.2.2")
        changes.create(name="new", type="A", ttl=300, content="192.0.2.3")
    changes.result        # the ChangeSet; changes.warnings: what is allowed but looks wrong

What is asked inside the block is carried out when it ends, in one transaction: versions compared, the rules of the RRsets
that are touched checked (`zones.validation`), rows, history and events written, and the synchronizer woken on commit.
An exception inside the block, or a broken rule, leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from zones.models import ChangeSet, Record, Zone, ZoneGrant
from zones.rrsets import RRset


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, or looks wrong. field: of the record, or `""`. index: of the change in the set, from 0.
    code: stable, for programs; message: for people."""

    code: str
    message: str
    field: str = ""
    index: int | None = None


class ChangeError(Exception):
    """A change that was not made; nothing of its change set was."""


class InvalidChange(ChangeError):
    """Rules of DNS are broken. problems: all of them, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class StaleVersion(ChangeError):
    """Somebody else was faster. current: the object as it is now (as `snapshot()` gives it), `None` when it is gone.
    sent: what was asked for. index: of the change in the set."""

    def __init__(self, current: dict[str, Any] | None, sent: dict[str, Any], index: int | None = None) -> None:
        super().__init__("somebody else has changed it" if current else "somebody else has deleted it")
        self.current = current
        self.sent = sent
        self.index = index


class Conflict(ChangeError):
    """A revert would undo what others did since. conflicts: per record `{expected, current}`."""

    def __init__(self, conflicts: list[dict[str, Any]]) -> None:
        super().__init__("the records have been changed since")
        self.conflicts = conflicts


class Changes:
    """The changes of one block; carried out when it ends.

    result: the change set, after the block; `None` when nothing changed or it was a dry run.
    warnings: what is allowed but looks wrong. changes: what was (or, in a dry run, would be) done, as `Change.before/after`.
    """

    result: ChangeSet | None
    warnings: list[Problem]

    def create(
        self, *, name: str, type: str, ttl: int, content: str, comment: str = "", private: bool = False
    ) -> Record:
        """Add a record. The object returned has its id after the block."""
        raise NotImplementedError

    def update(self, record: Record | int, *, version: int | None = None, **fields: Any) -> None:
        """Change fields (`name, type, ttl, content, comment, private`) of a record. A `version` other than the present one
        raises `StaleVersion` when the block ends; `None` does not look."""
        raise NotImplementedError

    def delete(self, record: Record | int, *, version: int | None = None) -> None:
        """Delete a record; `version` as for `update`."""
        raise NotImplementedError

    def replace(self, rrsets: Iterable[RRset], *, keep_others: bool = False) -> None:
        """Make the zone's records those of `rrsets` (canonical values; not checked one by one): for imports.

        Records that stay keep their id, comment and version. With `keep_others` only the RRsets named are replaced.
        No event per record is emitted, but one `change_set_applied` for all.
        """
        raise NotImplementedError


@contextmanager
def change_set(zone: Zone, *, comment: str = "", dry_run: bool = False) -> Iterator[Changes]:
    """Collect changes of `zone` and carry them out together when the block ends; with `dry_run`, only check them.

    The author and origin are those of `realtime.actors.current_actor()`.
    Raises `StaleVersion`, `InvalidChange`, or `Zone.DoesNotExist` when the zone was deleted meanwhile.
    """
    raise NotImplementedError
    yield


def create_zone(
    name: str,
    *,
    kind: str = "primary",
    comment: str = "",
    rrsets: Iterable[RRset] = (),
    nameservers: Iterable[str] = (),
    owner: Any = None,
) -> Zone:
    """Make a zone, as one change set. `rrsets` are its records; without an SOA or apex NS among them, sensible ones are
    added (`nameservers`: names; default: this machine's). owner: a user who gets a grant to manage it.
    Raises `InvalidChange`."""
    raise NotImplementedError


def update_zone(zone: Zone, *, version: int | None = None, comment: str) -> Zone:
    """Change the zone's own fields. Raises `StaleVersion`."""
    raise NotImplementedError


def delete_zone(zone: Zone, *, version: int | None = None) -> None:
    """Delete a zone softly. Raises `StaleVersion`."""
    raise NotImplementedError


def revert(change_set: ChangeSet, *, dry_run: bool = False) -> Changes:
    """Take a change set back by a new one. Raises `Conflict` when a record it touched is not as it left it."""
    raise NotImplementedError


def grant(zone: Zone, *, level: str, user: Any = None, group: Any = None) -> ZoneGrant:
    """Give a user or a group a right to a zone, in place of the one it had."""
    raise NotImplementedError


def close_grant(grant: ZoneGrant) -> None:
    """End a grant; the row stays."""
    raise NotImplementedError


def save(record: Record) -> None:
    """`Record.save()`: a change set of one."""
    raise NotImplementedError


def delete(record: Record) -> None:
    """`Record.delete()`: a change set of one."""
    raise NotImplementedError


def save_zone(zone: Zone) -> None:
    """`Zone.save()`."""
    raise NotImplementedError


def snapshot(record: Record) -> dict[str, Any]:
    """A record as plain values: `{id, name, type, ttl, content, comment, private, version}`."""
    raise NotImplementedError
