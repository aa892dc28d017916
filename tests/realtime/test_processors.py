"""Processors: each event once if all goes well, again if not, aside if it never does; in order, by one process at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from realtime import log, processors, retention
from realtime.broadcasting import emit
from realtime.events import Event
from realtime.models import DeadLetter, LogEvent, ProcessorCursor
from realtime.processors import Processor, work
from tests.realtime.catalogue import HIGH, NORMAL, Note

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("catalogue", "_log_without_doorbell")]

ME, OTHER = "me", "other"


@pytest.fixture
def _log_without_doorbell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens here; what counts is the log."""
    monkeypatch.setattr("realtime.doorbell.ring", lambda events: None)


@pytest.fixture
def processor() -> Iterator[Callable[..., Processor]]:
    """Register a processor and give it its place in the log: it begins with what follows."""
    registered: list[str] = []

    def register(handle: Callable[[Event], None], *types: Any, **more: Any) -> Processor:
        processors.processor("test", *(types or (NORMAL,)), **more)(handle)
        registered.append("test")
        made = processors.PROCESSORS["test"]
        assert not work(made, ME)
        return made

    yield register
    for name in registered:
        processors.PROCESSORS.pop(name, None)


def tell(*texts: str, event_type: Any = NORMAL, key: str | None = None) -> None:
    for text in texts:
        with transaction.atomic():
            emit(event_type, Note(text=text), key=key)


def cursor() -> ProcessorCursor:
    return ProcessorCursor.objects.get(name="test")


def make_due() -> None:
    """The pause before the next attempt is over."""
    ProcessorCursor.objects.update(retry_at=timezone.now() - timedelta(seconds=1))


class Flaky:
    """Handles an event at the attempt of that number."""

    def __init__(self, succeeds_at: int) -> None:
        self.succeeds_at = succeeds_at
        self.attempts: list[str] = []

    def __call__(self, event: Event) -> None:
        self.attempts.append(event.data["text"])
        if self.attempts.count(event.data["text"]) < self.succeeds_at:
            Group.objects.create(name=f"half done {len(self.attempts)}")
            raise RuntimeError("not today")


def test_it_is_called_for_its_events_in_order_from_its_registration_on(processor: Any) -> None:
    tell("before")
    seen: list[str] = []
    made = processor(lambda event: seen.append(event.data["text"]))
    tell("a", "b")
    tell("of no interest", event_type=HIGH)
    tell("c")
    work(made, ME)
    assert seen == ["a", "b", "c"]
    assert cursor().position == log.head().position
    work(made, ME)
    assert seen == ["a", "b", "c"], "what is done is not done again"


def test_what_fails_is_tried_again_with_growing_pauses_and_leaves_nothing_half_done(processor: Any) -> None:
    flaky = Flaky(succeeds_at=4)
    made = processor(flaky)
    tell("a", "b")
    pauses = []
    for _ in range(3):
        work(made, ME)
        assert not work(made, ME), "not before the pause is over"
        retry_at = cursor().retry_at
        assert retry_at is not None
        pauses.append((retry_at - timezone.now()).total_seconds())
        make_due()
    work(made, ME)
    make_due()
    assert flaky.attempts[:4] == ["a"] * 4
    assert pauses == sorted(pauses)
    assert pauses[2] > 2 * pauses[0]
    assert not Group.objects.filter(name__startswith="half done").exists()
    assert not DeadLetter.objects.exists()


def test_what_keeps_failing_becomes_a_dead_letter_and_holds_up_nobody(processor: Any) -> None:
    seen: list[str] = []

    def handle(event: Event) -> None:
        seen.append(event.data["text"])
        if event.data["text"] == "poison":
            raise ValueError("cannot be swallowed")

    made = processor(handle)
    tell("poison", "good")
    for _ in range(processors.ATTEMPTS):
        work(made, ME)
        make_due()
    assert seen == ["poison"] * processors.ATTEMPTS + ["good"]
    letter = DeadLetter.objects.get()
    assert (letter.processor, letter.attempts) == ("test", processors.ATTEMPTS)
    assert "cannot be swallowed" in letter.error


def test_an_event_that_this_release_does_not_know_holds_up_nobody(processor: Any) -> None:
    seen: list[str] = []
    made = processor(lambda event: seen.append(event.data["text"]))
    tell("of a later release", "mine")
    LogEvent.objects.filter(data__contains="later release").update(event_type="zone_teleported")
    work(made, ME)
    assert seen == ["mine"]


def test_a_dead_letter_can_be_retried_and_stays_until_that_succeeds(processor: Any) -> None:
    flaky = Flaky(succeeds_at=processors.ATTEMPTS + 2)
    made = processor(flaky)
    tell("a")
    for _ in range(processors.ATTEMPTS):
        work(made, ME)
        make_due()
    letter = DeadLetter.objects.get()
    with pytest.raises(RuntimeError):
        processors.retry(letter)
    mine, theirs = DeadLetter.objects.get(), DeadLetter.objects.get()
    processors.retry(mine)
    assert not DeadLetter.objects.exists()
    with pytest.raises(LookupError, match="somebody else"):
        processors.retry(theirs)
    assert len(flaky.attempts) == processors.ATTEMPTS + 2


