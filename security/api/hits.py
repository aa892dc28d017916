"""Hits over time, over HTTP: `/api/rpz/hits/`, in the form of `/api/monitoring/series/`."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from security.api.views import View
from security.models import Hits

HOUR_S = 3600
LONGEST_S = 400 * 86_400
_METRIC = re.compile(r"all|(policy|rule):(\d{1,18})")


class HitsRequest(serializers.Serializer):
    """`metric`: `all`, `policy:<id>` or `rule:<id>`. `from`: seconds before now, as a negative number. `step`: seconds of
    a point, whole hours."""

    metric = serializers.RegexField(f"^(?:{_METRIC.pattern})$")
    step = serializers.IntegerField(min_value=HOUR_S, max_value=30 * 86_400, default=HOUR_S)

    def get_fields(self) -> dict[str, Any]:
        before = serializers.IntegerField(min_value=-LONGEST_S, max_value=-1, default=-7 * 86_400)
        return {**super().get_fields(), "from": before}

    def validate_step(self, step: int) -> int:
        if step % HOUR_S:
            raise serializers.ValidationError("must be whole hours")
        return step


class HitsPoint(serializers.Serializer):
    """One span. at: its beginning. value: hits in it."""

    at = serializers.DateTimeField()
    value = serializers.IntegerField()


class HitsAnswer(serializers.Serializer):
    """Hits over time, with a point for each span."""

    metric = serializers.CharField()
    step = serializers.IntegerField()
    points = HitsPoint(many=True)


class HitsView(View):
    """How often policies acted."""

    serializer_class = HitsAnswer

    @extend_schema(parameters=[HitsRequest])
    def get(self, request: Request) -> Response:
        """Hits of all policies, of one, or of one rule, in spans that end now."""
        asked = self.valid(HitsRequest, request.query_params)
        step, now = asked["step"], timezone.now().timestamp()
        first, last = (int(moment) // step * step for moment in (now + asked["from"], now))
        counts: Counter[int] = Counter()
        since = datetime.fromtimestamp(first, UTC)
        for hour, count in _of(asked["metric"]).filter(hour__gte=since).values_list("hour", "count"):
            counts[int(hour.timestamp()) // step * step] += count
        points = [{"at": datetime.fromtimestamp(at, UTC), "value": counts[at]} for at in range(first, last + 1, step)]
        return Response(HitsAnswer({"metric": asked["metric"], "step": step, "points": points}).data)


def _of(metric: str) -> QuerySet[Hits]:
    found = _METRIC.fullmatch(metric)
    assert found is not None
    kind, pk = found.groups()
    return Hits.objects.filter(**{f"{kind}_id": int(pk)}) if kind else Hits.objects.all()
