"""The name server is given what forwarders want: conditional ones as forward zones, the one for everything as an option."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import QuerySet

from monitoring.models import Forwarder, ForwarderTarget, ForwarderUse, Health, Transport
from zones import forwarding
from zones.nameserver import control
from zones.nameserver.endpoint import Endpoint, endpoint
from zones.nameserver.errors import NameServerError
from zones.nameserver.forwarding import Forwarding
from zones.nameserver.includes import HEADING, include_file, replace
from zones.nameserver.peers import Peer, peer
from zones.nameserver.private import FORWARD_OPTIONS, FORWARD_ZONES
from zones.nameserver.rndc import Rndc

EVERYTHING = "."


def chosen(forwarder: Forwarder, targets: Sequence[ForwarderTarget]) -> list[ForwarderTarget]:
    """The targets that the name server shall be given, in order: those that work, or all when none does.

    BIND 9.18 cannot forward over TLS, so targets for that are watched only.
    """
    usable = [target for target in targets if target.transport != Transport.DOT]
    for states in ((Health.UP, Health.UNKNOWN), (Health.DEGRADED,)):
        if working := [target for target in usable if target.state in states]:
            break
    else:
        return usable
    if forwarder.use == ForwarderUse.FAIL_OVER:
        return working[:1]
    return [target for target in usable if target.state != Health.DOWN]


@forwarding.source
def conditional() -> Iterable[Forwarding]:
    """The enabled forwarders of single domains."""
    for forwarder in _enabled().exclude(domain=EVERYTHING):
        if servers := _servers(forwarder):
            yield Forwarding(zone=forwarder.domain, servers=servers, only=forwarder.only)


def apply() -> bool:
    """Bring all forwarders to the name server. Returns whether anything changed there. Raises `NameServerError`; then the
    server does what it did before."""
    where = endpoint()
    unsure = Forwarder.objects.filter(enabled=True).exclude(apply_error="").exists()
    changed = forwarding.apply_all(where)
    if replace(where, FORWARD_OPTIONS, options(), within="options { {} };"):
        Rndc(where).call("flush")
        changed = True
    if changed or unsure:
        _check_included(where)
    return changed


def options() -> str:
    """What stands in the options to forward everything else; nothing without such a forwarder."""
    forwarder = _enabled().filter(domain=EVERYTHING).first()
    servers = _servers(forwarder) if forwarder else ()
    if forwarder is None or not servers:
        return HEADING
    addresses = " ".join(server.clause() for server in servers)
    return f"{HEADING}forwarders {{ {addresses} }};\nforward {'only' if forwarder.only else 'first'};\n"


def apply_and_note() -> str:
    """Apply, and write down at the enabled forwarders why it did not succeed, or that it did. Returns the reason."""
    try:
        apply()
        error = ""
    except NameServerError as failed:
        error = failed.message
    Forwarder.objects.filter(enabled=True).exclude(apply_error=error).update(apply_error=error)
    return error


def _check_included(where: Endpoint) -> None:
    """Whether a server that is not ours reads what we write; its `named.conf` has to say so, and often cannot be looked at
    from here. Raises `NameServerError` (`not_included`) with the lines to add."""
    running = None if where.private else control.configuration(where)
    if running is None:
        return
    domains = [forwarder.domain for forwarder in _enabled() if _servers(forwarder)]
    missing = [
        f'in options: include "{include_file(where, FORWARD_OPTIONS)}";'
        if domain == EVERYTHING
        else f'include "{include_file(where, FORWARD_ZONES)}";'
        for domain in domains
        if ("options.forwarders" if domain == EVERYTHING else f'zone "{domain}"') not in running
    ]
    if missing:
        lines = " and ".join(dict.fromkeys(missing))
        raise NameServerError("not_included", f"its named.conf does not read what the site writes; add {lines}")


def _enabled() -> QuerySet[Forwarder]:
    return Forwarder.objects.filter(enabled=True).prefetch_related("targets").order_by("domain")


def _servers(forwarder: Forwarder) -> tuple[Peer, ...]:
    servers = [peer(target.address, target.port) for target in chosen(forwarder, list(forwarder.targets.all()))]
    return tuple(dict.fromkeys(servers))
