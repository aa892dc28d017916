"""People with the roles of the site, a client of the API for each, and a name server of a test's own."""

from __future__ import annotations

from tests.nameserver.conftest import own_named, own_server
from tests.zones.conftest import admin, api, nils, olivia, person, vera, zoe, zone

__all__ = ["admin", "api", "nils", "olivia", "own_named", "own_server", "person", "vera", "zoe", "zone"]
