"""The page of one's personal tokens, which works without scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from dnsadmin import access_tokens

LIFETIMES = (("7", "a week"), ("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "no end"))


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def tokens_page(request: HttpRequest) -> HttpResponse:
    """GET lists them; POST makes one and shows its text, this once."""
    made, text, problem = None, "", ""
    if request.method == "POST" and request.POST.get("after", _newest(request.user)) != _newest(request.user):
        problem = "a token was made since this form was shown; if that was you, it is in the list"
    elif request.method == "POST":
        days = request.POST.get("days", "")
        ends = timezone.now() + timedelta(days=int(days)) if days in dict(LIFETIMES) and days else None
        try:
            made, text = access_tokens.make(
                request.user, request.POST.get("name", ""), request.POST.getlist("scopes"), ends
            )
        except ValueError as error:
            problem = str(error)
    context = {
        "tokens": [{"row": token, "scopes": token.scopes.split()} for token in access_tokens.of(request.user)],
        "newest": _newest(request.user),
        "made": made,
        "text": text,
        "problem": problem,
        "typed": request.POST if problem else {},
        "chosen": request.POST.getlist("scopes") if problem else ["read"],
        "scopes": access_tokens.SCOPES,
        "lifetimes": LIFETIMES,
    }
    return render(request, "account/tokens.html", context, status=400 if problem else 200)


def _newest(user: Any) -> str:
    """The last token that somebody made: what tells a form that is sent again, by a reload or a second click."""
    return str(user.api_tokens.aggregate(Max("pk"))["pk__max"] or 0)


@login_required
@require_POST
def end_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """End one of one's tokens."""
    token = get_object_or_404(access_tokens.of(request.user), pk=token_id)
    access_tokens.revoke(token)
    messages.success(request, f"The token “{token.name}” opens nothing any more.")
    return redirect("tokens")
