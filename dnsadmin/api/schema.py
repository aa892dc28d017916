"""What every operation of the API has in common, so that its description says it: problem documents, keys, limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.permissions import AllowAny

from dnsadmin.api.problems import MEDIA_TYPE

_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


class OneProblem(serializers.Serializer):
    """One thing that is wrong. `index`: of the change in its set. `line`: of a file."""

    field = serializers.CharField(required=False, help_text="Empty: the whole.")
    message = serializers.CharField()
    code = serializers.CharField(required=False)
    index = serializers.IntegerField(required=False)
    line = serializers.IntegerField(required=False, allow_null=True)


class ProblemDocument(serializers.Serializer):
    """Why a request was not carried out (RFC 9457). Nothing of it was kept.

    `errors`: messages by field, `""` for the whole; `problems`: the same one by one. Of a stale version (409) `current` is
    the object as it is now, null when it is gone, `sent` what was asked for, and `index` which change of the set it was.
    """

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = serializers.JSONField(required=False)  # type: ignore[assignment]  # that is what it is called
    problems = OneProblem(many=True, required=False)
    warnings = OneProblem(many=True, required=False)
    current = serializers.JSONField(required=False)
    sent = serializers.JSONField(required=False)
    index = serializers.IntegerField(required=False, allow_null=True)
    conflicts = serializers.JSONField(required=False)


class Schema(AutoSchema):
    """Adds to each operation how it is refused."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        problem = self.resolve_serializer(ProblemDocument, "response").ref
        for status, description in self._refusals(operation):
            content = {MEDIA_TYPE: {"schema": problem}}
            operation["responses"].setdefault(str(status), {"description": description, "content": content})
        if self.method in _WRITES and hasattr(self.view, "most_bytes"):
            operation.setdefault("parameters", []).append(_KEY)
        return operation

    def _refusals(self, operation: dict[str, Any]) -> Iterator[tuple[int, str]]:
        if operation.get("parameters") or "requestBody" in operation:
            yield 400, "What was sent is not valid."
        if AllowAny not in getattr(self.view, "permission_classes", ()):
            yield 401, "Nobody is signed in, or the token has expired."
            yield 403, "You may see it, but not do this."
        if "{" in self.path:
            yield 404, "There is nothing here, or you may not see it."
        yield 406, "The answer cannot have the form that `Accept` asks for."
        if self.method in _WRITES:
            yield 409, "Somebody else was faster: the current state is in the answer."
            yield 413, "The request is too large."
            yield 422, "The `Idempotency-Key` was sent before with another request."
        if "requestBody" in operation:
            yield 415, "What was sent is in no form that is read here."
        yield 429, "Too many requests; `Retry-After` says in how many seconds to go on."
        yield 503, "A part of the site is away for the moment."


_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "Sent again with the same key within a day, the request is answered as before and not carried out twice.",
}
