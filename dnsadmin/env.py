"""The one reader of the environment: `DNSADMIN_*` variables into typed, frozen settings.

Each group of settings is a struct whose fields carry their description; the table in the documentation is generated
from them. A value that does not fit stops the start with the name of the variable and the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from django.core.exceptions import ImproperlyConfigured
from msgspec import Meta

from monitoring.queries.conf import QuerySettings
from realtime.conf import RealtimeSettings, RolloutSettings
from realtime.legacy.conf import LegacySettings  # LEGACY
from security.detection.conf import DetectionSettings
from zones.nameserver.conf import NamedSettings

S = TypeVar("S", bound=msgspec.Struct)


class SiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the site as a whole needs to know. All are optional; the defaults are a safe demo on this machine."""

    data_dir: Annotated[Path, Meta(description="Directory of all state: database, keys, name server.")] = Path("var")
    bind: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port of the site.")] = 8000
    debug: Annotated[bool, Meta(description="Django's debug pages. Never on a reachable address.")] = False
    demo: Annotated[bool, Meta(description="Demo accounts and zones; loopback only. `make run` turns it on.")] = False
    secret_key: Annotated[
        str, Meta(description="Key that signs sessions and tokens. Unset: generated into the data directory.")
    ] = ""
    allowed_hosts: Annotated[str, Meta(description="Host names of the site, separated by commas.")] = (
        "127.0.0.1,localhost,[::1]"
    )
    origins: Annotated[
        str, Meta(description="Origins (scheme://host[:port]) that may open the WebSocket, besides the site's own.")
    ] = ""
    tls: Annotated[bool, Meta(description="The site is reached over HTTPS: secure cookies and HSTS.")] = False
    database_url: Annotated[str, Meta(description="Database, as a URL. Unset: SQLite in the data directory.")] = ""
    redis_url: Annotated[
        str, Meta(description="Redis that connects several processes. Unset: one process, in-process layer.")
    ] = ""
    admin_password: Annotated[
        str, Meta(description="Password of the demo's accounts. Unset: random, printed once.")
    ] = ""
    api_requests_per_minute: Annotated[
        int, Meta(ge=0, description="Requests to the API that one user may make in a minute, per process. 0: no limit.")
    ] = 12_000
    requests_at_once: Annotated[
        int, Meta(ge=1, description="Requests that one process works on at a time, each with a database connection.")
    ] = 16
    log_level: Annotated[str, Meta(description="Least severity that is logged.")] = "INFO"


class EmailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the site sends e-mail."""

    host: Annotated[
        str, Meta(description="SMTP server. Unset: letters become files in `mail/` of the data directory.")
    ] = ""
    port: Annotated[int, Meta(ge=1, le=65535, description="Port of the SMTP server.")] = 25
    user: Annotated[str, Meta(description="Name to sign in with. Unset: without signing in.")] = ""
    password: Annotated[str, Meta(description="Password to sign in with.")] = ""
    security: Annotated[
        Literal["none", "starttls", "tls"], Meta(description="`none`, `starttls`, or `tls` from the first byte.")
    ] = "none"
    sender: Annotated[str, Meta(description="Address that letters come from.")] = "dnsadmin@localhost"


GROUPS: Mapping[str, type[msgspec.Struct]] = {
    "DNSADMIN_": SiteSettings,
    "DNSADMIN_EMAIL_": EmailSettings,
    "DNSADMIN_REALTIME_": RealtimeSettings,
    "DNSADMIN_ROLLOUT_": RolloutSettings,
    "DNSADMIN_LEGACY_": LegacySettings,  # LEGACY
    "DNSADMIN_NAMED_": NamedSettings,
    "DNSADMIN_QUERIES_": QuerySettings,
    "DNSADMIN_DETECTION_": DetectionSettings,
}
"""Prefix of the variables -> the settings they fill."""


def read(struct: type[S], prefix: str, environ: Mapping[str, str]) -> S:
    """Fill `struct` from the variables that start with `prefix`; an empty value counts as unset.

    Raises `ImproperlyConfigured` with the name of the variable and what is wrong with it.
    """
    values = {}
    for field in msgspec.structs.fields(struct):
        variable = prefix + field.name.upper()
        if text := environ.get(variable, ""):
            try:
                values[field.name] = msgspec.convert(text, field.type, strict=False, dec_hook=_decode)
            except msgspec.ValidationError as error:
                raise ImproperlyConfigured(f"{variable}={text!r}: {error}") from error
    return struct(**values)


def _decode(kind: type, text: object) -> object:
    if kind is Path:
        return Path(str(text))
    raise NotImplementedError(kind)


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like ours but name no setting: most likely misspelt."""
    known = {
        prefix + field.name.upper() for prefix, struct in GROUPS.items() for field in msgspec.structs.fields(struct)
    }
    return sorted(name for name in environ if name.startswith("DNSADMIN_") and name not in known)
