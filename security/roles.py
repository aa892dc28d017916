"""Who may see and change response policies: analysts and administrators change them, operators and viewers see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig

from zones.roles import ANALYSTS, OPERATORS, VIEWERS, establish_for

_MODELS = ("policy", "rule", "feed", "hitwatch")
_VIEW = tuple(f"view_{model}" for model in _MODELS)
_CHANGE = tuple(f"{verb}_{model}" for model in _MODELS for verb in ("add", "change", "delete"))

ROLES: Mapping[str, tuple[str, ...]] = {
    OPERATORS: _VIEW,
    ANALYSTS: (*_VIEW, *_CHANGE),
    VIEWERS: _VIEW,
}


def establish(sender: AppConfig, **options: Any) -> None:
    """Receiver of `post_migrate` for this app."""
    establish_for(sender, ROLES, using=options.get("using", "default"))
