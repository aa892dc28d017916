"""What monitoring is asked for, and how it answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.dateparse import parse_datetime
from rest_framework import serializers

from monitoring import intervals
from monitoring.metrics import GROUPS, find
from monitoring.series import FINEST_S, MOST_POINTS

DEFAULT_POINTS = 300
_NICE_S = (10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


class Moment(serializers.Field):
    """A moment: ISO 8601, seconds since 1970, or seconds before now with a minus sign (`-3600`)."""

    def to_internal_value(self, data: Any) -> datetime:
        text = str(data).strip()
        try:
            if re.fullmatch(r"-\d{1,9}", text):
                return datetime.now(UTC) + timedelta(seconds=int(text))
            if re.fullmatch(r"\d{1,11}(\.\d{1,6})?", text):
                return datetime.fromtimestamp(float(text), UTC)
            # A plus sign in a query string arrives as a space.
            found = parse_datetime(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
        except (ValueError, OverflowError, OSError):
            found = None
        if found is None:
            raise serializers.ValidationError("not a moment: 2026-01-31T12:00:00Z, or seconds before now, as -3600")
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


class SeriesRequest(serializers.Serializer):
    """Which metric, from when until before when, in steps of how many seconds."""

    metric = serializers.CharField(max_length=64)
    to = Moment(required=False)
    step = serializers.IntegerField(min_value=FINEST_S, max_value=86_400, required=False)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": Moment(required=False)}

    def validate_metric(self, metric: str) -> str:
        try:
            find(metric)
        except KeyError:
            raise serializers.ValidationError("there is no such metric", code="unknown_metric") from None
        return metric

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        end = attrs.setdefault("to", datetime.now(UTC))
        start = attrs.setdefault("from", end - timedelta(hours=1))
        if start >= end:
            raise serializers.ValidationError({"from": "must lie before the end"})
        seconds = (end - start).total_seconds()
        step = attrs.setdefault("step", next((s for s in _NICE_S if seconds / s <= DEFAULT_POINTS), _NICE_S[-1]))
        if step % FINEST_S:
            raise serializers.ValidationError({"step": f"must be a multiple of {FINEST_S}"})
        if seconds / step > MOST_POINTS:
            raise serializers.ValidationError({"step": f"too short: at most {MOST_POINTS} points are answered"})
        return attrs


class PointSerializer(serializers.Serializer):
    """One span. at: its beginning. value: the mean of a gauge, the rate per second of a count."""

    at = serializers.DateTimeField()
    value = serializers.FloatField()
    total = serializers.FloatField()
    least = serializers.FloatField()
    greatest = serializers.FloatField()


class SeriesSerializer(serializers.Serializer):
    """A metric over time; spans in which nothing was measured are left out."""

    metric = serializers.CharField()
    title = serializers.CharField()
    unit = serializers.CharField()
    step = serializers.IntegerField()
    to = serializers.DateTimeField()
    points = PointSerializer(many=True)


class IntervalsSerializer(serializers.Serializer):
    """Seconds between two measurements, by group of metrics."""

    def get_fields(self) -> dict[str, Any]:
        return {
            group: serializers.IntegerField(
                min_value=intervals.SHORTEST_S, max_value=intervals.LONGEST_S, required=False, label=title
            )
            for group, (title, _) in GROUPS.items()
        }

    def to_internal_value(self, data: Any) -> dict[str, int]:
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(GROUPS))):
            raise serializers.ValidationError({str(name): "there is no such group of metrics" for name in unknown})
        values: dict[str, int] = super().to_internal_value(data)
        return values
