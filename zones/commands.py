"""Commands on the WebSocket that are about zones. Imported when the site starts (`realtime.commands`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.dispatch import receiver
from msgspec import Meta

from realtime.commands import Caller, NotPermitted, app_command
from realtime.departures import departed
from zones import visits
from zones.access import visible_zones


class Announce(msgspec.Struct, frozen=True, kw_only=True):
    """That one has a zone open, or edits one of its records, or has left it. Renewed every 20 s."""

    zone: str
    record: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    state: Literal["viewing", "editing", "left"]


@app_command("announce", Announce)
def announce(caller: Caller, data: Announce) -> dict[str, Any]:
    """Say where one is, and hear who else is there."""
    user = get_user_model().objects.get(pk=caller.user.id)
    zone = visible_zones(user).filter(name=data.zone.rstrip(".").lower()).first()
    if zone is None:
        raise NotPermitted(f"There is no zone {data.zone[:253]} that you may see.")
    if data.state == "left" and data.record is None:
        visits.leave(Q(zone=zone, connection_id=caller.connection_id))
        return {"others": []}
    record_id = data.record if data.state == "editing" else None
    return {"others": visits.visit(zone, caller.connection_id, caller.user, record_id=record_id)}


@receiver(departed)
def end_visits(connection_ids: list[str], **_: Any) -> None:
    visits.leave(Q(connection_id__in=connection_ids))
