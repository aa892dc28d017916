"""A `named` of the site's own, in one directory, on loopback only: for the demo and for the tests.

It writes the whole configuration, so nothing of the machine's own name server is read or touched, and it never talks
to the outside: its root hints point back at this machine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from zones.nameserver.endpoint import SAVED, Endpoint, Key, new_key, save, saved, write_secret
from zones.nameserver.errors import NameServerError
from zones.nameserver.peers import Peer
from zones.nameserver.rndc import Rndc

LOOPBACK = "127.0.0.1"
RPZ_OPTIONS, RPZ_ZONES, FORWARD_ZONES = "rpz-options.conf", "rpz-zones.conf", "forward-zones.conf"
FORWARD_OPTIONS, TRANSFER_KEYS = "forward-options.conf", "transfer-keys.conf"
"""Files included by the configuration, empty at first: what goes into `options` for response policies, their zones,
forward zones, which `rndc addzone` cannot make, what goes into `options` to forward everything else, and keys shared with
other servers. Rewritten by `zones.nameserver.includes`."""
STOPPED = "stopped"
"""File in the directory that says that somebody has stopped the server on purpose."""
ENDED = "ended"
"""File in the directory whose time is when the site itself has ended the server last."""

_APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
_APPARMOR_PROFILE = Path("/etc/apparmor.d/usr.sbin.named")

_CONFIGURATION = """\
// Written anew at each start. To add to it, use the included files.
include "{directory}/rndc.key";
include "{directory}/tsig.key";
include "{directory}/{transfer_keys}";

controls {{ inet {host} port {rndc_port} allow {{ {host}; }} keys {{ "{rndc_key}"; }}; }};
statistics-channels {{ inet {host} port {statistics_port} allow {{ {host}; }}; }};

options {{
    directory "{directory}";
    pid-file "{directory}/named.pid";
    lock-file none;
    session-keyfile "{directory}/session.key";
    managed-keys-directory "{directory}/keys";
    key-directory "{directory}/keys";
    new-zones-directory "{directory}/dyn";
    dump-file "{directory}/named_dump.db";
    statistics-file "{directory}/named.stats";
    memstatistics-file "{directory}/named.memstats";
    recursing-file "{directory}/named.recursing";
    secroots-file "{directory}/named.secroots";
    geoip-directory none;
    max-cache-size 64m;        // the default is 90 % of the machine's memory

    listen-on port {port} {{ {host}; }};
    listen-on-v6 {{ none; }};
    allow-query {{ 127.0.0.0/8; }};
    recursion yes;
    allow-recursion {{ 127.0.0.0/8; }};
    dnssec-validation no;      // the default primes and asks the real root servers
    empty-zones-enable no;
    servfail-ttl 0;

    allow-new-zones yes;
    allow-transfer {{ key "{tsig_key}"; }};
    {notify}
    serial-update-method increment;
    zone-statistics full;
    minimal-responses no;
    querylog yes;
    version none;

    include "{directory}/{rpz_options}";
    include "{directory}/{forward_options}";
}};

logging {{
    channel default_file {{ file "{directory}/log/named.log" versions 3 size 20m; severity dynamic;
        print-time iso8601-utc; print-category yes; print-severity yes; }};
    channel query_file {{ file "{directory}/log/query.log" versions 5 size 50m; severity info;
        print-time iso8601-utc; print-category yes; print-severity yes; }};
    channel rpz_file {{ file "{directory}/log/rpz.log" versions 3 size 50m; severity info;
        print-time iso8601-utc; print-category yes; print-severity yes; }};
    channel update_file {{ file "{directory}/log/update.log" versions 3 size 20m; severity info;
        print-time iso8601-utc; print-category yes; print-severity yes; }};
    category default {{ default_file; }};
    category queries {{ query_file; }};
    category rpz {{ rpz_file; }};
    category rpz-passthru {{ rpz_file; }};
    category update {{ update_file; }};
    category update-security {{ update_file; }};
}};

zone "." {{ type hint; file "{directory}/root.hints"; }};

