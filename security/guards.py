"""What a rule must not do unasked: take away our own names, a whole top-level domain, or everything.

One wrong line in a policy takes more people off the net than most attacks. Such a rule is made only by somebody who has read
what it would do and said so; lines of a feed that would do it are left out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from security.triggers import Action, TriggerType, covers
from zones.models import Zone
from zones.refusals import ChangeError

SPECIAL = ("localhost", "in-addr.arpa", "ip6.arpa", "arpa")
"""Names that resolvers, and the programs that ask them, depend on."""

WIDEST_CLIENTS = {4: 8, 6: 32}
"""A shorter prefix of client addresses is a large part of all clients there are."""


class NeedsConfirmation(ChangeError):
    """The change was not made, because of what it would do. reasons: sentences. Asked again with `confirm` it is made."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = list(reasons)
        super().__init__("; ".join(self.reasons))


def dangers(kind: str, trigger: str, action: str) -> list[str]:
    """Why somebody should think twice about a rule; empty for ordinary ones. Letting through is always ordinary."""
    if action == Action.PASSTHRU:
        return []
    if kind == TriggerType.QNAME:
        return name_dangers(trigger, own_names())
    if kind == TriggerType.NSDNAME:
        bare = trigger.removeprefix("*.")
        return [f"{trigger} covers the name servers of a whole top-level domain"] if "." not in bare else []
    network = ipaddress.ip_network(trigger)
    if network.prefixlen < WIDEST_CLIENTS[network.version]:
        return [f"{trigger} is a large part of all addresses there are"]
    return []


def name_dangers(trigger: str, own: Iterable[str]) -> list[str]:
    """The same for a name, as it is stored. own: the zones that this site serves."""
    if trigger == "*":
        return ["* is every name there is: nobody could resolve anything"]
    bare = trigger.removeprefix("*.")
    reasons = []
    if any(bare == special or (trigger != bare and special.endswith(f".{bare}")) for special in SPECIAL):
        reasons.append(f"{trigger} is a name that resolvers themselves depend on")
    elif "." not in bare:
        reasons.append(f"{trigger} is {'all of ' if trigger != bare else ''}a top-level domain")
    reasons += [
        f"{trigger} covers the zone {zone}, which is served here"
        for zone in own
        if covers(TriggerType.QNAME, trigger, zone) or trigger == f"*.{zone}"
    ][:3]
    return reasons


def hosted_hints(kind: str, trigger: str, action: str) -> list[str]:
    """What is worth a remark, and no question: the rule is about a single name of a zone of ours."""
    if kind != TriggerType.QNAME or action == Action.PASSTHRU:
        return []
    bare = trigger.removeprefix("*.")
    inside = next((zone for zone in own_names() if bare.endswith(f".{zone}")), None)
    return (
        [f"{trigger} is in the zone {inside}, which is served here: the rule comes before its records"]
        if inside
        else []
    )


def own_names() -> list[str]:
    """The names of the zones that are served here."""
    return list(Zone.objects.living().values_list("name", flat=True))
