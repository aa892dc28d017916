"""From saved rows to events. Receivers translate and stop: what is written is decided in `zones.changes`.

Bulk writes send no signals; whoever makes them emits one event for all.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate, post_save

from realtime.broadcasting import emit
from realtime.events import EventType


def connect(app: AppConfig) -> None:
    """Connect the receivers; called once, when the app is ready."""
    from django.apps import apps

    from zones import roles

    post_save.connect(announce_zone, sender=app.get_model("Zone"))
    post_save.connect(announce_record, sender=app.get_model("Record"))
    post_delete.connect(announce_deleted_record, sender=app.get_model("Record"))
    post_migrate.connect(roles.establish, sender=app)
    post_migrate.connect(roles.establish_for_realtime, sender=apps.get_app_config("realtime"))


def announce_zone(instance: Any, created: bool, raw: bool, **_: Any) -> None:
    from zones.events import FieldChange, ZoneData

    if raw:
        return
    changes = [FieldChange(**change) for change in instance.field_changes]
    deleted = instance.deleted_at is not None
    name = EventType.ZONE_CREATED if created else EventType.ZONE_DELETED if deleted else EventType.ZONE_UPDATED
    emit(name, ZoneData.of(instance, changes), scope=instance.key)


def announce_record(instance: Any, created: bool, raw: bool, **_: Any) -> None:
    if not raw:
        _announce(EventType.RECORD_CREATED if created else EventType.RECORD_UPDATED, instance)


def announce_deleted_record(instance: Any, **_: Any) -> None:
    _announce(EventType.RECORD_DELETED, instance)


def announce_change(op: str, record: Any) -> None:
    """Tell what a bulk write did to one record, as a signal would have."""
    kinds = {"create": EventType.RECORD_CREATED, "update": EventType.RECORD_UPDATED, "delete": EventType.RECORD_DELETED}
    _announce(kinds[op], record)


def _announce(event_type: EventType, record: Any) -> None:
    from zones.events import FieldChange, RecordData, RecordEvent

    payload = RecordEvent(
        zone=record.zone.name,
        record=RecordData.of(record),
        changes=[FieldChange(**change) for change in record.field_changes],
        change_set=record.change_set_id,
    )
    emit(event_type, payload, scope=record.zone.key)
