"""A machine below a directory, to follow the documents on: their commands run as they stand there.

What belongs to the whole machine is put elsewhere by name (`/etc/` below the directory, ports that are free) or played by
a small program of the same name (`apt-get`, `runuser`, `systemctl`). PostgreSQL, Redis, nginx, `named` and the site are real.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.parts.ports import free_port
from tests.parts.postgres_server import PostgresServer
from tests.parts.redis_server import RedisServer
from tests.parts.site import CHECKOUT, PASSWORD

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PLAYED = {
    "nginx": 'exec {nginx} -c {root}/etc/nginx/nginx.conf "$@"',
    "apt-get": "exit 0",
    "adduser": "exit 0",
    "chown": "exit 0",
    "editor": "exit 0",
    "npm": '[ "$1" = ci ] && [ -f package-lock.json ] && ln -sfn "{checkout}/node_modules" node_modules',
    "id": 'echo "${{AS_USER:-root}}"',
    "runuser": '[ "$1" = -u ] && export AS_USER="$2" PGUSER="$2" && shift 3 && exec "$@"',
    "systemctl": 'exec {python} {checkout}/tests/deploy/systemctl.py {root} "$@"',
    # The owner of a directory is nobody's here.
    "install": 'if [ "$2" = -o ]; then shift 3; set -- -d "$@"; fi; exec /usr/bin/install "$@"',
    "python3": '[ "$1 $2" = "-m venv" ] && mkdir -p "$3/bin" && cp {root}/venv/* "$3/bin/"',
}
IN_THE_ENVIRONMENT = {
    "python": 'exec {python} "$@"',
    "pip": 'exec {python} {checkout}/tests/deploy/pinned.py "${{@: -1}}"',
}


class Machine:
    """`run(page)` follows a page. `url` is where the site is then; its certificate is in `certificate`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.redis = RedisServer(root)
        self.postgres = PostgresServer()
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.web = [free_port(), free_port()]
        self._named_port = free_port()
        self.repository = root / "repository"
        self.certificate = root / "etc" / "ssl" / "certs" / "dnsadmin.pem"
        self._instead = {
            "https://dns.example.com": self.url,
            "ALLOWED_HOSTS=dns.example.com": "ALLOWED_HOSTS=dns.example.com,localhost",
            "dns.example.com": "localhost",
            "redis://127.0.0.1:6379/0": self.redis.url,
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "8001": str(self.web[0]),
            "8002": str(self.web[1]),
            **{place: f"{root}{place}" for place in ("/etc/", "/opt/dnsadmin", "/usr/local/bin/", "/var/")},
        }
        self._pattern = re.compile("|".join(re.escape(text) for text in self._instead))

    def here(self, text: str) -> str:
        """`text` of a document or file, with what this machine has elsewhere."""
        return self._pattern.sub(lambda found: self._instead[found[0]], text)

    # -- what a fresh machine has

    def prepare(self) -> None:
        for place in (
            "etc/systemd/system",
            "etc/nginx/conf.d",
            "etc/ssl/certs",
            "etc/ssl/private",
            "opt",
            "run",
            "usr/local/bin",
            "usr/bin",
            "var/lib/dnsadmin",
            "var/log",
            "venv",
        ):
            (self.root / place).mkdir(parents=True, exist_ok=True)
        nginx = shutil.which("nginx", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
        words = {"nginx": nginx, "checkout": CHECKOUT, "python": sys.executable, "root": self.root}
        for directory, programs in (("usr/bin", PLAYED), ("venv", IN_THE_ENVIRONMENT)):
            for name, script in programs.items():
                file = self.root / directory / name
                file.write_text(f"#!/bin/bash\n{script.format(**words)}\n")
                file.chmod(0o755)
        self._prepare_nginx()
        self._prepare_repository()
        self.redis.start()
        self.postgres.start()
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as database:
            database.execute("CREATE ROLE postgres SUPERUSER LOGIN")
        address = self.postgres.url("postgres").replace("dnsadmin@", "postgres@")
        with psycopg.connect(address, autocommit=True) as database:
            database.execute("ALTER ROLE dnsadmin RENAME TO whoever_made_it")
        self._run("systemctl start nginx")

    def _prepare_nginx(self) -> None:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {self.root}/var/{kind};\n" for kind in kinds)
        log = self.root / "var" / "log"
        (self.root / "etc" / "nginx" / "nginx.conf").write_text(
            f"daemon off;\npid {self.root}/run/nginx.main;\nerror_log {log}/nginx-error.log;\nevents {{}}\n"
            f"http {{\naccess_log {log}/nginx-access.log;\n{paths}include {self.root}/etc/nginx/conf.d/*.conf;\n}}\n"
        )

    def _prepare_repository(self) -> None:
        """The checkout as it is, with what is not committed yet."""
        listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
        listed = subprocess.run(listing, cwd=CHECKOUT, capture_output=True, text=True, check=True)
        for name in listed.stdout.splitlines():
            source, target = CHECKOUT / name, self.repository / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                if name.startswith("deploy/"):
                    target.write_text(self.here(source.read_text()))
                    target.chmod(source.stat().st_mode)
                else:
                    shutil.copy(source, target)
        self._run(f"cd {self.repository}; git init -q; {self._commit('a release')}")

    @staticmethod
    def _commit(message: str) -> str:
        return f"git add -A; git -c user.name=x -c user.email=x@localhost commit -qm '{message}'"

    def release(self) -> None:
        """Make the next release, with a migration."""
        manage = f"DNSADMIN_DATA_DIR={self.root}/elsewhere {sys.executable} manage.py"
        add = f"{manage} makemigrations --empty realtime -n next_release"
        self._run(f"cd {self.repository}; {add}; echo next >> CHANGELOG.md; {self._commit('the next release')}")

    # -- following

    def follow(self, page: str) -> str:
        """Run every command of a page (its name below `docs/`), as one session of one person. Returns what they said."""
        blocks = BLOCK.findall((CHECKOUT / "docs" / page).read_text())
        assert blocks, page
        return self._run(self.here("\n".join(blocks)))

    def _run(self, script: str) -> str:
        session = f"set -eo pipefail\nREPOSITORY={self.repository}\n{script}"
        done = subprocess.run(
            ["bash", "-c", session],
            cwd=self.root,
            env=self.environment(),
            input=f"{PASSWORD}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout + done.stderr

    def environment(self) -> dict[str, str]:
        """What a person who signs in has."""
        programs = [self.root / "usr/bin", self.root / "usr/local/bin"]
        programs += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        return {
            "PATH": os.pathsep.join(
                [*map(str, programs), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
            ),
            "HOME": str(self.root),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.postgres.port),
            "DNSADMIN_NAMED_PORT": str(self._named_port),
            "PYTHONUNBUFFERED": "1",
        }

    def logs(self) -> str:
        files = sorted((self.root / "var" / "log").glob("*"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)

    def stop(self) -> None:
        units = [f"dnsadmin-web@{port}" for port in self.web]
        try:
            self._run(f"systemctl stop dnsadmin-monitors {' '.join(units)} nginx")
        finally:
            self.postgres.remove()
            self.redis.stop()
