"""The health of the whole: found within seconds, told once with the reason, and not at every breath."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from monitoring import series
from monitoring.health import CHECKS, CPU, DISK, Check, Finding, HealthWatch, Threshold, worst
from monitoring.models import CollectorLease, CollectorState, Component, Health
from monitoring.nameserver import NameServerWatch
from monitoring.queries.collectors import follow_queries
from realtime.alerts import Alert
from realtime.events import EventType
from realtime.models import LogEvent
from tests.parts.redis_server import RedisServer
from tests.zones.examples import Api
from zones.nameserver.conf import NamedSettings
from zones.nameserver.endpoint import new_key
from zones.nameserver.private import PrivateNamed

pytestmark = pytest.mark.django_db


class Part:
    """A component that is as the test says."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def __call__(self, now: str) -> Finding:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return Finding(state, f"because it is {state}")


def events(event_type: EventType) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row.data) for row in LogEvent.objects.filter(event_type=event_type).order_by("id")]


def watch(part: Part, **more: Any) -> HealthWatch:
    return HealthWatch((Check(name="part", title="Part", look=part, **more),))


def test_a_change_is_told_once_with_since_and_why_and_raises_an_alert_that_ends_with_it() -> None:
    part = Part("up")
    looking = watch(part)
    looking.round()
    assert events(EventType.HEALTH_UPDATE) == [], "that all is well at first is no news"
    part.states = ["down"]
    for _ in range(5):
        looking.round()
    (told,) = events(EventType.HEALTH_UPDATE)
    assert (told["component"], told["old"], told["new"]) == ("part", "up", "down")
    assert told["reason"] == "because it is down"
    alert = Alert.objects.get()
    assert (alert.severity, alert.detail) == ("critical", "because it is down")
    assert events(EventType.SYSTEM_STATUS) == [{"old": "up", "new": "down", "components": {"part": "down"}}]
    part.states = ["up"]
    looking.round()
    looking.round()
    assert Alert.objects.get().state == "resolved"
    assert [status["new"] for status in events(EventType.SYSTEM_STATUS)] == ["down", "up"]


def test_one_odd_look_changes_nothing() -> None:
    looking = watch(Part("up", "down", "up", "degraded", "up", "down", "up"))
    for _ in range(8):
        looking.round()
    assert events(EventType.HEALTH_UPDATE) == []
    assert Component.objects.get().state == "up"


def test_what_gets_worse_is_announced_again_and_is_still_one_alert() -> None:
    part = Part("degraded")
    looking = watch(part)
    looking.round()
    part.states = ["down"]
    looking.round()
    looking.round()
    alert = Alert.objects.get()
    assert alert.severity == "critical"
    assert len(events(EventType.HEALTH_ALERT)) == 2


def test_another_process_goes_on_from_what_was_found() -> None:
    watch(Part("down")).round()
    watch(Part("down")).round()
    assert len(events(EventType.HEALTH_UPDATE)) == 1
    assert Alert.objects.count() == 1


def test_a_threshold_is_left_lower_than_it_was_entered() -> None:
    assert [DISK.state(value, "up") for value in (84, 85, 95)] == ["up", "degraded", "down"]
    assert [DISK.state(value, "degraded") for value in (83, 82.1, 81.9)] == ["degraded", "degraded", "up"]
    assert [DISK.state(value, "down") for value in (93, 91.9, 81)] == ["down", "degraded", "up"]


@given(st.floats(0, 100), st.floats(-1, 1))
def test_a_value_that_trembles_at_a_threshold_does_not_flap(value: float, tremble: float) -> None:
    limits = Threshold(50, 80, 2)
    states = [limits.state(value, "up")]
    for shaken in (value + tremble, value) * 4:
        states.append(limits.state(shaken, states[-1]))
    assert sum(before != after for before, after in pairwise(states)) <= 1, states


def test_the_worst_of_the_parts_is_the_whole() -> None:
    assert worst(["up", "degraded", "down"]) == "down"
    assert worst(["up", "degraded", "unknown"]) == "degraded"
    assert worst(["up", "unknown"]) == "up"
    assert worst([]) == "unknown"


