"""The machine over time: measured as often as people want, and told only where it moved."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from monitoring import intervals, measuring
from monitoring.machine import Machine
from monitoring.measuring import Measuring
from monitoring.metrics import GROUPS, METRICS
from monitoring.models import Sample
from realtime.events import EventType
from realtime.models import LogEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[EventType, dict[str, Any]]]:
    """The flow events that were sent."""
    sent: list[tuple[EventType, dict[str, Any]]] = []
    monkeypatch.setattr(measuring, "stream", lambda name, payload: sent.append((name, msgspec.to_builtins(payload))))
    return sent


def test_every_group_of_the_machine_is_kept_and_told(told: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    round_by_round = Measuring()
    monkeypatch.setattr(round_by_round, "_timetable", Always())
    round_by_round.round()
    round_by_round.round()  # rates need two looks
    assert {name for name, _ in told} == {
        EventType.SYSTEM_METRICS,
        EventType.DISK_METRICS,
        EventType.NETWORK_METRICS,
        EventType.RESOURCE_USAGE,
    }
    kept = set(Sample.objects.filter(step=60).values_list("metric", flat=True))
    assert {"load_1", "memory_percent", "disk_percent", "site_memory", "database_size"} <= kept
    assert kept <= set(METRICS)


def test_differences_need_a_second_look_and_are_what_the_machine_counted() -> None:
    machine = Machine()
    assert "cpu_percent" not in machine.read("cpu")
    sum(number * number for number in range(300_000))
    assert 0 <= machine.read("cpu")["cpu_percent"].total <= 100
    assert "network_received" not in machine.read("network")
    assert machine.read("network")["network_received"].weight > 0


def test_what_has_not_moved_is_kept_but_not_told(told: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    intervals.choose(dict.fromkeys(("cpu", "memory", "disk", "network", "process"), 1))
    round_by_round = Measuring()
    monkeypatch.setattr(round_by_round, "_timetable", Always())
    steady = {name: measuring.series.gauge(50.0) for name in ("memory_percent", "swap_percent")}
    monkeypatch.setattr(Machine, "read", lambda self, group: steady if group == "memory" else {})
    round_by_round.round()
    told.clear()
    round_by_round.round()
    assert told == []
    row = Sample.objects.get(metric="memory_percent", step=3600)
    assert row.weight == 2
    steady["memory_percent"] = measuring.series.gauge(60.0)
    round_by_round.round()
    ((name, data),) = told
    assert name == EventType.SYSTEM_METRICS
    assert data["memory_percent"] == 60.0
    assert data["swap_percent"] is None


class Always:
    """A timetable on which everything is due."""

    def due(self, group: str, every_s: float) -> bool:
        return True


def test_an_interval_holds_from_the_next_look_on_and_is_announced_once() -> None:
    assert intervals.chosen() == {group: default for group, (_, default) in GROUPS.items()}
    intervals.choose({"cpu": 5})
    intervals.choose({"cpu": 5})
    assert intervals.chosen()["cpu"] == 5
    (event,) = LogEvent.objects.filter(event_type=EventType.CONFIG_CHANGE)
    assert msgspec.json.decode(event.data)["changes"] == [{"field": "cpu_interval_s", "old": 30, "new": 5}]


@pytest.mark.parametrize("wanted", [{"cpu": 0}, {"cpu": 4000}, {"weather": 5}])
def test_an_impossible_interval_changes_nothing(wanted: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        intervals.choose({"memory": 7, **wanted})
    assert intervals.chosen()["memory"] == 30
    assert not LogEvent.objects.filter(event_type=EventType.CONFIG_CHANGE).exists()


def test_the_timetable_heeds_a_shorter_interval_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(intervals.time, "monotonic", lambda: now[0])
    timetable = intervals.Timetable()
    assert timetable.due("cpu", 30)
    now[0] += 10
    assert not timetable.due("cpu", 30)
    assert timetable.due("cpu", 5)
    assert not timetable.due("cpu", 5)
