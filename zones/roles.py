"""The roles of the site as Django groups, made when the database is migrated.

A permission is put into a role when the group or the permission is new, never again: what administrators change later
in the groups stays as they left it. Other apps add the permissions of their own models with `establish_for()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig

OPERATORS = "DNS operators"
ANALYSTS = "Security analysts"
VIEWERS = "Viewers"
OWNERS = "Zone owners"

_VIEW = ("view_zone", "view_record", "view_changeset", "view_operation")
_CHANGE = tuple(f"{verb}_{model}" for model in ("zone", "record", "zonegrant") for verb in ("add", "change", "delete"))

ROLES: Mapping[str, tuple[str, ...]] = {
    OPERATORS: (*_VIEW, "view_zonegrant", *_CHANGE),
    ANALYSTS: _VIEW,
    VIEWERS: _VIEW,
    OWNERS: (),  # nothing but their grants
}
"""Role -> code names of this app's permissions."""

REALTIME_ROLES: Mapping[str, tuple[str, ...]] = {
    OPERATORS: ("view_operations", "view_alert", "acknowledge_alert", "view_threat_evidence"),
    ANALYSTS: ("view_alert", "acknowledge_alert", "view_threat_evidence", "view_client_addresses"),
    VIEWERS: ("view_alert",),
    OWNERS: ("acknowledge_alert",),  # of those about their zones, which are all that they see
}
"""Role -> code names of permissions of the event system, which knows no roles. All of an app are given in one place: what
is known already when a second receiver looks counts as given before."""


def establish(sender: AppConfig, **options: Any) -> None:
    """Receiver of `post_migrate` for this app."""
    establish_for(sender, ROLES, using=options.get("using", "default"))


def establish_for_realtime(sender: AppConfig, **options: Any) -> None:
    """Receiver of `post_migrate` for the event system."""
    establish_for(sender, REALTIME_ROLES, using=options.get("using", "default"))


def establish_for(app: AppConfig, roles: Mapping[str, tuple[str, ...]], *, using: str = "default") -> None:
    """Create the groups named in `roles` and put the permissions of `app` (code names) into them, where either is new."""
    from django.contrib.auth.management import create_permissions
    from django.contrib.auth.models import Group, Permission

    known = Permission.objects.using(using).filter(content_type__app_label=app.label)
    before = set(known.values_list("codename", flat=True))
    create_permissions(app, verbosity=0, using=using)  # Django's own receiver may come after this one
    permissions = {permission.codename: permission for permission in known.all()}
    for role, codenames in roles.items():
        group, is_new = Group.objects.using(using).get_or_create(name=role)
        added = [permissions[codename] for codename in codenames if is_new or codename not in before]
        if added:
            group.permissions.add(*added)
