"""Whether the site and its name server can work together, tried for real, and what to add to `named.conf` where not."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import dns.name
import dns.rdatatype
import msgspec
from django.conf import settings

from zones.nameserver.comparison import RRsetChange
from zones.nameserver.endpoint import Endpoint, endpoint
from zones.nameserver.errors import KeyRefused, NameServerError, Unreachable
from zones.nameserver.exchange import Exchange
from zones.nameserver.hosting import add_zone, delete_zone
from zones.nameserver.rndc import Rndc
from zones.nameserver.statistics import fetch
from zones.nameserver.transfer import transfer
from zones.nameserver.updates import update
from zones.rrsets import RRset

OLDEST = (9, 18)

_PROBE_TEXT = "@ 60 SOA localhost. root.localhost. 1 60 60 60 60\n@ 60 NS localhost.\n"
_VERSION = re.compile(r"BIND (\d+)\.(\d+)\.(\d+)")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. ok: `None` when it could not be tried because something before it failed, or is not
    needed. remedy: what to do, with the lines for `named.conf` as they are to be written; never with a secret."""

    code: str
    title: str
    ok: bool | None
    detail: str = ""
    remedy: str = ""


def diagnose() -> list[Finding]:
    """Try everything that the site needs of its name server. Puts a zone `dnsadmin-check-….invalid` there for a moment."""
    try:
        where = endpoint()
    except NameServerError as error:
        return [Finding(code="settings", title="Settings and keys", ok=False, detail=str(error), remedy=_SETTINGS)]
    found = [Finding(code="settings", title="Settings and keys", ok=True, detail=f"the name server is {where}")]
    found += _port_and_tsig(where)
    found.append(_control_channel(where))
    found.append(_zone_directory(where))
    found += _probe(where) if all(finding.ok for finding in found) else _untried()
    found.append(_statistics(where))
    found.append(_logs(where))
    return [_without_remedy(finding) for finding in found] if where.private else found


def _without_remedy(finding: Finding) -> Finding:
    """The private server's configuration is written by the site: there is nothing to add to it."""
    remedy = "It runs as long as `manage.py serve` does; its log is log/named.log in its directory."
    return msgspec.structs.replace(finding, remedy=remedy if finding.ok is False else "")


def _port_and_tsig(where: Endpoint) -> Iterator[Finding]:
    port = Finding(code="port", title="DNS port", ok=True, detail=f"{where} answers over TCP")
    tsig = Finding(code="tsig", title="TSIG key", ok=True, detail=f"“{where.tsig.name}” is accepted")
    try:
        with Exchange(where, timeout_s=5) as exchange:
            exchange.lookup(dns.name.root, dns.rdatatype.SOA)
    except Unreachable as error:
        port = msgspec.structs.replace(
            port,
            ok=False,
            detail=str(error),
            remedy=f"options {{ listen-on port {where.port} {{ {where.host}; }}; }};",
        )
        tsig = msgspec.structs.replace(tsig, ok=None, detail="")
    except KeyRefused as error:
        remedy = _include(settings.NAMED.tsig_key_file, where.tsig.name)
        tsig = msgspec.structs.replace(tsig, ok=False, detail=str(error), remedy=remedy)
    except NameServerError as error:
        tsig = msgspec.structs.replace(tsig, ok=False, detail=str(error))
    yield port
    yield tsig


def _control_channel(where: Endpoint) -> Finding:
    title = "Control channel (rndc)"
    try:
        status = Rndc(where).call("status")
    except NameServerError as error:
        remedy = (
            f"{_include(settings.NAMED.rndc_key_file, where.rndc_key.name)}\n"
            f"controls {{ inet {where.rndc_host} port {where.rndc_port} "
            f'allow {{ {_client_of(where.rndc_host)}; }} keys {{ "{where.rndc_key.name}"; }}; }};'
        )
        return Finding(code="rndc", title=title, ok=False, detail=str(error), remedy=remedy)
    version = _VERSION.search(status)
    text = version[0] if version else "a version that does not say its number"
    if version is not None and (int(version[1]), int(version[2])) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return Finding(code="rndc", title=title, ok=False, detail=f"it is {text}", remedy=f"BIND {wanted} or later")
    return Finding(code="rndc", title=title, ok=True, detail=f"{where.rndc_host} port {where.rndc_port}, {text}")


def _zone_directory(where: Endpoint) -> Finding:
    title = "Zone directory, for the site"
    file = where.zone_dir / f"dnsadmin-check-{secrets.token_hex(4)}.tmp"
    try:
        file.write_text("")
        file.unlink()
    except OSError as error:
        return Finding(
            code="zone_dir",
            title=title,
            ok=False,
            detail=f"cannot be written: {error}",
            remedy=f"install -d -o bind -g {_group()} -m 2775 {where.zone_dir}",
        )
    return Finding(code="zone_dir", title=title, ok=True, detail=str(where.zone_dir))


