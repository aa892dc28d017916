"""The settings of the event system, read from `DNSADMIN_REALTIME_*` (see `dnsadmin.env`)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from django.conf import settings
from msgspec import Meta


class RealtimeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits and waits of the event system. Times are in the unit that the name ends with."""

    connections_per_user: Annotated[
        int, Meta(ge=1, description="Live connections per user and client name; a newer one displaces the oldest.")
    ] = 1
    connections: Annotated[int, Meta(ge=1, description="Live sockets of one web process; more are refused (4029).")] = (
        10_000
    )
    connections_per_address: Annotated[
        int, Meta(ge=1, description="Live sockets from one address to one web process; more are refused (4029).")
    ] = 5_000
    heartbeat_s: Annotated[
        float, Meta(gt=0, description="Seconds between two pings of the server on a quiet connection.")
    ] = 25.0
    pong_timeout_s: Annotated[
        float, Meta(gt=0, description="Seconds without an answer to a ping after which a connection is closed (4001).")
    ] = 20.0
    tick_s: Annotated[
        float, Meta(gt=0, description="Seconds between two looks of a process at the log without being rung for.")
    ] = 1.0
    wait_high_ms: Annotated[int, Meta(ge=0, description="Longest wait of a high-priority event for others.")] = 50
    wait_normal_ms: Annotated[int, Meta(ge=0, description="Longest wait of a normal event for others.")] = 250
    wait_low_ms: Annotated[int, Meta(ge=0, description="Longest wait of a low-priority event for others.")] = 1000
    flow_per_s: Annotated[
        float, Meta(gt=0, description="Flow events of one type that a viewer gets per second; the others are counted.")
    ] = 50.0
    retention_days: Annotated[int, Meta(ge=1, description="Days that the log of durable events is kept.")] = 30
    delivery_lease_s: Annotated[
        float,
        Meta(gt=0, description="Seconds after which another process repeats a notification whose sender has died."),
    ] = 45.0
    database_threads: Annotated[
        int, Meta(ge=1, description="Threads of a web process that work for connections in the database.")
    ] = 4


class RolloutSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Roll-out of the unified WebSocket: its stages, and the limits beyond which it takes itself back."""

    stages: Annotated[
        str, Meta(description="Percentages of users that a roll-out goes through, separated by commas.")
    ] = "1,5,25,50,100"
    soak_s: Annotated[
        float, Meta(gt=0, description="Seconds that a stage must hold before the next one begins by itself.")
    ] = 3600.0
    window_s: Annotated[
        float, Meta(gt=0, description="Seconds over which the guard judges; a roll-back comes within two of them.")
    ] = 15.0
    least_connections: Annotated[
        int, Meta(ge=1, description="Connections of the new system in the window below which shares say nothing.")
    ] = 10
    most_errors: Annotated[
        float, Meta(gt=0, le=1, description="Share of the connections with an error that rolls back.")
    ] = 0.05
    slowest_p99_s: Annotated[
        float, Meta(gt=0, description="Seconds from commit to the browser (99th percentile) that roll back.")
    ] = 3.0
    most_returns: Annotated[
        float, Meta(gt=0, description="Abnormal ends of connections, per open connection, that roll back.")
    ] = 0.5
    most_lagging: Annotated[
        float, Meta(gt=0, le=1, description="Share of connections too slow for what they are sent that rolls back.")
    ] = 0.2
    most_memory_growth: Annotated[
        float, Meta(gt=1, description="Resident memory relative to the start of the stage that rolls back.")
    ] = 2.0


def rollout_conf() -> RolloutSettings:
    """The settings of the roll-out in force."""
    return settings.ROLLOUT


def conf() -> RealtimeSettings:
    """The settings in force."""
    return settings.REALTIME
