"""The real catalogue: every declaration of the installed apps is sound."""

from __future__ import annotations

import re

import msgspec
import pytest
from django.contrib.auth.models import Permission

from realtime.events import EventPriority
from realtime.registry import ADMINISTRATORS, EventSpec, registry
from tests.realtime.catalogue import leads_somewhere


def each_spec() -> list[EventSpec]:
    return list(registry)  # type: ignore[call-overload]


def test_every_masked_path_names_a_field_of_the_payload() -> None:
    """A path that misses masks nothing."""
    missing = [
        (spec.event_type, path)
        for spec in each_spec()
        for path in spec.sensitive
        if not leads_somewhere(msgspec.inspect.type_info(spec.payload), re.sub(r"\[\w+=\w+\]", "", path).split("."))
    ]
    assert missing == []


@pytest.mark.django_db
def test_every_permission_that_decides_exists() -> None:
    """A permission that is misspelt is held by administrators only, and nobody notices."""
    existing = {f"{app}.{name}" for app, name in Permission.objects.values_list("content_type__app_label", "codename")}
    asked = {s.permission for s in each_spec()} | {p for s in each_spec() for p in s.sensitive.values()}
    assert asked - {None, ADMINISTRATORS} <= existing


def test_every_scope_has_a_resolver() -> None:
    assert {spec.scope for spec in each_spec() if spec.scope} <= set(registry.scopes())


def test_only_durable_events_are_critical() -> None:
    """A flow event has no position: it cannot be resumed, so it may be lost."""
    assert [s.event_type for s in each_spec() if not s.durable and s.priority is EventPriority.CRITICAL] == []


def test_no_payload_carries_a_secret() -> None:
    words = ("password", "secret", "token", "api_key", "tsig", "rndc")
    named = [
        (spec.event_type, field.name)
        for spec in each_spec()
        for field in msgspec.structs.fields(spec.payload)
        if any(word in field.name for word in words)
    ]
    assert named == []
