"""What every test can ask for: the real servers, whole sites, and people in front of a browser.

Tests of Django code run in this process, on a database file of its own (`db`, `transactional_db` of pytest-django). Tests
of the whole run against a `site` in another process, over HTTP, WebSocket, DNS and Chromium.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.parts.postgres_server import PostgresServer
from tests.parts.redis_server import RedisServer
from tests.parts.site import Site

# The settings of whoever runs the tests, and their data directory, must not leak into the tests. Django reads its settings
# after this, in `pytest_configure`.
assert "DJANGO_SETTINGS_MODULE" not in os.environ, (
    "unset DJANGO_SETTINGS_MODULE: it makes Django read settings too early"
)
for _name in [name for name in os.environ if name.startswith("DNSADMIN_")]:
    del os.environ[_name]
DATA_DIR = Path(tempfile.mkdtemp(prefix="dnsadmin-tests-"))
os.environ["DNSADMIN_DATA_DIR"] = str(DATA_DIR)
os.environ["DNSADMIN_SECRET_KEY"] = "only-for-tests-" * 4
os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"

# Debian keeps `rndc`, `tsig-keygen` and the like off the PATH of ordinary users.
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])

# How long an example takes says nothing on a busy machine, and a failure must repeat on every run.
hypothesis.settings.register_profile("dnsadmin", deadline=None, derandomize=True)
hypothesis.settings.load_profile("dnsadmin")


_running = ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgresql", action="store_true", help="run the tests of Django code on PostgreSQL instead of SQLite"
    )


def pytest_configure(config: pytest.Config) -> None:
    import django

    distributes = bool(config.getoption("numprocesses", None))
    if config.getoption("postgresql") and not distributes:
        server = PostgresServer()
        _running.callback(server.remove)
        server.start()
        os.environ["DNSADMIN_DATABASE_URL"] = server.url("site")
    django.setup()
    if distributes:
        # The workers that are started now read their settings for themselves, with data directories of their own.
        del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_unconfigure() -> None:
    _running.close()
    shutil.rmtree(DATA_DIR, ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Files that start whole sites come first, so that in the end no worker waits for another that has such a one left; in
    the order of their names without folders, so that those with browsers do not come all at once.
    """
    long = {item.path for item in items if {"site_template", "postgres_server"} & set(item.fixturenames)}
    items.sort(key=lambda item: (item.path not in long, item.path.name, item.path))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """A file instead of SQLite's memory, which threads cannot share as they share the real one."""
    from django.db import connections

    database = connections["default"].settings_dict
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(DATA_DIR / "test.sqlite3")


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest) -> bool:
    """PostgreSQL as a whole goes with the run, whoever is still connected."""
    return bool(request.config.getoption("postgresql"))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Take out the flags that django-waffle has besides ours: Django, which does not know of those tables, would not empty
    the accounts they refer to.
    """
    from django.db import connection

    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute("DROP TABLE waffle_flag_users, waffle_flag_groups")


# -- servers ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A running, empty Redis."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL; ask it for `create_database()`."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


# -- sites ------------------------------------------------------------------------------------------------------------

StartSite = Callable[..., Site]


@pytest.fixture(scope="session")
def site_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database after all migrations, with an account for each of the cast."""
    site = Site(tmp_path_factory.mktemp("template"))
    site.prepare()
    return site.data_dir / "db.sqlite3"


def _site_starter(directory: Path, template: Path, stack: ExitStack) -> StartSite:
    def start_site(**settings: Any) -> Site:
        site = Site(directory / f"site{len(list(directory.glob('site*')))}", **settings)
        site.directory.mkdir()
        stack.callback(site.stop)
        site.prepare(None if "DATABASE_URL" in settings else template)
        site.start()
        return site

    return start_site


@pytest.fixture
def start_site(tmp_path: Path, site_template: Path) -> Iterator[StartSite]:
    """Start a site of the test's own, with settings: `start_site(REDIS_URL=redis_server.url)`."""
    with ExitStack() as stack:
        yield _site_starter(tmp_path, site_template, stack)


@pytest.fixture(scope="module")
def site_settings() -> dict[str, Any]:
    """The settings of `site`; a module that wants others has a fixture of this name."""
    return {}


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, site_template: Path, site_settings: dict[str, Any]
) -> Iterator[Site]:
    """A running site that the tests of one module share; they keep apart by the names of their zones."""
    with ExitStack() as stack:
        yield _site_starter(tmp_path_factory.mktemp("shared"), site_template, stack)(**site_settings)


# -- people in front of a browser ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A running Chromium. Its module should hold no `async` tests and none of the database: Playwright keeps an event
    loop running in this thread for as long as the browser lives.
    """
    from playwright.sync_api import sync_playwright

    from tests.parts.browser import launch

    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def profile(browser: Any) -> Iterator[Callable[..., Any]]:
    """Make a browser profile: `profile(site).sign_in("olivia")`. No page of any profile may have complaints."""
    from tests.parts.browser import Profile

    profiles: list[Profile] = []

    def make(site: Site, **options: Any) -> Profile:
        profiles.append(Profile(browser, site, **options))
        return profiles[-1]

    yield make
    for each in profiles:
        each.close()
    assert [complaint for each in profiles for complaint in each.complaints] == []
