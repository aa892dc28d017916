"""Errors of the API as problem documents (RFC 9457): `type`, `title`, `status`, `detail`, `code`, and more by code.

`errors` has the messages by field (`""`: the whole); `problems` the same one by one, with the index of the change.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import OperationalError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import set_rollback
from rest_framework_simplejwt.exceptions import InvalidToken

from security.guards import NeedsConfirmation
from zones.changes import Conflict, InvalidChange, Outdated, StaleVersion, UnknownRecord
from zones.importing import ZoneDiffers
from zones.nameserver.errors import NameServerError
from zones.operations import Cancelled
from zones.zonefile.problems import ZoneFileError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an exception of a view; `None` for what nobody foresaw, which becomes a 500 and is logged."""
    found = _found(error)
    if found is None:
        return None
    set_rollback()
    headers = {}
    if isinstance(error, exceptions.APIException):
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
        if wait_s := getattr(error, "wait", None):
            headers["Retry-After"] = str(math.ceil(wait_s))
    request = context["request"]  # may have asked for a zone file, a table, or a page: problems are JSON all the same
    request.accepted_renderer, request.accepted_media_type = JSONRenderer(), MEDIA_TYPE
    return Response(document(**found), status=found["status"], headers=headers, content_type=MEDIA_TYPE)


def answer(status: int, code: str, detail: str, *, headers: dict[str, str] | None = None) -> JsonResponse:
    """A problem document as the answer of what is no view of the API."""
    return JsonResponse(document(status, code, detail), status=status, headers=headers, content_type=MEDIA_TYPE)


def document(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """A problem document."""
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code} | more


def _found(error: Exception) -> dict[str, Any] | None:
    match error:
        case InvalidChange():
            problems = [_problem(each.field, each.message, each.code, each.index) for each in error.problems]
            warnings = [_problem(each.field, each.message, each.code, each.index) for each in error.warnings]
            return _invalid(problems) | {"warnings": warnings}
        case StaleVersion():
            gone = error.current is None
            detail = f"Not saved, because {error} . Nothing was lost: see current and sent.".replace(" .", ".")
            return {
                "status": 409,
                "code": "gone" if gone else "stale_version",
                "detail": detail,
                "current": error.current,
                "sent": error.sent,
                "index": error.index,
            }
        case Outdated():
            detail = f"Nothing was changed, because {error}."
            return {"status": 409, "code": "outdated", "detail": detail, "zone": error.zone}
        case UnknownRecord():
            detail = f"Nothing was changed, because {error}."
            return {"status": 404, "code": "not_found", "detail": detail, "index": error.index}
        case Conflict():
            detail = f"Not taken back, because {error}."
            return {"status": 409, "code": "conflict", "detail": detail, "conflicts": error.conflicts}
        case NeedsConfirmation():
            detail = f"Not done, because it needs to be confirmed: {error}."
            return {"status": 409, "code": "needs_confirmation", "detail": detail, "reasons": error.reasons}
        case ZoneFileError():
            lines = [{"line": each.line, "message": each.reason} for each in error.problems]
            return {
                "status": 400,
                "code": "invalid_zone_file",
                "detail": f"The zone file was refused: {error}",
                "errors": {"": [str(each) for each in error.problems]},
                "problems": lines,
            }
        case ZoneDiffers():
            shown = error.difference.shown()
            return {"status": 409, "code": "zone_differs", "detail": str(error), "difference": shown}
        case Cancelled():
            return {"status": 409, "code": "cancelled", "detail": "It was cancelled. Nothing of it was kept."}
        case NameServerError():
            return {"status": 503 if error.retry else 502, "code": error.code, "detail": error.message}
        case Http404() | ObjectDoesNotExist():
            return {"status": 404, "code": "not_found", "detail": "There is nothing here, or you may not see it."}
        case PermissionDenied():
            return {"status": 403, "code": "permission_denied", "detail": str(error) or "You may not do this."}
        case OperationalError():
            logger.error("the database cannot be used: %s", error)
            detail = (
                "The database cannot be used now, so nothing was saved. Try again soon; the site's health says why."
            )
            return {"status": 503, "code": "database_unavailable", "detail": detail}
        case RecursionError():
            return {"status": 400, "code": "parse_error", "detail": "The JSON is nested too deeply."}
        case exceptions.ValidationError():
            return _invalid(list(_flat(error.get_full_details())))
        case InvalidToken():
            detail = (
                "The token is not valid, or its time is over: sign in anew by POST /api/token/, or make a personal token"
                " on the page /accounts/tokens/."
            )
            return {"status": 401, "code": "token_not_valid", "detail": detail}
        case exceptions.APIException():
            said: Any = error.detail
            text = said.get("detail", said) if isinstance(said, dict) else said
            code = text.code if isinstance(text, exceptions.ErrorDetail) else error.default_code
            return {"status": error.status_code, "code": str(code), "detail": str(text)}
    return None


def _invalid(problems: Sequence[dict[str, Any]]) -> dict[str, Any]:
    errors: dict[str, list[str]] = {}
    for problem in problems:
        of_field = errors.setdefault(problem["field"], [])
        if problem["message"] not in of_field:
            of_field.append(problem["message"])
    said = list(dict.fromkeys(problem["message"] for problem in problems))
    detail = "; ".join(said[:3]) + (" …" if len(said) > 3 else "")
    return {"status": 400, "code": "invalid", "detail": detail, "errors": errors, "problems": list(problems)}


def _problem(field: str, message: str, code: str, index: int | None) -> dict[str, Any]:
    return {"field": field, "message": message, "code": code} | ({} if index is None else {"index": index})


def _flat(details: Any, field: str = "", index: int | None = None) -> Iterator[dict[str, Any]]:
    """The single messages in what a serializer found, however deep; a place in a list becomes the index."""
    if isinstance(details, dict) and details.keys() == {"message", "code"}:
        yield _problem(field, str(details["message"]), str(details["code"]), index)
    elif isinstance(details, dict):
        for key, value in details.items():
            same = key == "non_field_errors" or (isinstance(key, int) and field)  # of an item of the field's list
            yield from _flat(value, field if same else str(key), key if isinstance(key, int) else index)
    elif isinstance(details, list):
        for place, value in enumerate(details):
            message = isinstance(value, dict) and value.keys() == {"message", "code"}
            yield from _flat(value, field, index if message else place)
