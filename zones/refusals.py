"""Why a change was not made. Nothing of its change set was, in each case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zones.validation import Problem


class ChangeError(Exception):
    """A change that was not made; nothing of its change set was."""


class InvalidChange(ChangeError):
    """Rules of DNS are broken. problems: all of them, not only the first. warnings: what else looks wrong."""

    def __init__(self, problems: list[Problem], warnings: Iterable[Problem] = ()) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
        self.warnings = list(warnings)


class StaleVersion(ChangeError):
    """Somebody else was faster. current: the object as it is now, as plain values, `None` when it is gone.
    sent: what was asked for. index: of the change in the set."""

    def __init__(self, current: dict[str, Any] | None, sent: dict[str, Any], index: int | None = None) -> None:
        super().__init__("somebody else has changed it meanwhile" if current else "somebody else has deleted it")
        self.current = current
        self.sent = sent
        self.index = index


class Outdated(ChangeError):
    """What was looked at before, and was to be done, would no longer be what is done. who: changed the zone since, last."""

    def __init__(self, zone: str, who: str) -> None:
        super().__init__(f"{who or 'the system'} has changed {zone} since the difference was made")
        self.zone = zone
        self.who = who


class UnknownRecord(ChangeError):
    """The zone has no such record, and never had. index: of the change in the set."""

    def __init__(self, record_id: int, index: int) -> None:
        super().__init__(f"there is no record {record_id} in this zone, and never was")
        self.index = index


class Conflict(ChangeError):
    """A revert would undo what others did since. conflicts: per record `{expected, current}`, null for none."""

    def __init__(self, conflicts: list[dict[str, Any]]) -> None:
        super().__init__("what it changed has been changed again since")
        self.conflicts = conflicts
