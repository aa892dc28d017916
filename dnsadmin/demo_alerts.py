"""The alerts of the demo: one that waits for somebody, one that somebody has taken on, and what happens when nobody does."""

from __future__ import annotations

from django.contrib.auth.models import Group, User

from realtime import alerts
from realtime.actors import acting
from realtime.events import EventSeverity, EventType
from realtime.notification_models import EscalationStep, NotificationChannel
from zones import roles
from zones.models import Zone


def make_alerts() -> None:
    """Once, with the demo's people and zones there."""
    duty = NotificationChannel.objects.create(
        name="Duty", kind=NotificationChannel.Kind.EMAIL, target="duty@example.com", events=""
    )
    EscalationStep.objects.filter(number=1).update(group=Group.objects.get(name=roles.ANALYSTS))
    EscalationStep.objects.create(number=2, after_s=900, group=Group.objects.get(name=roles.OPERATORS), channel=duty)
    with acting(origin="system"):
        alerts.raise_alert(
            key="demo:tunnel",
            event_type=EventType.SECURITY_ALERT,
            severity=EventSeverity.ERROR,
            title="Queries below example.org look like a tunnel",
            detail="An example of the demo. 214 different names of 52 characters with 4.1 bits each.\n"
            "Data may leave the network in them. Look at the client, then block the domain by a rule.",
            evidence={
                "domain": "example.org",
                "clients": ["192.0.2.77 (214)"],
                "types": ["TXT (214)"],
                "different_names": 214,
                "characters_on_average": 52,
                "bits_per_character": 4.1,
                "confidence": 80,
            },
            client="192.0.2.77",
        )
        zone = Zone.objects.living().filter(name="team.example").first()
        known = alerts.raise_alert(
            key="demo:secondary",
            event_type=EventType.HEALTH_ALERT,
            severity=EventSeverity.WARNING,
            title="ns2.example.com is behind with team.example",
            detail="An example of the demo. It serves an older serial for twenty minutes now; answers may differ.",
            evidence={"server": "198.51.100.53", "behind_minutes": 20},
            scope=zone.key if zone else None,
            zone=zone.name if zone else None,
        )
    with acting(User.objects.get(username="olivia"), origin="page"):
        alerts.acknowledge(known, "The machine is being moved today; it will catch up by itself.")
