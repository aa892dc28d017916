"""The page on which people change their own password; it works without scripts."""

from __future__ import annotations

from math import ceil
from typing import Any

from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy

from realtime.sign_in import SignInLimit


class PasswordPage(PasswordChangeView):
    """A wrong old password counts, and is told of, as a failed attempt to sign in: an unlocked screen is no place to guess.

    The new password ends the other sessions of the person and the tokens that were made with the old one.
    """

    template_name = "account/password.html"
    success_url = reverse_lazy("password")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wait_s = ceil(self._limit().wait_s())
        if wait_s <= 0:
            return super().post(request, *args, **kwargs)
        form = PasswordChangeForm(request.user)  # type: ignore[arg-type]  # who is not signed in does not get here
        context = self.get_context_data(form=form, wait_s=wait_s)
        return self.render_to_response(context, status=429, headers={"Retry-After": str(wait_s)})

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        answer = super().form_valid(form)
        messages.success(self.request, "Your password is changed. You are signed out everywhere else.")
        return answer

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        if form.has_error("old_password", "password_incorrect"):
            self._limit().failed()
            user_login_failed.send(
                sender=type(self), credentials={"username": self.request.user.get_username()}, request=self.request
            )
        return super().form_invalid(form)

    def _limit(self) -> SignInLimit:
        return SignInLimit(self.request.META.get("REMOTE_ADDR", ""), self.request.user.get_username())
