"""The page on which people change their own password; it works without scripts."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.signals import user_login_failed
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpResponse
from django.urls import reverse_lazy

from dnsadmin.sign_in_page import AsksForPassword


class PasswordPage(AsksForPassword, PasswordChangeView):
    """A wrong old password counts, and is told of, as a failed attempt to sign in: an unlocked screen is no place to guess.

    The new password ends the other sessions of the person and the tokens that were made with the old one.
    """

    template_name = "account/password.html"
    success_url = reverse_lazy("password")

    def name(self) -> str:
        return str(self.request.user.get_username())

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        answer = super().form_valid(form)
        messages.success(self.request, "Your password is changed. You are signed out everywhere else.")
        return answer

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        if form.has_error("old_password", "password_incorrect"):
            self.limit().failed()
            user_login_failed.send(sender=type(self), credentials={"username": self.name()}, request=self.request)
        return super().form_invalid(form)
