"""What a page read once, with every event since applied to it, is what it would read now; also when events come twice, and
when some of them were in what it read already."""

from __future__ import annotations

import contextlib

import pytest
from django.contrib.auth.models import User
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TransactionTestCase

from realtime import alerts, log
from realtime.alert_models import Alert
from realtime.events import Event, EventSeverity, EventType
from security import rules
from security.models import Policy, Rule
from tests.realtime.applying import APPLIED, State, nothing
from zones import changes, lifecycle, reverting
from zones.models import ChangeSet, Record, Zone
from zones.refusals import InvalidChange, StaleVersion

NAMES = ("one.example", "two.example")
PEOPLE = ("pat", "quin")
KEYS = ("disk-full", "named-away")

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(
                    "create_zone",
                    "update_zone",
                    "delete_zone",
                    "create",
                    "create",
                    "update",
                    "update",
                    "delete",
                    "many",
                ),
                *("revert", "add_person", "change_person", "remove_person", "raise_alert", "acknowledge", "resolve"),
                *("create_rule", "update_rule", "delete_rule", "read"),
            ]
        ),
        st.integers(0, 5),
    ),
    min_size=4,
    max_size=14,
)


def fetched() -> State:
    """All of it, read now."""
    state = nothing()
    for zone in Zone.objects.living():
        state["zones"][zone.name] = {"kind": zone.kind, "comment": zone.comment, "version": zone.version}
    for record in Record.objects.filter(zone__deleted_at=None).select_related("zone"):
        fields = ("name", "type", "ttl", "content", "version")
        state["records"][record.zone.name, record.pk] = {name: getattr(record, name) for name in fields}
    for user in User.objects.all():
        state["people"][user.pk] = {"username": user.username, "is_active": user.is_active}
    for alert in Alert.objects.all():
        state["alerts"][alert.pk] = {
            "title": alert.title,
            "severity": alert.severity,
            "state": alert.state,
            "acknowledged_by": alert.acknowledged_by if alert.acknowledged_at else None,
        }
    for rule in Rule.objects.living():
        fields = ("trigger_type", "trigger", "action", "enabled", "trial", "version")
        state["rules"][rule.pk] = {"policy": rule.policy_id} | {name: getattr(rule, name) for name in fields}
    return state


def applied(state: State, events: list[Event]) -> State:
    for event in events:
        if apply := APPLIED.get(event.event_type):
            apply(state, event.data)
    return state


def refreshed(state: State) -> State:
    """A page reads a zone again whose changes were too many for an event each."""
    now = fetched()
    for zone in state["stale"]:
        state["records"] = {key: value for key, value in state["records"].items() if key[0] != zone}
        state["records"] |= {key: value for key, value in now["records"].items() if key[0] == zone}
    state["stale"] = {}
    return state