def test_dead_letters_are_read_tried_again_and_discarded_by_command(
    processor: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    made = processor(Flaky(succeeds_at=processors.ATTEMPTS + 2))
    tell("a", "b")
    for _ in range(2 * processors.ATTEMPTS):
        work(made, ME)
        make_due()

    def command(*arguments: str) -> list[dict[str, Any]]:
        call_command("realtime_dead_letters", *arguments, "--json")
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    first, second = command()
    assert "not today" in first["error"]
    with pytest.raises(SystemExit):
        command("--retry", str(first["id"]))
    assert capsys.readouterr().err.strip() == f"{first['id']}: not today"
    assert command("--retry", str(first["id"])) == [{"done": 1, "failed": 0}]
    with pytest.raises(CommandError, match="Say which"):
        command("--discard")
    assert command("--discard", str(second["id"])) == [{"discarded": 1}]
    with pytest.raises(CommandError, match="no dead letter"):
        command(str(second["id"]))
    assert command() == []


def test_one_process_at_a_time_works_on_it_until_its_lease_is_over(processor: Any) -> None:
    seen: list[str] = []
    made = processor(lambda event: seen.append(event.data["text"]))
    tell("a")
    assert not work(made, OTHER)
    assert seen == []
    ProcessorCursor.objects.update(leased_until=timezone.now() - timedelta(seconds=1))  # `me` was killed
    work(made, OTHER)
    assert seen == ["a"]
    assert cursor().holder == OTHER


def test_who_lost_the_lease_in_between_does_nothing_more(processor: Any) -> None:
    seen: list[str] = []

    def handle(event: Event) -> None:
        seen.append(event.data["text"])
        ProcessorCursor.objects.update(holder=OTHER)  # after a pause so long that another took over

    made = processor(handle)
    tell("a", "b", "c")
    work(made, ME)
    assert seen == ["a"]


def test_a_kill_between_the_work_and_the_cursor_takes_both_back(processor: Any) -> None:
    class Killed(BaseException):
        """What no handler of errors sees."""

    dies = [True]

    def handle(event: Event) -> None:
        Group.objects.create(name=f"made for {event.data['text']}")
        if dies.pop() if dies else False:
            raise Killed

    made = processor(handle)
    tell("a")
    with pytest.raises(Killed):
        work(made, ME)
    assert not Group.objects.filter(name="made for a").exists()
    ProcessorCursor.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    work(made, OTHER)
    assert Group.objects.filter(name="made for a").count() == 1


def test_the_same_key_is_handled_once(processor: Any) -> None:
    seen: list[str] = []
    made = processor(lambda event: seen.append(event.data["text"]))
    tell("a", "a again", key="only-once")
    work(made, ME)
    assert seen == ["a"]


def test_what_came_too_late_is_put_aside_and_not_done(processor: Any) -> None:
    seen: list[str] = []
    made = processor(lambda event: seen.append(event.data["text"]), expires_after_s=60)
    tell("old", "new")
    LogEvent.objects.filter(data__contains="old").update(timestamp=timezone.now() - timedelta(minutes=5))
    work(made, ME)
    assert seen == ["new"]
    letter = DeadLetter.objects.get()
    assert "expired" in letter.error
    processors.retry(letter)
    assert seen == ["new", "old"], "a person may decide that it is not too late"


def test_pruning_waits_for_who_has_not_read_it_yet(processor: Any) -> None:
    made = processor(lambda event: None)
    tell("a", "b", "c")
    LogEvent.objects.update(timestamp=timezone.now() - timedelta(days=90))
    retention.prune(30)
    assert LogEvent.objects.filter(data__contains='"a"').exists()
    work(made, ME)
    retention.prune(30)
    assert not LogEvent.objects.filter(data__contains='"a"').exists()


def test_a_processor_whose_events_are_gone_goes_on_behind_them(processor: Any) -> None:
    seen: list[str] = []
    made = processor(lambda event: seen.append(event.data["text"]))
    tell("gone")
    log.prune(timezone.now() + timedelta(days=1))
    tell("there")
    work(made, ME)
    work(made, ME)
    assert seen == ["there"]


def test_what_concerns_no_processor_costs_three_queries_however_many_there_are(
    processor: Any, django_assert_max_num_queries: Any
) -> None:
    processor(lambda event: None, HIGH)
    processors.called_for(ME)
    tell(*"abc")
    with django_assert_max_num_queries(3):
        assert processors.called_for(ME) == []
    assert set(ProcessorCursor.objects.values_list("position", flat=True)) == {log.head().position}


def test_who_is_concerned_is_called_and_its_cursor_waits_for_it(processor: Any) -> None:
    made = processor(lambda event: None)
    tell("a")
    before = cursor().position
    assert processors.called_for(ME) == [made]
    assert cursor().position == before


def test_the_cursor_of_who_is_at_work_elsewhere_is_left_alone(processor: Any) -> None:
    processor(lambda event: None, HIGH)  # by which `ME` has the lease
    before = cursor().position
    tell("a")
    assert processors.called_for(OTHER) == []
    assert cursor().position == before
    assert processors.called_for(ME) == []
    assert cursor().position == before + 1


def test_nobody_is_called_before_the_pause_after_a_failure_is_over(processor: Any) -> None:
    made = processor(Flaky(succeeds_at=2))
    tell("a")
    work(made, ME)
    assert processors.called_for(ME) == []
    make_due()
    assert processors.called_for(ME) == [made]