include "{directory}/{rpz_zones}";
include "{directory}/{forward_zones}";
"""

_ROOT_HINTS = """\
; Nothing listens there: what this server does not serve itself, it does not find.
.                       3600000 NS a.root-servers.invalid.
a.root-servers.invalid. 3600000 A  127.0.0.1
"""


class PrivateNamed:
    """One `named` process that we start, watch and stop. Its zones and keys stay in `directory` between runs.

    directory: absolute, at most one process at a time works in it. port: DNS port (UDP and TCP); `None` takes any free
    one and keeps it. The ports of the control and statistics channels are always chosen, and kept while they are free.
    """

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        program: str = "named",
        secondaries: Sequence[Peer] = (),
    ) -> None:
        self.directory = directory.resolve()
        self._port = port
        self._program = program
        self._secondaries = tuple(secondaries)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    def start(self) -> Endpoint:
        """Start the server and return when it answers, with its zones loaded.

        Raises `NameServerError`: `not_installed`, `in_use` (port taken), `runs_elsewhere` (another process of ours works in
        the directory) or `not_started` with what `named` said.
        """
        if self._process is not None and self._process.poll() is None:
            return saved(self.directory)
        program = self._find_program()
        for name in ("zones", "dyn", "keys", "log"):
            (self.directory / name).mkdir(mode=0o750, parents=True, exist_ok=True)
        self._take_directory()
        try:
            self._end_orphan()
            endpoint = self._write_configuration()
            boot_log = self.directory / "log" / "boot.log"
            boot_log.unlink(missing_ok=True)
            # -f, not -g: -g ignores the logging clause. -L catches what happens before that clause is in force.
            self._process = subprocess.Popen(
                [program, "-f", "-c", str(self.directory / "named.conf"), "-n", "1", "-L", str(boot_log)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._wait_ready(endpoint, boot_log)
        except BaseException:
            self._end()
            raise
        return endpoint

    def stop(self, *, timeout_s: float = 10.0) -> None:
        """End the server: SIGTERM, and SIGKILL for one that does not end. Does nothing when it is not running."""
        if self.pid is not None:
            (self.directory / ENDED).touch(mode=0o640)
        self._end(timeout_s)

    def _end(self, timeout_s: float = 10.0) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.send_signal(signal.SIGCONT)  # a stopped process does not act on SIGTERM
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def poll(self) -> int | None:
        """`None` while the server runs; else the exit status of the last run (negative for a signal)."""
        return -1 if self._process is None else self._process.poll()

    def restart(self) -> Endpoint:
        """Stop what is left of the server and start it again on the same ports, with the same zones and keys."""
        self.stop()
        return self.start()

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def _find_program(self) -> str:
        program = shutil.which(self._program) or shutil.which(self._program, path="/usr/sbin:/usr/local/sbin")
        if program is None:
            raise NameServerError("not_installed", f"there is no program “{self._program}”: install BIND 9 (bind9)")
        if _APPARMOR.exists() and _APPARMOR.read_text().startswith("Y") and _APPARMOR_PROFILE.exists():
            # Debian's profile goes by the path of the program and confines it to /etc/bind, /var/cache/bind and
            # /var/lib/bind. Ours works in the site's directory, so it runs from there as well.
            copy = self.directory / "bin" / "named"
            copy.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            shutil.copy2(program, copy)
            return str(copy)
        return program

    def _take_directory(self) -> None:
        """Two servers in one directory would destroy each other's journals: one at a time, by a lock on a file."""
        self._lock = os.open(self.directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise NameServerError(
                "runs_elsewhere", f"another process already runs the name server in {self.directory}"
            ) from None

    def _end_orphan(self) -> None:
        """End a server that outlived its site (which was killed): its parent is gone, the lock is ours."""
        try:
            process = psutil.Process(int((self.directory / "named.pid").read_text()))
            if str(self.directory / "named.conf") not in process.cmdline():
                return
            process.terminate()
            process.resume()
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(10)
                return
            process.kill()
            process.wait(10)
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return

    def _write_configuration(self) -> Endpoint:
        before = saved(self.directory) if (self.directory / SAVED).exists() else None
        port = self._port or (before.port if before else free_port())
        if not is_free(port):
            raise NameServerError(
                "in_use",
                f"port {port} of {LOOPBACK} is taken by another program; choose another with DNSADMIN_NAMED_PORT",
            )
        statistics_port = int(before.statistics_url.rpartition(":")[2]) if before else 0
        taken = {port}
        rndc_port = _kept_or_free(before.rndc_port if before else 0, taken)
        statistics_port = _kept_or_free(statistics_port, taken)
        endpoint = Endpoint(
            host=LOOPBACK,
            port=port,
            tsig=before.tsig if before else _key_of_its_own(),
            rndc_host=LOOPBACK,
            rndc_port=rndc_port,
            rndc_key=before.rndc_key if before else new_key("dnsadmin-rndc"),
            statistics_url=f"http://{LOOPBACK}:{statistics_port}",
            zone_dir=self.directory / "zones",
            log_dir=self.directory / "log",
            private=True,
        )
        write_secret(self.directory / "rndc.key", endpoint.rndc_key.clause())
        write_secret(self.directory / "tsig.key", endpoint.tsig.clause())
        for name in (RPZ_OPTIONS, RPZ_ZONES, FORWARD_ZONES, FORWARD_OPTIONS):
            (self.directory / name).touch(mode=0o640)
        (self.directory / TRANSFER_KEYS).touch(mode=0o600)
        (self.directory / "root.hints").write_text(_ROOT_HINTS)
        (self.directory / "named.conf").write_text(
            _CONFIGURATION.format(
                directory=_quotable(self.directory),
                host=LOOPBACK,
                port=port,
                rndc_port=rndc_port,
                statistics_port=statistics_port,
                rndc_key=endpoint.rndc_key.name,
                tsig_key=endpoint.tsig.name,
                rpz_options=RPZ_OPTIONS,
                rpz_zones=RPZ_ZONES,
                forward_zones=FORWARD_ZONES,
                forward_options=FORWARD_OPTIONS,
                transfer_keys=TRANSFER_KEYS,
                notify=self._notify(),
            )
        )
        # rndc finds the control channel with: rndc -c DIRECTORY/rndc.conf
        write_secret(
            self.directory / "rndc.conf",
            f'include "{self.directory}/rndc.key";\n'
            f'options {{ default-key "{endpoint.rndc_key.name}"; default-server {LOOPBACK}; default-port {rndc_port}; }};\n',
        )
        save(endpoint, self.directory)
        return endpoint

    def _notify(self) -> str:
        """Whom to tell of new serials: nobody but who is named, because the NS of zones may be anybody's."""
        listed = " ".join(server.clause() for server in self._secondaries)
        return f"notify explicit; also-notify {{ {listed} }};" if listed else "notify no;"

    def _wait_ready(self, endpoint: Endpoint, boot_log: Path, *, timeout_s: float = 30.0) -> None:
        """An open port is not enough: zones may still be loading. `rndc status` says when it is up."""
        assert self._process is not None
        rndc = Rndc(endpoint, timeout_s=2.0)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise NameServerError("not_started", f"named ended at once: {_complaints(boot_log)}")
            with contextlib.suppress(NameServerError):
                if "server is up and running" in rndc.call("status"):
                    return
            time.sleep(0.02)
        raise NameServerError("not_started", f"named is not up after {timeout_s:g} s: {_complaints(boot_log)}")


def hold(directory: Path) -> None:
    """The server in `directory` shall not run until it is released; whoever keeps it running heeds that."""
    (directory / STOPPED).touch(mode=0o640)


def release(directory: Path) -> None:
    """The server in `directory` may run again."""
    (directory / STOPPED).unlink(missing_ok=True)


def held(directory: Path) -> bool:
    """Whether the server in `directory` is to stay stopped."""
    return (directory / STOPPED).exists()


def ended_at(directory: Path) -> datetime | None:
    """When the site itself has ended the server in `directory` last; of a server that died there is no trace."""
    try:
        return datetime.fromtimestamp((directory / ENDED).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def is_free(port: int) -> bool:
    """Whether nobody listens on the port, by TCP or UDP. `named` itself shares a taken one and half the queries go astray."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:  # connections of an earlier run that linger are not in the way
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True


def free_port() -> int:
    """A port that nobody uses now, by TCP or UDP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
        if is_free(port):
            return port


def _key_of_its_own() -> Key:
    """A key for updates and transfers with a name that no other private server has, so that one can be the primary of
    another: a server knows a key by its name, and has one key of a name (RFC 8945, section 4.2)."""
    return new_key(f"dnsadmin-update-{secrets.token_hex(4)}")


def _kept_or_free(port: int, taken: set[int]) -> int:
    while not port or port in taken or not is_free(port):
        port = free_port()
    taken.add(port)
    return port


def _quotable(directory: Path) -> str:
    text = str(directory)
    if any(character in text for character in '"\\\n'):
        raise NameServerError("not_started", f"named cannot work in a directory of such a name: {text!r}")
    return text


def _complaints(boot_log: Path) -> str:
    """The errors in what `named` wrote before it had its log files, or its last words."""
    lines = boot_log.read_text(errors="backslashreplace").splitlines() if boot_log.exists() else []
    errors = [line for line in lines if " error: " in line or ": error" in line or "loading configuration" in line]
    return "; ".join((errors or lines)[-3:]) or "it said nothing"
