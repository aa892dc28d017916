"""From probes to a state: what is told is told with reason, and one probe more or less changes nothing."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitoring.forwarding.judgement import Judgement, Probe, whole
from monitoring.forwarding.probes import Answer, wrong

GOOD = Probe(Answer(ok=True, latency_ms=10))
LOST = Probe(Answer(ok=False, error="no answer within 2 s"))
SLOW = Probe(Answer(ok=True, latency_ms=510))
WRONG = Probe(Answer(ok=True, latency_ms=10), wrong=True)
REFUSED = Probe(Answer(ok=False, latency_ms=5, rcode="REFUSED", error="it answers REFUSED"))

PROBES = st.sampled_from([GOOD, LOST, SLOW, WRONG, REFUSED])


def states(*probes: Probe, start: str = "up") -> list[str]:
    judgement = Judgement(start, slow_ms=300)
    found = []
    for probe in probes:
        judgement.add(probe)
        found.append(judgement.state)
    return found


def test_nothing_is_said_before_the_third_probe() -> None:
    assert states(GOOD, GOOD, GOOD, start="unknown") == ["unknown", "unknown", "up"]
    assert states(LOST, LOST, LOST, start="unknown") == ["unknown", "unknown", "down"]
    # Another process takes over: it goes on from the state that it finds.
    assert states(GOOD, GOOD, GOOD, start="down") == ["down", "down", "up"]


def test_three_in_a_row_bring_it_down_and_three_bring_it_back() -> None:
    assert states(*[GOOD] * 5, LOST, LOST, LOST)[-3:] == ["up", "up", "down"]
    assert states(*[LOST] * 3, GOOD, GOOD, GOOD)[-3:] == ["down", "down", "up"]
    assert states(*[LOST] * 3, GOOD, GOOD, LOST, GOOD, GOOD)[-1] == "down"
    assert states(*[GOOD] * 5, *[REFUSED] * 3)[-1] == "down"


def test_a_target_that_loses_some_is_degraded_until_it_loses_one_at_most() -> None:
    losing = [GOOD] * 10 + [LOST, GOOD, GOOD, LOST, GOOD, GOOD, LOST]
    assert states(*losing)[-1] == "degraded"
    assert "degraded" not in states(*losing[:-1])
    again = states(*losing, *[GOOD] * 10)
    assert again[-1] == "up"
    assert again.count("up") + again.count("degraded") == len(again)
    assert sum(a != b for a, b in pairwise(again)) == 2, "it changes twice: to degraded and back"


def test_a_slow_target_is_degraded_until_it_is_well_under_the_limit() -> None:
    assert states(*[GOOD] * 5, SLOW, SLOW)[-1] == "up"
    assert states(*[GOOD] * 5, SLOW, SLOW, SLOW)[-1] == "degraded"
    nearly = Probe(Answer(ok=True, latency_ms=290))  # under the limit, but not by a fifth
    assert states(*[SLOW] * 5, *[nearly] * 10)[-1] == "degraded"
    assert states(*[GOOD] * 5, *[nearly] * 10)[-1] == "up"
    assert states(*[SLOW] * 5, *[GOOD] * 4)[-1] == "up"


def test_three_wrong_answers_degrade_and_three_right_ones_clear() -> None:
    assert states(*[GOOD] * 5, WRONG, WRONG)[-1] == "up"
    assert states(*[GOOD] * 5, WRONG, WRONG, WRONG)[-1] == "degraded"
    assert states(*[WRONG] * 3, GOOD, GOOD, WRONG, GOOD, GOOD)[-1] == "degraded"
    assert states(*[WRONG] * 3, GOOD, GOOD, GOOD)[-1] == "up"


@given(st.lists(PROBES, min_size=3, max_size=60), PROBES)
def test_no_change_is_taken_back_by_the_next_probe(probes: list[Probe], odd: Probe) -> None:
    found = states(*probes)
    for first, second, third in zip(found, found[1:], found[2:], strict=False):
        assert not (first != second and third == first), found


@given(st.integers(10, 30), st.sampled_from([LOST, SLOW, WRONG, REFUSED]), st.integers(0, 20))
def test_one_bad_probe_among_good_ones_and_one_good_among_lost_ones_change_nothing(
    length: int, odd: Probe, place: int
) -> None:
    good = [GOOD] * (length + 20)
    good[place + 5] = odd
    assert set(states(*good)) == {"up"}
    lost = [LOST] * (length + 20)
    lost[place + 5] = GOOD
    assert set(states(*lost)[3:]) == {"down"}


def test_the_whole_is_down_only_when_nothing_works() -> None:
    assert whole(["up", "up"]) == "up"
    assert whole(["up", "down"]) == "degraded"
    assert whole(["down", "down"]) == "down"
    assert whole(["degraded", "up"]) == "degraded"
    assert whole(["unknown", "unknown"]) == "unknown"
    assert whole([]) == "unknown"


def says(*records: str, ok: bool = True) -> Answer:
    return Answer(ok=ok, rcode="NOERROR", records=records)


def test_wrong_is_what_differs_from_what_is_expected_or_from_most() -> None:
    one, other, lost = says("A 192.0.2.1"), says("A 192.0.2.9"), says(ok=False)
    assert wrong([one, other], "A 192.0.2.9") == [True, False]
    assert wrong([one, other, one], "") == [False, True, False]
    assert wrong([other, one, one], "") == [True, False, False]
    assert wrong([one, other], "") == [False, True], "of two, the first in order is believed"
    assert wrong([one, lost], "") == [False, False]
    assert wrong([lost, lost], "A 192.0.2.1") == [False, False]
    assert wrong([], "") == []
