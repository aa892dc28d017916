"""The roll-out of the unified WebSocket: who is on it, and the steps from one stage to the next and back.

Who is on it is the flag `unified_websocket` (django-waffle): everyone, nobody, chosen users and groups, or a percentage.
Each step changes flag and state in one transaction and records `rollout_changed`, so every process learns of it in the
log, in order, and the history of the roll-out is the log's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from realtime import presence
from realtime.broadcasting import emit
from realtime.conf import rollout_conf
from realtime.events import EventCategory, EventPriority, EventSeverity, EventType
from realtime.metrics import OLD_CLIENT
from realtime.models import Rollout, RolloutFlag, rank
from realtime.registry import EventSpec, registry

FLAG = "unified_websocket"


class RolloutPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the roll-out: what was done, the percentage before and after, and why."""

    action: str
    state: str
    percent: float
    percent_before: float
    reason: str = ""


registry.declare(
    EventSpec(
        event_type=EventType.ROLLOUT_CHANGED,
        category=EventCategory.SYSTEM,
        payload=RolloutPayload,
        permission="realtime.view_operations",
        summary="The roll-out of the unified WebSocket went on, stopped, or was taken back.",
        priority=EventPriority.HIGH,
    )
)


class Refused(Exception):
    """The step cannot be made; the message says why and what can be done."""


class Assignment(msgspec.Struct, frozen=True):
    """Who is on the unified system: `percent` of all users, and the `chosen` (ids) whatever the percentage."""

    percent: float
    chosen: frozenset[int] = frozenset()

    def unified(self, user_id: int) -> bool:
        """Whether this user is. A greater percentage only ever adds users."""
        return self.percent >= 100 or rank(user_id) < self.percent or user_id in self.chosen


EVERYBODY = Assignment(100.0)


# -- reading ----------------------------------------------------------------------------------------------------------


def flag(**besides: Any) -> RolloutFlag:
    """The flag; a site that never had the old system begins with everyone on. besides: what else the query reads."""
    row: RolloutFlag
    row, _ = (
        QuerySet(RolloutFlag)
        .annotate(**besides)
        .get_or_create(
            name=FLAG, defaults={"everyone": True, "superusers": False, "note": "Who uses the one WebSocket at /ws/."}
        )
    )
    return row


def percent(row: RolloutFlag) -> float:
    """The percentage that a flag stands for."""
    return 100.0 if row.everyone else 0.0 if row.everyone is False else float(row.percent or 0)


def assignment(row: RolloutFlag | None = None) -> Assignment:
    """Who is on the unified system now, as the flag says."""
    row = row or flag()
    if row.everyone is not None:
        return Assignment(percent(row))
    users = get_user_model().objects.filter(is_active=True)
    chosen = set(row.users.values_list("pk", flat=True)) | set(row.groups.values_list("user__pk", flat=True))
    if row.superusers:
        chosen.update(users.filter(is_superuser=True).values_list("pk", flat=True))
    if row.staff:
        chosen.update(users.filter(is_staff=True).values_list("pk", flat=True))
    return Assignment(100.0 if row.authenticated else percent(row), frozenset(chosen - {None}))


def progress() -> Rollout:
    """How the roll-out goes."""
    row, _ = Rollout.objects.get_or_create(pk=Rollout.SINGLETON)
    return row


def mode(row: RolloutFlag) -> str:
    """In a word: `full`, `gradual`, `testing` (chosen users and groups only) or `legacy`."""
    if row.everyone is not None:
        return "full" if row.everyone else "legacy"
    if percent(row):
        return "gradual"
    return "testing" if row.users.exists() or row.groups.exists() or row.superusers or row.staff else "legacy"


def stages() -> list[float]:
    """The percentages that a roll-out goes through."""
    return sorted({float(stage) for stage in rollout_conf().stages.split(",")})


def next_stage(current: float) -> float | None:
    """The stage that follows a percentage; `None` after the last."""
    return next((stage for stage in stages() if stage > current), None)


