"""Monitoring over HTTP: who sees what, and that a series is what the database has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from monitoring import series
from monitoring.models import Sample
from monitoring.series import count, gauge
from tests.zones.examples import Api

pytestmark = pytest.mark.django_db

NOW = series.begin(datetime.now(UTC), 300) - timedelta(minutes=10)


def test_a_series_is_what_the_database_has_for_the_same_time(api: Api, vera: User) -> None:
    for second in range(0, 300, 10):
        series.record({"dns_queries": count(second, 10)}, NOW + timedelta(seconds=second))
    for step in (10, 60, 300):
        answer = api(vera).get(
            "/api/monitoring/series/",
            {
                "metric": "dns_queries",
                "from": NOW.isoformat(),
                "to": (NOW + timedelta(seconds=300)).isoformat(),
                "step": step,
            },
        )
        assert answer.status_code == 200, answer.content
        points = answer.json()["points"]
        rows = Sample.objects.filter(metric="dns_queries", step=10, at__gte=NOW, at__lt=NOW + timedelta(seconds=300))
        assert sum(point["total"] for point in points) == sum(rows.values_list("total", flat=True))
        assert points[0]["value"] == pytest.approx(points[0]["total"] / step)


def test_the_past_may_be_given_in_seconds_before_now(api: Api, vera: User) -> None:
    series.record({"load_1": gauge(1)}, datetime.now(UTC))
    answer = api(vera).get("/api/monitoring/series/", {"metric": "load_1", "from": "-900"}).json()
    assert answer["unit"] == ""
    assert answer["step"] == 10
    assert [point["value"] for point in answer["points"]] == [1]


@pytest.mark.parametrize(
    "query",
    [
        {"metric": "weather"},
        {},
        {"metric": "load_1", "from": "yesterday"},
        {"metric": "load_1", "step": "7"},
        {"metric": "load_1", "step": "15"},
        {"metric": "load_1", "from": "-2592000", "step": "10"},
        {"metric": "load_1", "from": "2026-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"},
        {"metric": "target_99999999999999999999_latency"},
        {"metric": "load_1", "from": "-99999999999999"},
        {"metric": "load_1\0"},
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(api: Api, vera: User, query: dict[str, str]) -> None:
    answer = api(vera).get("/api/monitoring/series/", query)
    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "path", ["/api/monitoring/summary/", "/api/monitoring/series/?metric=load_1", "/api/monitoring/intervals/"]
)
def test_owners_of_single_zones_see_nothing_of_the_servers(api: Api, zoe: User, vera: User, path: str) -> None:
    assert api(zoe).get(path).status_code == 403
    assert api(vera).get(path).status_code == 200


def test_operators_choose_how_often_is_measured_and_viewers_do_not(api: Api, olivia: User, vera: User) -> None:
    assert api(olivia).patch("/api/monitoring/intervals/", {"cpu": 5}).json()["cpu"] == 5
    assert api(vera).get("/api/monitoring/intervals/").json()["cpu"] == 5
    assert api(vera).patch("/api/monitoring/intervals/", {"cpu": 9}).status_code == 403
    for wrong in ({"cpu": 0}, {"cpu": "often"}, {"weather": 5}, {"cpu": 10**12}, [1]):
        assert api(olivia).patch("/api/monitoring/intervals/", wrong).status_code == 400
    assert api(vera).get("/api/monitoring/intervals/").json()["cpu"] == 5