def _probe(where: Endpoint) -> Iterator[Finding]:
    """A zone comes, is changed, is transferred, and goes: as every zone of the site does."""
    zone = f"dnsadmin-check-{secrets.token_hex(4)}.invalid"
    steps = _untried()
    done = 0
    try:
        add_zone(where, zone, _PROBE_TEXT)
        done = 1
        update(where, zone, [RRsetChange("probe", "TXT", None, RRset("probe", "TXT", 60, ('"probe"',)))], timeout_s=5)
        done = 2
        transfer(where, zone)
        done = 3
    except NameServerError as error:
        failed = msgspec.structs.replace(steps[done], ok=False, detail=str(error), remedy=_remedy(where, done, error))
        steps[done] = failed
    finally:
        try:
            delete_zone(where, zone)
        except NameServerError as error:
            steps.append(Finding(code="cleanup", title=f"Removing {zone}", ok=False, detail=str(error)))
    for step in steps[:done]:
        yield msgspec.structs.replace(step, ok=True)
    yield from steps[done:]


def _untried() -> list[Finding]:
    return [
        Finding(code="new_zones", title="Taking a new zone", ok=None),
        Finding(code="updates", title="Carrying out an update, and keeping its journal", ok=None),
        Finding(code="transfers", title="Transferring a zone to the site", ok=None),
    ]


def _remedy(where: Endpoint, step: int, error: NameServerError) -> str:
    if error.code == "no_new_zones":
        return "options { allow-new-zones yes; };"
    if step < 2:
        return (
            f"The user that named runs as must be able to read and write {where.zone_dir}:\n"
            f"install -d -o bind -g {_group()} -m 2775 {where.zone_dir}\n"
            f"With AppArmor, in /etc/apparmor.d/local/usr.sbin.named:  {where.zone_dir}/** rw,"
        )
    return f'options {{ allow-transfer {{ key "{where.tsig.name}"; }}; }};'


def _statistics(where: Endpoint) -> Finding:
    title = "Statistics channel"
    try:
        status = fetch(where, "status")
    except NameServerError as error:
        remedy = (
            "statistics-channels { inet 127.0.0.1 port 8053 allow { 127.0.0.1; }; };\n"
            "and DNSADMIN_NAMED_STATISTICS_URL=http://127.0.0.1:8053"
        )
        return Finding(code="statistics", title=title, ok=False, detail=str(error), remedy=remedy)
    return Finding(code="statistics", title=title, ok=True, detail=f"up since {status.get('boot-time', '?')}")


def _logs(where: Endpoint) -> Finding:
    title = "Query and RPZ logs"
    directory = where.log_dir or Path("/var/log/named")
    remedy = _LOGGING.format(directory=directory) + (
        "" if where.log_dir else f"\nand DNSADMIN_NAMED_LOG_DIR={directory}"
    )
    if where.log_dir is None:
        return Finding(code="logs", title=title, ok=None, detail="DNSADMIN_NAMED_LOG_DIR is not set", remedy=remedy)
    missing = [name for name in ("query.log", "rpz.log") if not os.access(where.log_dir / name, os.R_OK)]
    if missing:
        detail = f"{' and '.join(missing)} cannot be read in {where.log_dir}"
        return Finding(code="logs", title=title, ok=False, detail=detail, remedy=remedy)
    return Finding(code="logs", title=title, ok=True, detail=str(where.log_dir))


def _include(file: Path | None, name: str) -> str:
    """How `named.conf` gets to know a key without its secret being shown."""
    return f'include "{file}";' if file else f'key "{name}" {{ … }};  // the same as the site has'


def _client_of(host: str) -> str:
    return host if host.startswith("127.") or host == "::1" else "ADDRESS-OF-THE-SITE"


def _group() -> str:
    import grp

    try:
        return grp.getgrgid(os.getgid()).gr_name
    except KeyError:
        return str(os.getgid())


_SETTINGS = """\
DNSADMIN_NAMED_HOST=127.0.0.1
DNSADMIN_NAMED_PORT=53
DNSADMIN_NAMED_RNDC_KEY_FILE=/etc/bind/rndc.key          (rndc-confgen -a)
DNSADMIN_NAMED_TSIG_KEY_FILE=/etc/bind/dnsadmin.key      (tsig-keygen dnsadmin > /etc/bind/dnsadmin.key)
DNSADMIN_NAMED_ZONE_DIR=/var/lib/bind/dnsadmin"""

_LOGGING = """\
logging {{
    channel query_file {{ file "{directory}/query.log" versions 5 size 50m; severity info;
        print-time iso8601-utc; print-category yes; print-severity yes; }};
    channel rpz_file {{ file "{directory}/rpz.log" versions 3 size 50m; severity info;
        print-time iso8601-utc; print-category yes; print-severity yes; }};
    category queries {{ query_file; }};
    category rpz {{ rpz_file; }};
    category rpz-passthru {{ rpz_file; }};
}};"""