def status() -> dict[str, Any]:
    """All that is to be known of the roll-out, as the command, the API and the admin show it."""
    row, now, share = flag(), progress(), assignment()
    soaked_s = (timezone.now() - now.stage_since).total_seconds()
    clients = presence.live().values_list("client", flat=True)
    old = sum(client.startswith(OLD_CLIENT) for client in clients)
    users = list(get_user_model().objects.filter(is_active=True).values_list("pk", flat=True))
    unified = sum(share.unified(user) for user in users)
    return {
        "mode": mode(row),
        "state": now.state,
        "locked": now.state == Rollout.State.LOCKED,
        "percent": percent(row),
        "next_percent": next_stage(percent(row)),
        "stages": stages(),
        "stage_since": now.stage_since.isoformat(),
        "soaked_s": round(soaked_s, 1),
        "soak_s": rollout_conf().soak_s,
        "reason": now.reason,
        "users": {"unified": unified, "legacy": len(users) - unified},
        "connections": {"unified": len(clients) - old, "legacy": old},
    }


# -- steps --------------------------------------------------------------------------------------------------------------


def start(to: float | None = None, reason: str = "") -> None:
    """Begin at a percentage, the first stage by default. Raises `Refused` while locked."""
    _refuse_if_locked()
    _step("start", _checked(to if to is not None else stages()[0]), Rollout.State.RUNNING, reason)


def advance(to: float | None = None, reason: str = "") -> None:
    """Go to the next stage, or to a higher percentage. Raises `Refused` while locked and at the end."""
    _refuse_if_locked()
    current = percent(flag())
    target = _checked(to) if to is not None else next_stage(current)
    if target is None or target <= current:
        raise Refused(
            f"The roll-out is at {current:g} %: there is nothing to advance to. `start` goes to any percentage."
        )
    _step("advance", target, Rollout.State.RUNNING, reason)


def pause(to: float | None = None, reason: str = "") -> None:
    """Stay at this stage until `resume`. Raises `Refused` when no roll-out is running."""
    if progress().state != Rollout.State.RUNNING:
        raise Refused("No roll-out is running that could be paused.")
    _step("pause", None, Rollout.State.PAUSED, reason)


def resume(to: float | None = None, reason: str = "") -> None:
    """Go on after a pause, or lift the lock of a roll-back. Raises `Refused` when there is neither."""
    match progress().state:
        case Rollout.State.PAUSED:
            _step("resume", None, Rollout.State.RUNNING, reason)
        case Rollout.State.LOCKED:
            _step("resume", None, Rollout.State.SETTLED, reason or "lock lifted")
        case _:
            raise Refused("The roll-out is neither paused nor locked.")


def rollback(to: float | None = None, reason: str = "") -> None:
    """Take everybody back to the old system, at once, and lock until `resume`."""
    _step("rollback", 0.0, Rollout.State.LOCKED, reason or "no reason given", severity=EventSeverity.WARNING)


def settle() -> None:
    """The last stage has held: the roll-out is done."""
    _step("complete", None, Rollout.State.SETTLED, "the last stage held")


STEPS: Mapping[str, Callable[[float | None, str], None]] = {
    "start": start,
    "advance": advance,
    "pause": pause,
    "rollback": rollback,
    "resume": resume,
}
"""What an operator can do, by name: `step(percent, reason)`. Only `start` and `advance` heed a percentage."""


def _refuse_if_locked() -> None:
    if progress().state == Rollout.State.LOCKED:
        raise Refused(
            "The roll-out was rolled back and is locked. Look at the reason, then lift the lock with `resume`."
        )


def _checked(to: float) -> float:
    if not 0 <= to <= 100:
        raise Refused("A percentage lies between 0 and 100.")
    return round(float(to), 1)


@transaction.atomic
def _step(
    action: str, to: float | None, state: Rollout.State, reason: str, severity: EventSeverity = EventSeverity.INFO
) -> None:
    row, now = flag(), progress()
    before = percent(row)
    after = before if to is None else to
    if to is not None:
        row.everyone = True if to == 100 else False if action == "rollback" else None
        row.percent = None if to == 100 else Decimal(str(to))
        row.save()
        now.stage_since, now.baseline = timezone.now(), {}
    now.state, now.reason = state, reason
    now.save()
    payload = RolloutPayload(action=action, state=state.value, percent=after, percent_before=before, reason=reason)
    emit(EventType.ROLLOUT_CHANGED, payload, severity=severity)


def soaked(now: Rollout, at: datetime) -> bool:
    """Whether the stage has held long enough."""
    return at - now.stage_since >= timedelta(seconds=rollout_conf().soak_s)
