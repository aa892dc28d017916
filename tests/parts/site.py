"""The whole site as people run it: `manage.py serve` in a process of its own, with its private name server."""

from __future__ import annotations

import contextlib
import http.cookies
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import psutil

from tests.parts.json_client import JsonClient
from tests.parts.ports import free_port
from tests.parts.process import Process

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "correct-horse-battery"


class Person(NamedTuple):
    """Somebody with an account; `roles` are names of groups."""

    username: str
    roles: tuple[str, ...] = ()
    is_superuser: bool = False


CAST = (
    Person("admin", is_superuser=True),
    Person("olivia", ("DNS operators",)),
    Person("oscar", ("DNS operators",)),
    Person("sam", ("Security analysts",)),
    Person("vera", ("Viewers",)),
    Person("zoe", ("Zone owners",)),
    Person("nils"),
)
"""Who has an account on every test site, all with `PASSWORD`: the roles of the demo, a second operator, and nobody."""

MIGRATE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""
ADD_PEOPLE = """
import json, sys
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
password = make_password(sys.argv[1])  # once: it takes its time on purpose
for username, roles, is_superuser in json.load(sys.stdin):
    user = User.objects.create(username=username, password=password, is_superuser=is_superuser, is_staff=is_superuser)
    user.groups.set([Group.objects.get(name=role) for role in roles])
"""


class Site:
    """One web process with a data directory of its own. `settings` are `DNSADMIN_*` variables, without the prefix.

    `directory` is where the log goes, and the data directory `data/` unless `DATA_DIR` is among the settings.
    """

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.settings: dict[str, Any] = {
            "PORT": free_port(),
            "DATA_DIR": directory / "data",
            "NAMED_PORT": free_port(),
            "SECRET_KEY": "only-for-tests-" * 4,
            **settings,
        }
        self.directory = directory
        self.port = int(self.settings["PORT"])
        self.data_dir = Path(self.settings["DATA_DIR"])
        self.named_port = int(self.settings["NAMED_PORT"])
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = Process([sys.executable, "manage.py", "serve"], directory / f"site-{self.port}.log")
        self._tokens: dict[str, str] = {}

    # -- life -----------------------------------------------------------------------------------------------------

    def prepare(self, template: Path | None = None) -> None:
        """Make the database: a copy of `template` (an SQLite file), or migrated, with an account for each of `CAST`."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if template:
            shutil.copy(template, self.data_dir / "db.sqlite3")
        else:
            self.python(MIGRATE + ADD_PEOPLE, PASSWORD, stdin=json.dumps(CAST))

    def start(self) -> None:
        """Start, and wait until the site says that it is ready. Raises `DidNotStart` with the log."""
        self.process.start(self._ready, env=self.environment(), cwd=CHECKOUT, timeout_s=180)

    def terminate(self) -> int:
        """Ask it to end (SIGTERM), and answer its exit code."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait()

    def kill(self) -> None:
        """End the web process without a warning (SIGKILL); what it started lives on, as it would."""
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        """Have it stand still (SIGSTOP), but not with the lock of its SQLite database in its hand, which stops everybody."""
        while True:
            self.process.signal(signal.SIGSTOP)
            self._stands_still()
            if self._database_can_be_locked():
                return
            self.process.signal(signal.SIGCONT)
            time.sleep(0.05)

    def _stands_still(self) -> None:
        """Until all of its threads do: on a busy machine one may get the lock of the database before it hears of the end."""
        running = set(Path(f"/proc/{self.process.pid}/task").iterdir())
        while running:
            running = {each for each in running if each.exists() and "State:\tT" not in (each / "status").read_text()}
            time.sleep(0.01)

    def _database_can_be_locked(self) -> bool:
        with contextlib.closing(sqlite3.connect(self.data_dir / "db.sqlite3", timeout=0.2)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True

    def restart(self) -> None:
        """End it politely if it runs, and start it again on the same port with the same data."""
        if self.process.running:
            self.terminate()
        self.start()

    def stop(self) -> None:
        """End this process, its twins, and the name server, which lives in a session of its own.

        At once, as nobody wants anything of them any more: a polite end takes a second. `terminate()` is for tests of that.
        """
        while left := [each for each in psutil.process_iter() if self._has_started(each)]:
            for process in left:  # and look again: one may just have started another
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self.process.stop()

    def _has_started(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return bool(process.environ().get("DNSADMIN_DATA_DIR") == str(self.data_dir))
        return False

    def twin(self, **settings: Any) -> Site:
        """Another web process of the same site, on another port; not started.

        It shares the data directory, and so the database, Redis and the name server. `stop()` of either ends both,
        `terminate()` and `kill()` end one.
        """
        return Site(self.directory, **(self.settings | {"PORT": free_port()} | settings))

    def log(self) -> str:
        return self.process.log()

    def _ready(self) -> bool:
        try:
            return self.client().get("/health/ready").status == 200
        except OSError:
            return False

    # -- the command line -----------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The variables that the processes of this site get."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DNSADMIN_", "DJANGO_"))}
        own = {f"DNSADMIN_{name}": str(value) for name, value in self.settings.items() if value is not None}
        return inherited | own | {"PYTHONUNBUFFERED": "1"}

    def manage(self, *arguments: str, check: bool = True, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a management command of this site; with `check`, it must succeed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, f"manage.py {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def python(self, code: str, *arguments: str, stdin: str = "") -> str:
        """Run Python code with the site's Django set up, in a process of its own, and answer what it printed."""
        setup = "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'dnsadmin.settings'; import django; django.setup()\n"
        done = subprocess.run(
            [sys.executable, "-c", setup + code, *arguments],
            cwd=CHECKOUT,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def add_people(self, *people: Person) -> None:
        self.python(ADD_PEOPLE, PASSWORD, stdin=json.dumps(people))

    # -- HTTP -----------------------------------------------------------------------------------------------------

    def client(self, username: str | None = None) -> JsonClient:
        """A client of the API, signed in by token as one of the people, or nobody."""
        if username is None:
            return JsonClient(self.url)
        return JsonClient(self.url, {"Authorization": f"Bearer {self.token(username)}"})

    def token(self, username: str) -> str:
        """An access token (JWT) of one of the people; the same one until it is forgotten."""
        if username not in self._tokens:
            answer = JsonClient(self.url).post("/api/token/", {"username": username, "password": PASSWORD})
            assert answer.status == 200, answer.text
            self._tokens[username] = answer.data["access"]
        return self._tokens[username]

    def forget_tokens(self) -> None:
        """Sign in anew the next time: tokens last for a quarter of an hour."""
        self._tokens.clear()

    def cookie(self, username: str) -> str:
        """Sign in by the login page, and answer the `Cookie` header of the session."""
        page = JsonClient(self.url).get("/accounts/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token, page.text
        form = {"username": username, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        answer = JsonClient(self.url).post(
            "/accounts/login/",
            urlencode(form).encode(),
            Content_Type="application/x-www-form-urlencoded",
            Cookie=f"csrftoken={_cookies(page.headers)['csrftoken']}",
            Referer=f"{self.url}/accounts/login/",
        )
        assert answer.status == 302, f"sign-in as {username} answered {answer.status}: {answer.text}"
        return "; ".join(f"{name}={value}" for name, value in _cookies(answer.headers).items())

    def socket_url(self, query: str = "") -> str:
        """Where the WebSocket is."""
        return f"ws://127.0.0.1:{self.port}/ws/{query}"


def _cookies(headers: Any) -> Mapping[str, str]:
    jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie()
    for header in headers.get_all("Set-Cookie", []):
        jar.load(header)
    return {name: morsel.value for name, morsel in jar.items()}
