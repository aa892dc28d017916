"""A real `named` that the code under test finds by its settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.hosting import delete_zone
from zones.nameserver.private import PrivateNamed


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNamed]:
    """A server that the tests of this folder share."""
    server = PrivateNamed(tmp_path_factory.mktemp("site") / "named")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def name_server(named: PrivateNamed, settings: Any) -> Iterator[Endpoint]:
    """The site's name server is the shared one, and knows nothing of what earlier tests had there."""
    settings.DATA_DIR = named.directory.parent
    endpoint = named.start()
    yield endpoint
    delete_zone(endpoint, "example.test")
