"""`manage.py seed_demo`: people and zones to try the site with. Names and addresses are those reserved for examples."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from dnsadmin.demo_alerts import make_alerts
from dnsadmin.management.commands.serve import is_loopback
from monitoring.demo import make_forwarders
from realtime.actors import acting
from security.feeds.registry import create_feed, update_feed
from security.models import Feed, Policy, Rule
from security.rules import create_policy, create_rule
from zones import grants, roles
from zones.lifecycle import create_zone
from zones.models import Zone
from zones.rdata import canonical
from zones.rrsets import RR, RRset, group


class Person(NamedTuple):
    """Somebody of the demo: a role, and a zone of their own."""

    username: str
    role: str | None
    zone: str | None = None


PEOPLE = (
    Person("admin", None),
    Person("olivia", roles.OPERATORS),
    Person("sam", roles.ANALYSTS),
    Person("vera", roles.VIEWERS),
    Person("zoe", roles.OWNERS, zone="team.example"),
)

SERVERS = """
@ 3600 SOA ns1.example.com. hostmaster.example.com. 0 10800 3600 604800 600
@ 3600 NS ns1.example.com.
@ 3600 NS ns2.example.com.
"""
"""What every zone of the demo begins with."""

# Zone name -> comment and records (RFC 2606, RFC 5737, RFC 3849: reserved for examples).
ZONES: dict[str, tuple[str, str]] = {
    "example.com": (
        "The main domain",
        SERVERS
        + """
ns1 3600 A 192.0.2.53
ns1 3600 AAAA 2001:db8::53
ns2 3600 A 198.51.100.53
@ 300 A 192.0.2.80
@ 300 AAAA 2001:db8::80
@ 3600 MX 10 mail
@ 3600 MX 20 backup-mail
@ 3600 TXT "v=spf1 mx -all"
@ 3600 CAA 0 issue "ca.example.net"
@ 300 HTTPS 1 . alpn=h2,h3
_dmarc 3600 TXT "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.com"
www 300 CNAME @
mail 3600 A 192.0.2.25
mail 3600 AAAA 2001:db8::25
backup-mail 3600 A 198.51.100.25
api 60 A 192.0.2.81
api 60 A 192.0.2.82
api 60 A 192.0.2.83
status 300 CNAME status.example.net.
vpn 300 A 203.0.113.10
git 300 A 192.0.2.90
git 3600 SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
_sip._tcp 3600 SRV 10 60 5060 sip
sip 3600 A 192.0.2.60
_443._tcp.www 3600 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
dev 300 NS ns.dev
ns.dev 300 A 192.0.2.130
*.preview 60 A 192.0.2.84
""",
    ),
    "example.net": (
        "Services for others",
        SERVERS
        + """
@ 300 A 198.51.100.80
www 300 CNAME @
status 60 A 198.51.100.81
status 60 AAAA 2001:db8:1::81
ca 3600 A 198.51.100.82
@ 3600 MX 10 mail.example.com.
@ 3600 TXT "v=spf1 include:example.com -all"
""",
    ),
    "example.org": (
        "The foundation's site",
        SERVERS
        + """
@ 300 A 203.0.113.80
www 300 CNAME @
xn--mnchen-3ya 300 CNAME www
@ 3600 MX 10 mail.example.com.
@ 3600 TXT "v=spf1 include:example.com -all"
""",
    ),
    "team.example": (
        "Zoe's own zone",
        SERVERS
        + """
@ 300 A 192.0.2.100
www 300 CNAME @
wiki 300 A 192.0.2.101
build 300 A 192.0.2.102
build 300 AAAA 2001:db8:2::102
""",
    ),
    "2.0.192.in-addr.arpa": (
        "Reverse names of 192.0.2.0/24",
        SERVERS
        + """
25 3600 PTR mail.example.com.
53 3600 PTR ns1.example.com.
60 3600 PTR sip.example.com.
80 3600 PTR www.example.com.
90 3600 PTR git.example.com.
100 3600 PTR www.team.example.
""",
    ),
}


class DemoRule(NamedTuple):
    """A rule of the demo's policies."""

    policy: str
    trigger: str
    action: str
    comment: str
    trigger_type: str = "qname"
    target: str = ""
    category: str = ""
    trial: bool = False


POLICIES = {
    "Allow list": "What must stay reachable, whatever a feed says.",
    "House rules": "What people block here by hand.",
}

