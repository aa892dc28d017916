"""The sign-in page, and what it shares with every page that asks for a password: the limit of failed attempts."""

from __future__ import annotations

from math import ceil
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.views.generic.edit import FormView

from realtime.sign_in import SignInLimit


class AsksForPassword(FormView):
    """A form that is answered 429 while there were too many failed attempts, with an empty form and `wait_s` in its context.

    The limit counts for an address and a name, and is shared by every way in.
    """

    def name(self) -> str:
        """Whose password is asked for."""
        raise NotImplementedError

    def limit(self) -> SignInLimit:
        return SignInLimit(self.request.META.get("REMOTE_ADDR", ""), self.name())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wait_s = ceil(self.limit().wait_s())
        if wait_s <= 0:
            return super().post(request, *args, **kwargs)
        unfilled = {key: value for key, value in self.get_form_kwargs().items() if key not in ("data", "files")}
        context = self.get_context_data(form=self.get_form_class()(**unfilled), wait_s=wait_s)
        return self.render_to_response(context, status=429, headers={"Retry-After": str(wait_s)})


class SignIn(AsksForPassword, LoginView):
    """The sign-in page; it works without scripts."""

    redirect_authenticated_user = True

    def name(self) -> str:
        return str(self.request.POST.get("username", ""))[:150]

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        self.limit().succeeded()
        return super().form_valid(form)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        self.limit().failed()
        return super().form_invalid(form)
