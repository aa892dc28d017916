"""Requests that may be sent again: with an `Idempotency-Key`, the second one gets the answer of the first.

A script that lost the answer cannot know whether its change was made. The key and the answer are written in the
transaction of the change itself, so that there is never the one without the other; what was refused is not kept, and may
be tried again with the same key.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from zones.models import RepeatableRequest

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
MAX_KEY = 255
_SAFE = {"GET", "HEAD", "OPTIONS"}
_KEPT_HEADERS = ("ETag", "Location")


class KeyReused(APIException):
    status_code = 422
    default_detail = f"This {HEADER} was sent before with another request."
    default_code = "idempotency_key_reused"


class Answered(Exception):
    """The same request has been carried out already; this was the answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__("answered before")
        self.answer = answer


class Repeatable:
    """One request with a key: claimed before it is carried out, and its answer kept."""

    def __init__(self) -> None:
        self._row: RepeatableRequest | None = None
        self._transaction = ExitStack()

    def claim(self, request: Request) -> None:
        """Begin the transaction of a request that has a key. Raises `Answered`, `KeyReused`."""
        key = request.headers.get(HEADER, "")
        if not key or request.method in _SAFE:
            return
        if len(key) > MAX_KEY or not key.isprintable():
            raise ValidationError({HEADER: f"at most {MAX_KEY} printable characters"}, code="invalid")
        body = hashlib.sha256(request.body).hexdigest()
        row = RepeatableRequest(
            user_id=int(request.user.pk or 0),
            key=key,
            request=f"{request.method} {request.get_full_path()} {body}"[:4096],
        )
        self._transaction.enter_context(transaction.atomic())
        RepeatableRequest.objects.filter(created_at__lt=timezone.now() - KEPT).delete()
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            before = RepeatableRequest.objects.get(user_id=row.user_id, key=key)
            if before.request != row.request:
                raise KeyReused from None
            headers = before.headers | {"Idempotent-Replayed": "true"}
            raise Answered(Response(before.answer, status=before.status, headers=headers)) from None
        self._row = row

    def keep(self, response: HttpResponseBase) -> None:
        """End the transaction: with the answer, or with nothing when the request was refused."""
        with self._transaction:
            if self._row is None:
                return
            if response.status_code >= 400:
                transaction.set_rollback(True)
                return
            self._row.status = response.status_code
            self._row.answer = getattr(response, "data", None)
            self._row.headers = {name: response[name] for name in _KEPT_HEADERS if name in response}
            self._row.save()

    def give_up(self) -> None:
        """The request ended in a way that nobody foresaw: nothing of it is kept."""
        with self._transaction:
            if self._row is not None:
                transaction.set_rollback(True)
