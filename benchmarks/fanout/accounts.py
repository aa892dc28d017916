"""The people who subscribe: made in the database of a site, with a token each. Run by `fanout_bench.py`.

`python -m benchmarks.fanout.accounts <number>`, with the variables of the site, prints the tokens as a JSON list. The
people belong to five audiences in turn: administrators, operators, viewers (for whom the event is redacted), owners of
the zone that the events are about, and owners of that zone and another.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta

import django

ZONE_KEY = "fanout"
AUDIENCES = ("administrators", "operators", "viewers", "owners", "owners of two")


def main(number: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"
    django.setup()

    from django.contrib.auth.models import Group, User
    from rest_framework_simplejwt.tokens import AccessToken

    from zones.models import SyncState, Zone, ZoneGrant
    from zones.roles import OPERATORS, OWNERS, VIEWERS

    # In bulk, past signals and password hashing: what it costs to make people is not what is measured.
    unusable = User()
    unusable.set_unusable_password()
    users = User.objects.bulk_create(
        User(
            username=f"subscriber{i}",
            password=unusable.password,
            is_superuser=AUDIENCES[i % 5] == "administrators",
        )
        for i in range(number)
    )
    roles = {"operators": OPERATORS, "viewers": VIEWERS, "owners": OWNERS, "owners of two": OWNERS}
    groups = {name: Group.objects.get(name=role) for name, role in roles.items()}
    membership = User.groups.through
    membership.objects.bulk_create(
        membership(user=user, group=groups[AUDIENCES[i % 5]])
        for i, user in enumerate(users)
        if AUDIENCES[i % 5] in groups
    )
    zone, other = Zone.objects.bulk_create(
        Zone(key=key, name=f"{key}.example", sync_state=SyncState.SERVED) for key in (ZONE_KEY, "other")
    )
    granted = {"owners": (zone,), "owners of two": (zone, other)}
    ZoneGrant.objects.bulk_create(
        ZoneGrant(zone=each, user=user) for i, user in enumerate(users) for each in granted.get(AUDIENCES[i % 5], ())
    )
    print(json.dumps([_token(AccessToken.for_user(user)) for user in users]))


def _token(token: object) -> str:
    token.set_exp(lifetime=timedelta(hours=1))  # type: ignore[attr-defined]  # the run may be long
    return str(token)


if __name__ == "__main__":
    main(int(sys.argv[1]))