RULES = (
    DemoRule("Allow list", "updates.vendor.example", "passthru", "Needed by the build machines"),
    DemoRule("House rules", "malware.test", "nxdomain", "The example that is always blocked", category="malware"),
    DemoRule("House rules", "*.malware.test", "nxdomain", "And all below it", category="malware"),
    DemoRule("House rules", "phish.test", "redirect", "Shows why", target="www.example.com", category="phishing"),
    DemoRule("House rules", "tracker.test", "nodata", "Quiet", category="tracking"),
    DemoRule("House rules", "203.0.113.66", "nxdomain", "A known sink", trigger_type="response_ip", category="malware"),
    DemoRule("House rules", "*.games.test", "nxdomain", "Would anybody miss them?", category="leisure", trial=True),
)


FEED = "Example feed"
FEED_PATH = "demo/blocked-names.txt"
"""A list that the site serves itself, so that the demo has a feed without asking anybody."""


def feed_url() -> str:
    """Where the site that is about to start serves the list of the demo's feed."""
    return f"http://127.0.0.1:{settings.SITE.port}{settings.STATIC_URL}{FEED_PATH}"


class Command(BaseCommand):
    help = """Make the demo's accounts (admin, olivia, sam, vera, zoe), zones and policies, as far as they are missing.

    The accounts share DNSADMIN_ADMIN_PASSWORD; when it is unset, a random one is made and printed once.

    Example: DNSADMIN_ADMIN_PASSWORD=… manage.py seed_demo"""

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_loopback(settings.SITE.bind):
            raise CommandError(f"The demo has well-known accounts: not on {settings.SITE.bind}, on loopback only.")
        first = not Zone.objects.exists()
        with transaction.atomic():
            admin = self._people()
            with acting(admin, origin="command"):
                if first:
                    make_forwarders()
                for name, (comment, text) in ZONES.items():
                    if not Zone.objects.filter(name=name).exists():  # one that was deleted stays so
                        create_zone(name, comment=comment, rrsets=rrsets(name, text))
                self._policies()
                for feed in Feed.objects.filter(url__endswith=FEED_PATH).exclude(url=feed_url()):
                    update_feed(feed.pk, url=feed_url())  # the site has moved to another port
                for person in PEOPLE:
                    for zone in Zone.objects.living().filter(name=person.zone):
                        user = User.objects.get(username=person.username)
                        if not zone.grants.filter(user=user).exists():
                            grants.give(zone, level="edit", user=user)
                if first:
                    make_alerts()

    def _policies(self) -> None:
        """The policies with their rules, unless somebody has made or deleted some since."""
        if Policy.objects.exists() or Rule.objects.exists():
            return
        made = {name: create_policy(name, comment=comment) for name, comment in POLICIES.items()}
        for rule in RULES:
            create_rule(confirm=True, **{**rule._asdict(), "policy": made[rule.policy]})
        create_feed(
            FEED,
            url=feed_url(),
            comment="Names of advertisers who do not exist.",
            category="advertising",
            confidence=80,
            reference="Made for this demo",
            allow_private=True,
        )

    def _people(self) -> User:
        """Make who is missing, and give everyone the password of the settings where that has changed."""
        chosen = settings.SITE.admin_password
        password = chosen or secrets.token_urlsafe(12)
        made = []
        for person in PEOPLE:
            user = User.objects.filter(username=person.username).first()
            if user is None:
                is_admin = person.role is None
                user = User.objects.create_user(
                    person.username, password=password, is_superuser=is_admin, is_staff=is_admin
                )
                user.groups.set(Group.objects.filter(name=person.role))
                made.append(person.username)
            elif chosen and not user.check_password(chosen):
                user.set_password(chosen)
                user.save()
        if made:
            self.stdout.write(f"Demo accounts: {', '.join(made)}.")
            self.stdout.write(
                "Their password is that of DNSADMIN_ADMIN_PASSWORD."
                if chosen
                else f"Their password (shown only now): {password}"
            )
        return User.objects.get(username="admin")


def rrsets(zone: str, text: str) -> list[RRset]:
    """The RRsets of the lines `name ttl type content`, with names relative to `zone`."""
    records = []
    for line in filter(None, text.splitlines()):
        name, ttl, kind, content = line.split(" ", 3)
        records.append(RR(name, kind, int(ttl), canonical(kind, content, zone)))
    return group(records)
