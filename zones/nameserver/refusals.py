"""What the server's answers to updates mean, in plain words (RFC 2136, section 2.2; BIND 9.18 as it was tried out)."""

from __future__ import annotations

from collections.abc import Iterable

import dns.rcode

from zones.hostnames import unfit
from zones.nameserver.comparison import RRsetChange
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import NameServerError, NotHosted, Refused
from zones.nameserver.hosting import is_full, zone_status


def refusal(
    endpoint: Endpoint, zone: str, rcode: dns.rcode.Rcode, changes: Iterable[RRsetChange] = ()
) -> NameServerError:
    """What an answer other than NOERROR to an update of `changes` means, in plain words.

    REFUSED and SERVFAIL have many causes and name none; the control channel is asked for the zone's state.
    """
    text = dns.rcode.to_text(rcode)
    if rcode == dns.rcode.NOTAUTH:
        return NotHosted("not_hosted", f"not served: {text}, the name server has no zone {zone}")
    if rcode == dns.rcode.NOTZONE:
        return NameServerError("outside_zone", f"not served: {text}, a name is outside the zone {zone}")
    if rcode not in (dns.rcode.SERVFAIL, dns.rcode.REFUSED):
        return NameServerError("not_understood", f"not served: the name server answered {text}")
    try:
        status = zone_status(endpoint, zone)
    except NotHosted:
        return NotHosted("not_hosted", f"not served: {text}, the name server has no zone {zone}")
    except NameServerError as error:
        return Refused("refused", f"not served: {text}, and the control channel cannot say why ({error})", retry=True)
    if status.kind != "primary":
        return Refused("secondary", f"not served: {text}, the zone is {status.kind} there; change it at its primary")
    if not status.loaded:
        return NotHosted("not_loaded", f"not served: {text}, the name server could not load the file of {zone}")
    if rcode == dns.rcode.SERVFAIL and is_full(endpoint):
        return NameServerError(
            "disk_full",
            f"not served: {text}, the disk with the zone files ({endpoint.zone_dir}) is full. Make room there",
            retry=True,
        )
    if rcode == dns.rcode.SERVFAIL:
        return NameServerError(
            "server_failure",
            f"not served: {text}, the name server had trouble of its own; its log says more",
            retry=True,
        )
    if status.frozen:
        return Refused(
            "frozen", f"not served: {text}, the zone is frozen. Thaw it (rndc thaw {zone}) or retry", retry=True
        )
    if not status.dynamic:
        return Refused("not_dynamic", f"not served: {text}, the zone does not allow updates; it needs an update-policy")
    if name := _no_host(zone, changes):
        return Refused(
            "no_host_name",
            f"not served: {text}, {name} is no host name, and the name server checks the names of this zone. Use another "
            "name, or set “check-names ignore;” for the zone in its configuration",
        )
    return Refused(
        "refused",
        f"not served: {text}, the zone's update-policy or allow-query does not let the key “{endpoint.tsig.name}” in; "
        "the log category update-security says more",
    )


def _no_host(zone: str, changes: Iterable[RRsetChange]) -> str | None:
    """The first name that these changes bring and that a server which checks names does not take."""
    come = ((each.after, content) for each in changes if each.after for content in each.after.rdata)
    return next((bad for rrset, content in come if (bad := unfit(rrset.type, rrset.name, content, zone))), None)
