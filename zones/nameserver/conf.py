"""Where the name server is, read from `DNSADMIN_NAMED_*` (see `dnsadmin.env`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta


class NamedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """With `host` unset the site runs a private `named` in its data directory; with it set, it drives an existing one."""

    port: Annotated[int, Meta(ge=1, le=65535, description="DNS port of the name server.")] = 5300
    host: Annotated[str, Meta(description="Address of an existing BIND 9.18+. Unset: a private one is run.")] = ""
    rndc_port: Annotated[int, Meta(ge=1, le=65535, description="Control port of the existing server.")] = 953
    rndc_key_file: Annotated[
        Path | None, Meta(description="File with the `key` clause of the control channel, as rndc-confgen writes it.")
    ] = None
    tsig_key_file: Annotated[
        Path | None,
        Meta(
            description="File with the `key` clause for updates, transfers and checks, as tsig-keygen writes it. The site's "
            "own: what is signed with it is not counted among people's queries."
        ),
    ] = None
    statistics_url: Annotated[str, Meta(description="Base URL of the statistics channel.")] = ""
    secondaries: Annotated[
        str,
        Meta(
            description="Servers that fetch our zones, as `192.0.2.1` or `192.0.2.1 port 5300`, separated by commas: the "
            "private server notifies them, and pages say whether they have the newest serial."
        ),
    ] = ""
    zone_dir: Annotated[
        Path | None, Meta(description="Directory for zone files, writable by the site and by the server.")
    ] = None
    log_dir: Annotated[Path | None, Meta(description="Directory where the server writes its query and RPZ logs.")] = (
        None
    )
    program: Annotated[str, Meta(description="Path or name of the `named` program of the private server.")] = "named"
