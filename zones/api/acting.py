"""What every view of the API shares: who acts, and how large a request may be."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NoReturn

from django.conf import settings
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from realtime.actors import acting, current_actor
from zones.api.repeating import Answered, Repeatable


class TooLarge(APIException):
    status_code = 413
    default_detail = "The request is too large."
    default_code = "too_large"


class ActingView(APIView):
    """Runs the request on behalf of whoever the token or the session names, so that history and events say so.

    The middleware cannot do it: who a token belongs to is known only when the framework has read it.
    """

    most_bytes: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 2_621_440

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        self._acting = ExitStack()
        self._repeatable = Repeatable()
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdecimal() and int(length) > self.most_bytes:
            raise TooLarge
        actor = acting(
            request.user,
            # The pages write through the API, too; a session is how one knows them.
            origin="page" if isinstance(request.successful_authenticator, SessionAuthentication) else "api",
            address=request.META.get("REMOTE_ADDR"),
            trace_id=current_actor().trace_id or None,
        )
        self._acting.enter_context(actor)
        self._repeatable.claim(request)

    def handle_exception(self, exc: Exception) -> Response:
        return exc.answer if isinstance(exc, Answered) else super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        self._repeatable.keep(response)
        self._acting.close()
        return super().finalize_response(request, response, *args, **kwargs)

    def raise_uncaught_exception(self, exc: Exception) -> NoReturn:
        self._repeatable.give_up()
        self._acting.close()
        raise exc
