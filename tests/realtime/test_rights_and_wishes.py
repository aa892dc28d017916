"""Who sees an event, what of it, and what a client may ask for. Filters fail closed."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from realtime import filters
from realtime.audience import Audience
from realtime.events import EventType
from realtime.filters import view
from realtime.protocol import ErrorCode
from realtime.registry import registry
from realtime.subscriptions import MOST_PATTERNS, FlowFilter, Subscribe, TooManySubscriptions, Wants, subscriptions
from tests.realtime.catalogue import HIGH, NORMAL, OPEN, OWN, SECRET, audience, event, leads_somewhere

OPERATOR = audience("zones.view_zone")
OWNER = audience(zones={"mine"})
NOBODY = audience()
ADMIN = audience(is_admin=True)

pytestmark = pytest.mark.usefixtures("catalogue")


# -- who sees it ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("viewer", "sees"),
    [(OPERATOR, {"mine", "other", None}), (OWNER, {"mine"}), (NOBODY, set()), (ADMIN, {"mine", "other", None})],
    ids=["operator", "owner", "nobody", "admin"],
)
def test_a_permission_shows_all_and_a_grant_shows_its_scope(viewer: Audience, sees: set[str | None]) -> None:
    assert {zone for zone in ("mine", "other", None) if view(event(HIGH, zone=zone), viewer)} == sees


def test_a_grant_of_another_kind_shows_nothing() -> None:
    viewer = Audience(is_admin=False, permissions=frozenset(), scopes=(("policy", frozenset({"mine"})),))
    assert view(event(HIGH, zone="mine"), viewer) is None


def test_all_keys_of_a_kind_show_every_scoped_event_and_no_unscoped_one() -> None:
    viewer = Audience(is_admin=False, permissions=frozenset(), scopes=(("zone", None),))
    assert view(event(HIGH, zone="any"), viewer)
    assert view(event(HIGH), viewer) is None


def test_an_event_for_everyone_is_for_everyone() -> None:
    assert view(event(OPEN), NOBODY)


def test_administrators_only_means_superusers_only() -> None:
    everything_else = audience("zones.view_zone", "administrators", zones={"mine"}, user_id=1)
    assert view(event(SECRET), ADMIN)
    assert (
        view(event(SECRET, zone="mine", subject_id=1), audience("zones.view_zone", zones={"mine"}, user_id=1)) is None
    )
    assert everything_else.user_id == 1


@given(st.sets(st.sampled_from(["a", "b", "c"])), st.none() | st.sampled_from(["a", "b", "c", "d"]))
def test_no_grant_shows_more_than_its_zones(granted: set[str], zone: str | None) -> None:
    assert bool(view(event(HIGH, zone=zone), audience(zones=granted))) == (zone in granted)


def test_a_route_shares_no_own_events() -> None:
    one = audience(user_id=1)
    assert view(event(OWN, subject_id=1), one)
    assert view(event(OWN, subject_id=2), one) is None
    assert view(event(OWN, subject_id=None), one) is None
    assert view(event(OWN, subject_id=1), one.shared()) is None


def test_equal_rights_are_equal_audiences() -> None:
    assert audience("b", "a", zones={"y", "x"}) == audience("a", "b", zones={"x", "y"})
    assert hash(audience("b", "a", zones={"y", "x"})) == hash(audience("a", "b", zones={"x", "y"}))


def test_an_event_that_nobody_declares_is_seen_by_nobody() -> None:
    assert view(event(EventType.THREAT_DETECTED), ADMIN) is None


# -- what of it -----------------------------------------------------------------------------------------------------------


def test_what_one_may_not_see_is_null_and_named_and_the_original_is_left_alone() -> None:
    original = event(NORMAL, client="192.0.2.7", queries=[{"client": "192.0.2.8", "name": "x"}, {"name": "y"}])
    seen = view(original, OPERATOR)
    assert seen is not None
    assert seen.event.data["client"] is None
    assert seen.event.data["queries"] == [{"client": None, "name": "x"}, {"name": "y"}]
    assert set(seen.redacted) == {"client", "queries.*.client"}
    assert original.data["client"] == "192.0.2.7"
    assert original.data["queries"][0]["client"] == "192.0.2.8"


def test_only_what_was_there_to_mask_is_named() -> None:
    seen = view(event(NORMAL, client="192.0.2.7"), OPERATOR)
    assert seen is not None
    assert seen.redacted == ("client",)


def test_who_may_see_it_all_gets_the_same_object() -> None:
    original = event(NORMAL, client="192.0.2.7")
    seen = view(original, audience("zones.view_zone", "realtime.view_client_addresses"))
    assert seen is not None
    assert seen.event is original
    assert seen.redacted == ()


@pytest.mark.parametrize(
    ("data", "path", "masked"),
    [
        ({"a": 1}, "a", {"a": None}),
        ({"a": 0}, "a", {"a": None}),
        ({"a": ""}, "a", {"a": None}),
        ({"a": False}, "a", {"a": None}),
        ({"a": {"b": 1, "c": 2}}, "a.b", {"a": {"b": None, "c": 2}}),
        ({"a": {"b": 1, "c": "x"}}, "a[c=x].b", {"a": {"b": None, "c": "x"}}),
        ({"a": {"b": 1, "c": "x"}}, "a[c=y].b", {"a": {"b": 1, "c": "x"}}),
        ({"a": {"b": 1}}, "a[c=y].b", {"a": {"b": 1}}),
        ({"a": None}, "a[c=y].b", {"a": None}),
        (
            {"a": [{"b": 1, "c": "x"}, {"b": 2, "c": "y"}, 3]},
            "a.*[c=x].b",
            {"a": [{"b": None, "c": "x"}, {"b": 2, "c": "y"}, 3]},
        ),
        ({"a": {"b": {"c": 1}}}, "a.b.c", {"a": {"b": {"c": None}}}),
        ({"a": [1, 2]}, "a.*", {"a": [None, None]}),
        ({"a": [{"b": 1}, {"b": None}, {}]}, "a.*.b", {"a": [{"b": None}, {"b": None}, {}]}),
        ({"a": [{"b": [{"c": 1}]}]}, "a.*.b.*.c", {"a": [{"b": [{"c": None}]}]}),
        ({"a": [[{"b": 1}]]}, "a.*.*.b", {"a": [[{"b": None}]]}),
        ({"a": {"x": 1}}, "a", {"a": None}),
        ({"a": [1]}, "a", {"a": None}),
    ],
)
def test_paths_reach_into_objects_and_lists(data: Any, path: str, masked: Any) -> None:
    before = msgspec.json.encode(data)
    assert filters._mask(data, path.split(".")) == masked
    assert msgspec.json.encode(data) == before


@pytest.mark.parametrize("data", [{}, {"a": None}, {"a": []}, {"b": 1}])
def test_where_there_is_nothing_to_mask_nothing_is_copied(data: Any) -> None:
    assert filters._mask(data, ["a", "*", "b"]) is data


def test_a_path_that_misses_is_found_out() -> None:
    payload = msgspec.inspect.type_info(registry[NORMAL].payload)
    assert leads_somewhere(payload, ["queries", "*", "client"])
    assert not leads_somewhere(payload, ["queries", "client"])
    assert not leads_somewhere(payload, ["clients"])


# -- what is asked for ----------------------------------------------------------------------------------------------------


def add(wants: Wants, *patterns: str, viewer: Audience = OPERATOR, **more: Any) -> tuple[Wants, list[dict[str, str]]]:
    return subscriptions.add(wants, Subscribe(event_types=list(patterns), **more), viewer)


def test_patterns_name_declared_events_that_one_may_subscribe_to() -> None:
    wants, rejected = add(Wants(), "zone_*", "record_updated")
    assert subscriptions.types(wants, OPERATOR) == {NORMAL, HIGH}
    assert rejected == []


def test_what_is_rejected_says_why_and_the_rest_is_accepted() -> None:
    wants, rejected = add(Wants(), "error_occurred", "no_such_event", "record_*", "nothing_*", "")
    assert wants.patterns == ("record_*",)
    assert rejected == [
        {"event_type": "error_occurred", "code": ErrorCode.PERMISSION_DENIED},
        {"event_type": "no_such_event", "code": ErrorCode.UNKNOWN_EVENT_TYPE},
        {"event_type": "nothing_*", "code": ErrorCode.UNKNOWN_EVENT_TYPE},
        {"event_type": "", "code": ErrorCode.UNKNOWN_EVENT_TYPE},
    ]


def test_a_star_never_reaches_beyond_ones_rights() -> None:
    wants, _ = add(Wants(), "*", viewer=NOBODY)
    assert SECRET not in subscriptions.types(wants, NOBODY)
    assert SECRET in subscriptions.types(wants, ADMIN), "and shows it when the rights come"


@pytest.mark.parametrize("pattern", ["[!x]*", "?one_updated", "zone_[u]pdated", "*" * 64, "***a***b***" * 5, "[", "!"])
def test_strange_patterns_are_patterns_or_unknown(pattern: str) -> None:
    wants, rejected = add(Wants(), pattern)
    assert (len(wants.patterns), len(rejected)) in {(1, 0), (0, 1)}


def test_a_long_pattern_is_unknown_and_told_back_shortened() -> None:
    _, rejected = add(Wants(), "*" * 10_000)
    assert rejected == [{"event_type": "*" * 64, "code": ErrorCode.UNKNOWN_EVENT_TYPE}]


def test_sixty_four_patterns_are_the_limit_for_one_command_and_in_all() -> None:
    named = [f"zone_{'?' * n}*" for n in range(8)] + ["record_updated"]
    wants, _ = add(Wants(), *named)
    assert len(wants.patterns) == 9
    full = Wants(patterns=tuple(f"p{n}" for n in range(MOST_PATTERNS)))
    with pytest.raises(TooManySubscriptions):
        add(full, "zone_*")
    for ask in (add, lambda w, *p: subscriptions.remove(w, list(p), OPERATOR)):
        with pytest.raises(TooManySubscriptions):
            ask(Wants(), *(f"no_{n}" for n in range(MOST_PATTERNS + 1)))


def test_all_events_by_name_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.subscriptions.MOST_PATTERNS", 2)
    names = [str(spec.event_type) for spec in registry]  # type: ignore[attr-defined]
    wants, rejected = add(Wants(), *names)
    assert set(wants.patterns) <= set(names)
    assert {each["code"] for each in rejected} <= {"permission_denied"}
    add(wants, "zone_*", "record_*")
    with pytest.raises(TooManySubscriptions):
        add(wants, "zone_*", "record_*", "user_*")


def test_asking_twice_changes_nothing() -> None:
    once, _ = add(Wants(), "zone_*")
    assert add(once, "zone_*", "zone_*")[0] == once


def test_taking_one_out_of_a_wildcard_leaves_the_others() -> None:
    wants, _ = add(Wants(), "*")
    left = subscriptions.remove(wants, ["zone_updated"], OPERATOR)
    assert subscriptions.types(left, OPERATOR) == subscriptions.types(wants, OPERATOR) - {NORMAL}
    assert subscriptions.types(subscriptions.remove(left, ["*"], OPERATOR), OPERATOR) == frozenset()


@given(
    st.lists(st.sampled_from(["*", "zone_*", "record_updated", "system_*", "security_alert"]), max_size=4),
    st.lists(st.sampled_from(["*", "zone_*", "record_*", "zone_updated", "no"]), max_size=3),
)
def test_what_was_removed_is_gone_and_nothing_else(added: list[str], removed: list[str]) -> None:
    wants, _ = add(Wants(), *added)
    gone = frozenset().union(*(registry.matching(p) for p in removed)) if removed else frozenset()
    left = subscriptions.remove(wants, removed, OPERATOR)
    assert subscriptions.types(left, OPERATOR) == subscriptions.types(wants, OPERATOR) - gone


def test_zone_names_are_taken_as_people_write_them_and_kept_until_others_are_given() -> None:
    wants, _ = add(Wants(), "zone_*", zones=["Example.COM.", "b.example"])
    assert wants.zones == {"example.com", "b.example"}
    assert add(wants, "record_*")[0].zones == wants.zones
    assert add(wants, zones=[])[0].zones == frozenset()


def test_an_internationalised_zone_is_wanted_however_it_is_written() -> None:
    for written in (
        "BÜCHER.example.",
        "bücher.example",
        "bu\u0308cher.example",
        "XN--BCHER-KVA.example",
        "bücher。example",
    ):
        assert add(Wants(), "zone_*", zones=[written])[0].zones == {"xn--bcher-kva.example"}
    assert add(Wants(), "zone_*", zones=["..ü", "ü" * 100, "\u200d"])[0].zones == {"..ü", "ü" * 100, "\u200d"}, (
        "no zone's"
    )


def test_an_event_about_no_zone_passes_any_choice_of_zones() -> None:
    about = [event(HIGH, zone=zone) for zone in ("a.example", "b.example", None)]
    assert [each.concerns({"a.example"}) for each in about] == [True, False, True]
    assert [each.concerns(()) for each in about] == [True, True, True]


def test_the_defaults_are_what_ones_role_shows_without_what_is_for_the_asking_only() -> None:
    assert SECRET not in subscriptions.types(subscriptions.defaults(ADMIN), ADMIN)
    assert subscriptions.types(subscriptions.defaults(OPERATOR), OPERATOR) >= {HIGH, NORMAL, OWN}


@pytest.mark.django_db
def test_what_was_wanted_is_restored_and_what_another_release_wrote_is_not(django_user_model: Any) -> None:
    from realtime.models import SavedSubscription

    # In bulk, which sends no signals: the small catalogue of these tests has no event for a new account.
    (user,) = django_user_model.objects.bulk_create([django_user_model(username="u")])
    wants = Wants(patterns=("zone_*",), zones=frozenset({"a.example"}), filter=FlowFilter(qtype="A"))
    subscriptions.save({(user.pk, "web"): wants, (user.pk + 999, "web"): wants})
    SavedSubscription.objects.create(user=user, client="old", wanted={"patterns": 17})
    assert subscriptions.restore({(user.pk, "web"), (user.pk, "old"), (user.pk, "new")}) == {(user.pk, "web"): wants}
    subscriptions.save({(user.pk, "web"): Wants()})
    assert subscriptions.restore({(user.pk, "web")}) == {(user.pk, "web"): Wants()}


# -- the registry ---------------------------------------------------------------------------------------------------------


def test_an_event_is_declared_once() -> None:
    with pytest.raises(ImproperlyConfigured, match="twice"):
        registry.declare(registry[HIGH])


def test_what_is_declared_later_is_matched_as_well() -> None:
    assert registry.matching("threat_*") == frozenset()
    registry.declare(dataclasses.replace(registry[HIGH], event_type=EventType.THREAT_DETECTED))
    assert registry.matching("threat_*") == {EventType.THREAT_DETECTED}
