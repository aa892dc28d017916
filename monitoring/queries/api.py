"""Queries over HTTP: the recent ones, what was counted, and a table to take away."""

from __future__ import annotations

import csv
from typing import Any
from urllib.parse import urlencode

import msgspec
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.api.serializers import Moment
from monitoring.queries import searching
from monitoring.queries.events import SEES_QUERIES
from monitoring.queries.statistics import statistics
from realtime.flow_filter import FlowFilter
from realtime.plain import cell
from realtime.registry import VIEW_CLIENT_ADDRESSES
from zones.names import sought
from zones.nameserver.query_log import OUTCOMES
from zones.nameserver.query_search import Cursor, Outcome

PATIENCE_S = 1.5
EXPORT_PATIENCE_S = 15.0
MOST_EXPORTED = 50_000

FILTERS = [
    OpenApiParameter("search", str, description="Part of the name."),
    OpenApiParameter("name_suffix", str, description="The name, or a domain that it lies in; whole labels."),
    OpenApiParameter("client", str, description="An address or a network in CIDR notation."),
    OpenApiParameter("qtype", str, description="Record type, such as `AAAA`."),
    OpenApiParameter("outcome", str, enum=list(OUTCOMES), description="What became of the query."),
    OpenApiParameter("from", str, description="ISO 8601, seconds since 1970, or before now (`-3600`)."),
    OpenApiParameter("to", str, description="The end, not included."),
]


class QuestionSerializer(serializers.Serializer):
    """What is looked for among the queries."""

    search = serializers.CharField(required=False, max_length=260)
    name_suffix = serializers.CharField(required=False, max_length=260)
    client = serializers.CharField(required=False, max_length=64)
    qtype = serializers.CharField(required=False, max_length=16)
    outcome = serializers.ChoiceField(required=False, choices=OUTCOMES)
    to = Moment(required=False)
    cursor = serializers.CharField(required=False, max_length=80)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=1000, default=100)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": Moment(required=False)}  # `from` is a word of the language

    def validate_cursor(self, text: str) -> Cursor:
        try:
            return Cursor.parse(text)
        except ValueError:
            raise serializers.ValidationError("This is not a place that a search has come to.") from None

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        given = {name: data[name] for name in ("name_suffix", "client", "qtype", "outcome") if data.get(name)}
        try:
            flow = msgspec.convert(given, FlowFilter)
        except msgspec.ValidationError as error:
            raise serializers.ValidationError({"client" if "client" in given else "": str(error)}) from None
        question = searching.Question(
            flow=flow,
            part=sought(data.get("search", "").lower().strip(".")),
            start=data.get("from"),
            end=data.get("to"),
            before=data.get("cursor"),
        )
        return {"question": question, "page_size": data["page_size"]}


def _asked(request: Request) -> dict[str, Any]:
    asked = QuestionSerializer(data=request.query_params.dict())
    asked.is_valid(raise_exception=True)
    return asked.validated_data  # type: ignore[no-any-return]


def _search(request: Request, question: searching.Question, limit: int, patience_s: float) -> Outcome:
    try:
        return searching.ask(request.user, question, limit=limit, patience_s=patience_s)
    except LookupError as error:
        raise serializers.ValidationError({"cursor": f"{error}. Begin again without it."}) from None


class QueriesView(APIView):
    """Recent queries, the newest first: as far back as the name server keeps its log.

    A page is found by reading that log backwards, for a second and a half at most. `count` is the number of matches in
    what was read, `back_to` how far that goes, and `complete` whether it was all there is; `next` goes on.
    """

    @extend_schema(
        parameters=[*FILTERS, OpenApiParameter("page_size", int), OpenApiParameter("cursor", str)], responses=dict
    )
    def get(self, request: Request) -> Response:
        asked = _asked(request)
        outcome = _search(request, asked["question"], asked["page_size"], PATIENCE_S)
        following = None
        if outcome.after is not None:
            query = urlencode({**request.query_params.dict(), "cursor": str(outcome.after)})
            following = request.build_absolute_uri(f"{request.path}?{query}")
        return Response(
            {
                "count": outcome.matched,
                "next": following,
                "previous": None,
                "results": [searching.shown(found, request.user) for found in outcome.found],
                "complete": outcome.complete,
                "back_to": outcome.back_to,
                "redacted": [] if request.user.has_perm(VIEW_CLIENT_ADDRESSES) else ["results.*.client"],
            }
        )


class StatisticsRequest(serializers.Serializer):
    """For which time."""

    to = Moment(required=False)
    top = serializers.IntegerField(required=False, min_value=1, max_value=200, default=20)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": Moment(required=False)}

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        end = data.get("to") or Moment().to_internal_value("-0")
        start = data.get("from") or Moment().to_internal_value("-3600")
        if start >= end:
            raise serializers.ValidationError({"to": "The end must lie after the start."})
        return {"start": start, "end": end, "most": data["top"]}


class StatisticsView(APIView):
    """What was counted in a stretch of time: totals, outcomes, types, rcodes, the most frequent names, clients and blocked
    names, a series for a chart, and how the counting goes."""

    @extend_schema(
        parameters=[*FILTERS[-2:], OpenApiParameter("top", int, description="Length of the lists.")], responses=dict
    )
    def get(self, request: Request) -> Response:
        if not request.user.has_perm(SEES_QUERIES):
            raise PermissionDenied("You may not see what was counted of all queries.")
        asked = StatisticsRequest(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        document = statistics(**asked.validated_data)
        document["redacted"] = []
        if not request.user.has_perm(VIEW_CLIENT_ADDRESSES):
            for each in document["top"]["clients"]:
                each["value"] = None
            document["redacted"] = ["top.clients.*.value"]
        return Response(document)


class ExportView(APIView):
    """Recent queries as CSV, the newest first, 50,000 at most. `X-Dnsadmin-Complete` tells whether that is all there is."""

    @extend_schema(parameters=FILTERS, responses={(200, "text/csv"): OpenApiResponse(str)})
    def get(self, request: Request) -> HttpResponse:
        outcome = _search(request, _asked(request)["question"], MOST_EXPORTED, EXPORT_PATIENCE_S)
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="queries.csv"'
        response["X-Dnsadmin-Complete"] = "true" if outcome.after is None else "false"
        table = csv.writer(response)
        table.writerow(["time", "client", "name", "type", "outcome"])
        for found in outcome.found:
            table.writerow([cell(value or "") for value in searching.shown(found, request.user).values()])
        return response
