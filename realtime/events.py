"""The vocabulary of the event system: what can happen, how urgent it is, and the envelope it travels in.

`EventType` names every event of the catalogue, whoever emits it; what an event carries and who may see it is declared
by the app that owns it, as an `EventSpec` in its `events.py` (see `realtime.registry`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any

import msgspec

logger = logging.getLogger(__name__)


class EventType(StrEnum):
    """Every event name. Names are part of the public contract: add, never rename."""

    # dns
    ZONE_CREATED = "zone_created"
    ZONE_UPDATED = "zone_updated"
    ZONE_DELETED = "zone_deleted"
    ZONE_IMPORTED = "zone_imported"
    ZONE_EXPORTED = "zone_exported"
    ZONE_SYNCED = "zone_synced"
    ZONE_SYNC_FAILED = "zone_sync_failed"
    ZONE_DRIFT_DETECTED = "zone_drift_detected"
    RECORD_CREATED = "record_created"
    RECORD_UPDATED = "record_updated"
    RECORD_DELETED = "record_deleted"
    CHANGE_SET_APPLIED = "change_set_applied"
    CHANGE_SET_REVERTED = "change_set_reverted"
    ZONE_VIEWERS = "zone_viewers"
    RECORD_EDITING = "record_editing"
    # bulk operations
    BULK_OPERATION_STARTED = "bulk_operation_started"
    BULK_OPERATION_PROGRESS = "bulk_operation_progress"
    BULK_OPERATION_COMPLETED = "bulk_operation_completed"
    BULK_OPERATION_FAILED = "bulk_operation_failed"
    BULK_OPERATION_CANCELLED = "bulk_operation_cancelled"
    # security
    RPZ_UPDATE = "rpz_update"
    RPZ_RULE_CREATED = "rpz_rule_created"
    RPZ_RULE_UPDATED = "rpz_rule_updated"
    RPZ_RULE_DELETED = "rpz_rule_deleted"
    RPZ_HITS = "rpz_hits"
    THREAT_FEED_UPDATE = "threat_feed_update"
    THREAT_FEED_FAILED = "threat_feed_failed"
    THREAT_DETECTED = "threat_detected"
    SUSPICIOUS_ACTIVITY = "suspicious_activity"
    SECURITY_ALERT = "security_alert"
    # alerts
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    ALERT_RESOLVED = "alert_resolved"
    ALERT_ESCALATED = "alert_escalated"
    # health
    HEALTH_UPDATE = "health_update"
    HEALTH_ALERT = "health_alert"
    FORWARDER_STATUS_CHANGE = "forwarder_status_change"
    FORWARDER_HEALTH_CHECK = "forwarder_health_check"
    BIND_STATUS_UPDATE = "bind_status_update"
    SYSTEM_STATUS = "system_status"
    PERFORMANCE_ALERT = "performance_alert"
    RESOURCE_USAGE = "resource_usage"
    SYSTEM_METRICS = "system_metrics"
    NETWORK_METRICS = "network_metrics"
    DISK_METRICS = "disk_metrics"
    # system
    BIND_RELOAD = "bind_reload"
    BIND_CONFIG_CHANGE = "bind_config_change"
    CONFIG_CHANGE = "config_change"
    SERVICE_STARTED = "service_started"
    SERVICE_STOPPED = "service_stopped"
    CONFIG_BACKUP = "config_backup"
    CONFIG_RESTORE = "config_restore"
    MAINTENANCE_STARTED = "maintenance_started"
    MAINTENANCE_COMPLETED = "maintenance_completed"
    ROLLOUT_CHANGED = "rollout_changed"
    ERROR_OCCURRED = "error_occurred"
    BROADCAST_TEST = "broadcast_test"
    # queries
    DNS_QUERY_BATCH = "dns_query_batch"
    DNS_QUERY_STATISTICS = "dns_query_statistics"
    DNS_QUERY_BLOCKED = "dns_query_blocked"
    # users and sessions
    USER_LOGIN = "user_login"
    USER_LOGOUT = "user_logout"
    SESSION_EXPIRED = "session_expired"
    AUTHENTICATION_FAILED = "authentication_failed"
    USER_CREATED = "user_created"
    USER_UPDATED = "user_updated"
    USER_DELETED = "user_deleted"
    PERMISSION_CHANGED = "permission_changed"
    # connections
    CONNECTION_ESTABLISHED = "connection_established"
    CONNECTION_CLOSED = "connection_closed"
    SUBSCRIPTION_UPDATED = "subscription_updated"

    @classmethod
    @lru_cache(maxsize=1000)
    def of_any_release(cls, name: str) -> EventType:
        """The event of that name, which another release may have written. One that this release does not know keeps its
        name and its place in the log; as nobody declares it, nobody is shown it."""
        if name in cls._value2member_map_:
            return cls(name)
        logger.warning("the log holds %r, an event that this release does not know: nobody is shown it", name)
        unknown = str.__new__(cls, name)
        unknown._name_ = unknown._value_ = name
        return unknown


class EventCategory(StrEnum):
    """The family of an event; rights are granted by family (`docs/reference/events.md`)."""

    DNS = "dns"
    BULK_OPERATION = "bulk_operation"
    SECURITY = "security"
    ALERT = "alert"
    HEALTH = "health"
    SYSTEM = "system"
    QUERY = "query"
    USER = "user"
    CONNECTION = "connection"


class EventPriority(IntEnum):
    """How long an event may wait to be sent together with others; a smaller number is more urgent."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3

    @property
    def label(self) -> str:
        """The name on the wire: `critical`, `high`, `normal` or `low`."""
        return self.name.lower()


class EventSeverity(StrEnum):
    """How bad the news is, independent of how urgently it travels."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Its place from the mildest (0) to the worst; the names themselves sort by the alphabet."""
        return list(EventSeverity).index(self)


SEVERITIES = [(each.value, each.value.capitalize()) for each in EventSeverity]
"""To choose from, the mildest first."""


class SourceUser(msgspec.Struct, frozen=True):
    """Who caused an event. Copied into it, so that it stays true when the account is renamed or deleted."""

    id: int
    username: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope. `position` is the place in the log of a durable event and `None` for a flow event.

    `scope` is the key of the object whose grants also show the event (a zone's key), never sent to clients.
    `interest` is the token of what a stream that is cut was cut for (`realtime.interests`), never sent either.
    `subject_id` is the id of the user an event is about; one's own `user_*` events are visible without a permission.
    """

    id: str
    event_type: EventType
    timestamp: datetime
    data: dict[str, Any]
    position: int | None = None
    severity: EventSeverity = EventSeverity.INFO
    source_user: SourceUser | None = None
    trace_id: str = ""
    scope: str | None = None
    subject_id: int | None = None
    interest: str | None = None

    def concerns(self, zones: Collection[str]) -> bool:
        """Whether it is about one of these zones (by name; none: all), or about no zone."""
        return not zones or (zone := self.data.get("zone")) is None or zone in zones
