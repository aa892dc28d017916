"""`manage.py forwarders`: questions for a domain go to other servers; shown, added, changed, tried and removed."""

from __future__ import annotations

import json
import re
from argparse import BooleanOptionalAction
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.api.forwarder_serializers import ForwarderSerializer
from monitoring.forwarding import changes
from monitoring.forwarding.trial import try_out
from monitoring.models import Forwarder, ForwarderUse, Health, Transport
from realtime.actors import acting
from zones.refusals import InvalidChange

FIELDS = ("comment", "use", "probe_name", "probe_type", "expected", "slow_ms", "only", "enabled")
_TARGET = re.compile(r"(?P<address>[^\s#]+)(?:#(?P<port>\d{1,5}))?(?P<words>(?:\s+\S+)*)\s*")


class Command(BaseCommand):
    help = """Show, add, change, test and remove forwarders. A target is `ADDRESS[#PORT] [udp|tcp|dot] [NAME]`, as on the
    page: NAME is that of its certificate, over TLS. With `change`, targets replace those of before; `.` is everything.

    Exit code 0: done, and the name server has taken it; all is well. 1: kept, but the name server has not taken it; or, with
    `list` and `test`, a forwarder does not work.

    Example: manage.py forwarders add lab.example 192.0.2.1 "192.0.2.2#5353 tcp" --comment "Names of the lab" """

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["list", "add", "change", "test", "remove"], help="what to do")
        parser.add_argument("domain", nargs="?", help="of the forwarder; all of them, with list")
        parser.add_argument("targets", nargs="*", metavar="target", help="servers, in order")
        parser.add_argument("--comment")
        parser.add_argument("--use", choices=ForwarderUse.values, help="the first that works, or all that do")
        parser.add_argument("--probe-name", metavar="NAME", help="what targets are asked for (default: the domain)")
        parser.add_argument("--probe-type", metavar="TYPE", help="and the type (default: SOA)")
        parser.add_argument("--expected", metavar="RECORDS", help="the right answer; without it, answers are compared")
        parser.add_argument("--slow-ms", type=int, metavar="MS", help="from when on a target is slow (default: 300)")
        parser.add_argument("--only", action=BooleanOptionalAction, help="ask nobody else when none answers (default)")
        parser.add_argument("--enabled", action=BooleanOptionalAction, help="switched on (default)")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, action: str, domain: str | None, targets: list[str], **options: Any) -> None:
        self._as_json: bool = options["json"]
        fields = {name: options[name] for name in FIELDS if options[name] is not None}
        if action == "list":
            return self._list(domain)
        if domain is None:
            raise CommandError(f"{action} which forwarder? Name its domain.")
        try:
            with acting(origin="command"):
                match action:
                    case "add":
                        self._said(changes.create({"domain": domain, **fields}, [_target(text) for text in targets]))
                    case "change":
                        given = [_target(text) for text in targets] or None
                        self._said(changes.change(_find(domain), fields, given))
                    case "test":
                        self._test(_find(domain))
                    case "remove":
                        changes.remove(_find(domain))
                        self.stdout.write(json.dumps({"removed": domain}) if self._as_json else f"{domain}: removed")
        except InvalidChange as refused:
            raise CommandError("; ".join(f"{each.field}: {each.message}" for each in refused.problems)) from None

    def _list(self, domain: str | None) -> None:
        found = [_find(domain)] if domain else list(Forwarder.objects.prefetch_related("targets"))
        if self._as_json:
            self.stdout.write(json.dumps(ForwarderSerializer(found, many=True).data, indent=2))
        else:
            for forwarder in found:
                self._show(forwarder)
        if any(forwarder.enabled and (forwarder.state == Health.DOWN or forwarder.apply_error) for forwarder in found):
            raise SystemExit(1)

    def _said(self, forwarder: Forwarder) -> None:
        if self._as_json:
            self.stdout.write(json.dumps(ForwarderSerializer(forwarder).data, indent=2))
        else:
            self._show(forwarder)
        if forwarder.apply_error:
            raise SystemExit(1)

    def _show(self, forwarder: Forwarder) -> None:
        state = forwarder.state if forwarder.enabled else "switched off"
        self.stdout.write(f"{forwarder.domain}: {state}" + (f", {forwarder.reason}" if forwarder.reason else ""))
        for target in forwarder.targets.all():
            use = ", in use" if target.in_use else ""
            self.stdout.write(f"  {target}: {target.state}{use}" + (f", {target.reason}" if target.reason else ""))
        if forwarder.apply_error:
            self.stderr.write(f"{forwarder.domain}: the name server has not taken it: {forwarder.apply_error}")

    def _test(self, forwarder: Forwarder) -> None:
        found = try_out(forwarder)
        if self._as_json:
            self.stdout.write(json.dumps(found, indent=2))
        else:
            for each in found["results"]:
                said = f"{each['rcode']} in {each['latency_ms']} ms" if each["ok"] else each["error"]
                wrong = ", a wrong answer" if each["wrong"] else ""
                self.stdout.write(f"{each['address']}#{each['port']} over {each['transport']}: {said}{wrong}")
        if not found["ok"]:
            raise SystemExit(1)


def _find(domain: str) -> Forwarder:
    plain = domain.strip().lower()
    found = Forwarder.objects.prefetch_related("targets").filter(domain=plain.removesuffix(".") or ".").first()
    if found is None:
        raise CommandError(f"There is no forwarder for {domain}.")
    return found


def _target(text: str) -> dict[str, Any]:
    """A target as people write it; what it may be is decided where it is written down."""
    found = _TARGET.fullmatch(text)
    if found is None:
        raise CommandError(f"{text!r} is no target: ADDRESS[#PORT] [udp|tcp|dot] [NAME]")
    words = found["words"].split()
    transports = [word.lower() for word in words if word.lower() in Transport.values]
    names = [word for word in words if word.lower() not in Transport.values]
    if len(transports) > 1 or len(names) > 1:
        raise CommandError(f"{text!r} is no target: one way to speak to it, and one name")
    return {
        "address": found["address"],
        "port": int(found["port"]) if found["port"] else None,
        "transport": transports[0] if transports else None,
        "tls_name": names[0] if names else "",
    }