def test_a_name_server_that_dies_is_down_at_the_next_look_and_up_again_by_itself(own_server: PrivateNamed) -> None:
    own_server.start()
    server, health = NameServerWatch(), HealthWatch()
    server.round()
    health.round()
    assert Component.objects.get(name="name_server").state == "up"
    assert own_server._process is not None
    own_server._process.kill()
    own_server._process.wait()
    server.round()
    health.round()
    component = Component.objects.get(name="name_server")
    assert component.state == "down"
    assert "cannot be reached" in component.reason
    assert Alert.objects.get(key="health:name_server").severity == "critical"
    own_server.restart()
    server.round()
    health.round()
    assert Component.objects.get(name="name_server").state == "up"
    assert Alert.objects.get(key="health:name_server").state == "resolved"


def test_every_component_of_a_site_is_found(own_server: PrivateNamed) -> None:
    own_server.start()
    NameServerWatch().round()
    HealthWatch().round()
    found = dict(Component.objects.values_list("name", "state"))
    assert set(found) == {check.name for check in CHECKS}
    assert {found[name] for name in ("database", "layer", "zones", "forwarders", "name_server")} == {"up"}


def test_a_collector_that_fails_is_named_with_its_error() -> None:
    state = CollectorState.State.FAILING
    CollectorState.objects.create(name="query log", state=state, since=datetime.now(UTC), error="OSError: gone")
    looking = HealthWatch()
    looking.round()
    assert "query log: OSError: gone" in Component.objects.get(name="monitors").reason
    assert Component.objects.get(name="query_log").state == "down"


def test_a_query_log_that_nobody_has_asked_for_is_no_trouble(settings: Any, tmp_path: Path) -> None:
    key = tmp_path / "some.key"
    key.write_text(new_key("some").clause())
    settings.NAMED = NamedSettings(host="192.0.2.1", rndc_key_file=key, tsig_key_file=key, zone_dir=tmp_path)
    HealthWatch().round()
    log = Component.objects.get(name="query_log")
    assert (log.state, "DNSADMIN_NAMED_LOG_DIR" in log.reason) == ("unknown", True)
    assert not Alert.objects.filter(key="health:query_log").exists()

    async def followed() -> None:
        await asyncio.wait_for(follow_queries(), 0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(followed())


def test_busy_processors_are_told_over_minutes_not_moments() -> None:
    now = datetime.now(UTC)
    for second in range(0, 120, 10):
        series.record({"cpu_percent": series.gauge(20)}, now - timedelta(seconds=second))
    series.record({"cpu_percent": series.gauge(100)}, now)
    HealthWatch().round()
    assert Component.objects.get(name="processors").state == "up"
    assert CPU.state(95, "up") == "degraded"


def test_while_nobody_collects_the_summary_says_so(api: Api, vera: User) -> None:
    HealthWatch().round()
    summary = api(vera).get("/api/monitoring/summary/").json()
    collectors = {each["name"]: each for each in summary["components"]}["monitors"]
    assert summary["state"] == "down"
    assert collectors["state"] == "down"
    now = datetime.now(UTC)
    CollectorLease.objects.create(holder="x", node="n", term=1, renewed_at=now, leased_until=now + timedelta(minutes=1))
    assert api(vera).get("/api/monitoring/summary/").json()["state"] != Health.DOWN


def test_a_full_disk_is_shown_though_nobody_can_write_it_down(
    api: Api, vera: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    HealthWatch().round()
    usage = psutil.disk_usage("/")
    full = type(usage)(total=usage.total, used=usage.total, free=0, percent=100.0)
    monkeypatch.setattr(psutil, "disk_usage", lambda path: full)
    found = {each["name"]: each for each in api(vera).get("/api/monitoring/summary/").json()["components"]}["disk"]
    assert (found["state"], found["reason"]) == ("down", "0.0 GiB free, 100 % used")


def test_redis_that_goes_is_told_and_comes_back_by_itself(settings: Any, redis_server: RedisServer) -> None:
    settings.SITE = msgspec.structs.replace(settings.SITE, redis_url=redis_server.url)
    looking = HealthWatch(tuple(check for check in CHECKS if check.name == "layer"))
    looking.round()
    assert Component.objects.get().reason.startswith("Redis answers")
    settings.SITE = msgspec.structs.replace(settings.SITE, redis_url="redis://127.0.0.1:9/0")
    for _ in range(2):
        looking.round()
    component = Component.objects.get()
    assert component.state == "down"
    assert "Redis cannot be reached" in component.reason
    settings.SITE = msgspec.structs.replace(settings.SITE, redis_url=redis_server.url)
    for _ in range(2):
        looking.round()
    assert Component.objects.get().state == "up"