class World:
    """Somebody does things."""

    def do(self, step: str, number: int) -> None:
        with contextlib.suppress(InvalidChange, StaleVersion, LookupError, Zone.DoesNotExist, IndexError, ValueError):
            getattr(self, step)(number)

    def zone(self, number: int) -> Zone:
        return Zone.objects.living().get(name=NAMES[number % 2])

    def record(self, number: int) -> Record:
        return list(Record.objects.filter(zone=self.zone(number), type="A").order_by("pk"))[number % 3]

    def create_zone(self, number: int) -> None:
        name = NAMES[number % 2]
        if not Zone.objects.living().filter(name=name).exists():
            lifecycle.create_zone(name, nameservers=["ns.example.net"])

    def update_zone(self, number: int) -> None:
        lifecycle.update_zone(self.zone(number), comment=f"comment {number}")

    def delete_zone(self, number: int) -> None:
        if number == 5:  # now and then
            lifecycle.delete_zone(self.zone(number))

    def create(self, number: int) -> None:
        with changes.change_set(self.zone(number)) as change:
            change.create(name=f"h{number}", type="A", ttl=300, content=f"192.0.2.{number + 1}")

    def update(self, number: int) -> None:
        with changes.change_set(self.zone(number)) as change:
            change.update(self.record(number), content=f"198.51.100.{number + 1}")

    def delete(self, number: int) -> None:
        with changes.change_set(self.zone(number)) as change:
            change.delete(self.record(number))

    def many(self, number: int) -> None:
        with changes.change_set(self.zone(number)) as change:
            for n in range(3):
                change.create(name=f"m{number}-{n}", type="A", ttl=60, content=f"203.0.113.{n}")

    def revert(self, number: int) -> None:
        last = ChangeSet.objects.filter(zone=self.zone(number)).order_by("-pk").first()
        if last is not None:
            reverting.revert(last)

    def add_person(self, number: int) -> None:
        User.objects.get_or_create(username=PEOPLE[number % 2])

    def change_person(self, number: int) -> None:
        for user in User.objects.filter(username=PEOPLE[number % 2]):
            user.is_active = not user.is_active
            user.save()

    def remove_person(self, number: int) -> None:
        for user in User.objects.filter(username=PEOPLE[number % 2]):
            user.delete()

    def alert(self, number: int) -> Alert:
        return list(Alert.objects.filter(key=KEYS[number % 2]).order_by("pk"))[-1]

    def raise_alert(self, number: int) -> None:
        alerts.raise_alert(
            key=KEYS[number % 2],
            event_type=EventType.HEALTH_ALERT,
            severity=EventSeverity.WARNING,
            title="Something is wrong",
            detail=f"in {number} places",
        )

    def acknowledge(self, number: int) -> None:
        with contextlib.suppress(alerts.AlertIsResolved):
            alerts.acknowledge(self.alert(number))

    def resolve(self, number: int) -> None:
        alerts.resolve(KEYS[number % 2], reason="over")

    def create_rule(self, number: int) -> None:
        if not Policy.objects.exists():
            rules.create_policy("House rules")
        rules.create_rule(trigger_type="qname", trigger=f"bad{number}.test", action="nxdomain")

    def rule(self, number: int) -> Rule:
        return list(Rule.objects.living().order_by("pk"))[number % 2]

    def update_rule(self, number: int) -> None:
        rules.update_rule(self.rule(number).pk, comment=f"because {number}", enabled=number % 2 == 0)

    def delete_rule(self, number: int) -> None:
        rules.delete_rule(self.rule(number).pk)


class AppliedEvents(TransactionTestCase):
    """Each example begins with an empty database."""

    @pytest.mark.timeout(240)
    @given(steps=STEPS, repeats=st.integers(0, 3))
    @settings(max_examples=15)
    def test_what_was_read_with_every_event_since_is_what_one_would_read_now(
        self, steps: list[tuple[str, int]], repeats: int
    ) -> None:
        world = World()
        world.create_zone(0)
        state, position = fetched(), log.position().position
        for step, number in steps:
            if step == "read":  # another page was read here, and goes on from a little before
                state, position = fetched(), max(0, log.position().position - repeats)
            else:
                world.do(step, number)
        events = read_all(position)
        again = events[: len(events) // 2]
        state = refreshed(applied(applied(state, again), events))
        assert state == fetched()

    def test_the_steps_bring_about_every_kind_of_event_that_is_applied(self) -> None:
        """Or the above would show little."""
        world = World()
        steps = "create_zone update_zone create update delete create revert add_person change_person remove_person"
        for step in f"{steps} raise_alert acknowledge resolve create_rule create_rule update_rule delete_rule".split():
            world.do(step, 0)
        for number in (1, 5):
            world.do("create_zone", number)
        world.do("delete_zone", 5)
        told = {event.event_type for event in read_all(0)}
        others = {EventType.SECURITY_ALERT, EventType.PERFORMANCE_ALERT}  # as the alert that is raised
        assert set(APPLIED) - others <= told


def read_all(after: int) -> list[Event]:
    found: list[Event] = []
    while events := log.read(after):
        found += events
        after = events[-1].position or after
    return found
