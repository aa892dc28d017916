"""The real catalogue: every declaration of the installed apps is sound."""

from __future__ import annotations

import re

import msgspec
import pytest
from django.contrib.auth.models import Permission

from realtime.events import EventPriority, EventType
from realtime.registry import ADMINISTRATORS, EventSpec, registry
from tests.realtime.applying import APPLIED, WITHOUT_STATE
from tests.realtime.catalogue import leads_somewhere
from tests.realtime.examples import example_data, leaves

CRITICAL, HIGH, NORMAL, LOW = EventPriority


def each_spec() -> list[EventSpec]:
    return list(registry)  # type: ignore[call-overload]


def test_every_masked_path_names_a_field_of_the_payload() -> None:
    """A path that misses masks nothing."""
    missing = [
        (spec.event_type, path)
        for spec in each_spec()
        for path in spec.sensitive
        if not leads_somewhere(msgspec.inspect.type_info(spec.payload), re.sub(r"\[\w+=\w+\]", "", path).split("."))
    ]
    assert missing == []


@pytest.mark.django_db
def test_every_permission_that_decides_exists() -> None:
    """A permission that is misspelt is held by administrators only, and nobody notices."""
    existing = {f"{app}.{name}" for app, name in Permission.objects.values_list("content_type__app_label", "codename")}
    asked = {s.permission for s in each_spec()} | {p for s in each_spec() for p in s.sensitive.values()}
    assert asked - {None, ADMINISTRATORS} <= existing


def test_every_scope_has_a_resolver() -> None:
    assert {spec.scope for spec in each_spec() if spec.scope} <= set(registry.scopes())


def test_only_durable_events_are_critical() -> None:
    """A flow event has no position: it cannot be resumed, so it may be lost."""
    assert [s.event_type for s in each_spec() if not s.durable and s.priority is EventPriority.CRITICAL] == []


def test_no_payload_carries_a_secret() -> None:
    words = ("password", "secret", "token", "api_key", "tsig", "rndc")
    named = [
        (spec.event_type, field.name)
        for spec in each_spec()
        for field in msgspec.structs.fields(spec.payload)
        if any(word in field.name for word in words)
    ]
    assert named == []


# -- nothing is forgotten ---------------------------------------------------------------------------------------------

OWED: frozenset[EventType] = frozenset()
"""Events that are named and that nobody declares yet. To be emptied; nothing may be added."""

D, F = True, False
CONTRACT: dict[str, tuple[bool, EventPriority]] = {
    **dict.fromkeys(("zone_created", "zone_updated", "zone_deleted", "zone_imported", "zone_exported"), (D, NORMAL)),
    "zone_synced": (D, NORMAL),
    **dict.fromkeys(("zone_sync_failed", "zone_drift_detected"), (D, HIGH)),
    **dict.fromkeys(("record_created", "record_updated", "record_deleted"), (D, HIGH)),
    **dict.fromkeys(("change_set_applied", "change_set_reverted"), (D, NORMAL)),
    **dict.fromkeys(("zone_viewers", "record_editing"), (F, LOW)),
    **dict.fromkeys([f"bulk_operation_{end}" for end in ("started", "completed", "failed", "cancelled")], (D, NORMAL)),
    "bulk_operation_progress": (F, NORMAL),
    **dict.fromkeys(("rpz_update", "rpz_rule_created", "rpz_rule_updated", "rpz_rule_deleted"), (D, NORMAL)),
    "threat_feed_update": (D, NORMAL),
    "threat_feed_failed": (D, HIGH),
    **dict.fromkeys(("threat_detected", "suspicious_activity"), (D, HIGH)),
    **dict.fromkeys(("security_alert", "alert_escalated", "health_alert"), (D, CRITICAL)),
    **dict.fromkeys(("alert_acknowledged", "alert_resolved"), (D, HIGH)),
    **dict.fromkeys(("health_update", "system_status"), (D, NORMAL)),
    **dict.fromkeys(("forwarder_status_change", "performance_alert"), (D, HIGH)),
    **dict.fromkeys(("forwarder_health_check", "bind_status_update"), (F, LOW)),
    **dict.fromkeys(("resource_usage", "system_metrics", "network_metrics", "disk_metrics"), (F, LOW)),
    **dict.fromkeys(("bind_reload", "bind_config_change", "config_change", "rollout_changed"), (D, HIGH)),
    **dict.fromkeys(("service_started", "service_stopped"), (D, HIGH)),
    **dict.fromkeys(("config_backup", "config_restore", "maintenance_started", "maintenance_completed"), (D, NORMAL)),
    "error_occurred": (D, NORMAL),
    **dict.fromkeys(("dns_query_batch", "dns_query_statistics"), (F, LOW)),
    "dns_query_blocked": (F, NORMAL),
    **dict.fromkeys(("user_login", "user_logout", "session_expired", "authentication_failed"), (D, NORMAL)),
    **dict.fromkeys(("user_created", "user_updated", "user_deleted", "permission_changed"), (D, NORMAL)),
    **dict.fromkeys(("connection_established", "connection_closed", "subscription_updated"), (F, LOW)),
    "broadcast_test": (D, NORMAL),
    "rpz_hits": (F, NORMAL),
}
"""What clients were promised of each event: whether it is in the log, and how urgent it is."""


def test_every_event_that_has_a_name_is_declared_and_none_is_owed_any_more_that_is() -> None:
    declared = {spec.event_type for spec in each_spec()}
    assert set(EventType) - declared == OWED


def test_every_event_has_an_example_a_schema_and_words() -> None:
    for spec in each_spec():
        assert example_data(spec, zone="example.com"), spec.event_type
        assert msgspec.json.schema(spec.payload), spec.event_type
        assert spec.summary.endswith("."), spec.event_type


def test_every_event_is_as_durable_and_as_urgent_as_was_promised() -> None:
    actual = {str(spec.event_type): (spec.durable, spec.priority) for spec in each_spec()}
    assert actual == {name: CONTRACT[name] for name in actual}


def test_an_event_for_everybody_is_one_on_purpose() -> None:
    """No permission at all is easily forgotten."""
    public = {spec.event_type for spec in each_spec() if spec.permission is None and not spec.own}
    assert public <= {EventType.BROADCAST_TEST, EventType.MAINTENANCE_STARTED, EventType.MAINTENANCE_COMPLETED}


def test_fields_that_hold_addresses_or_evidence_are_masked_wherever_they_stand() -> None:
    secret = {"client", "client_ip", "evidence", "user_agent"}
    open_ones = []
    for spec in each_spec():
        masked = {tuple(path.split(".")) for path in spec.sensitive}
        named = [path for path in leaves(example_data(spec, zone="example.com")) if path[-1] in secret]
        open_ones += [(spec.event_type, path) for path in named if not any(path[: len(m)] == m for m in masked)]
    assert open_ones == []


def test_every_durable_event_says_what_it_does_to_what_a_page_shows() -> None:
    durable = {spec.event_type for spec in each_spec() if spec.durable}
    assert durable - set(APPLIED) - set(WITHOUT_STATE) == set()
    assert set(APPLIED) & set(WITHOUT_STATE) == set()
