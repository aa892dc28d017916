"""The private server: starts where it should, keeps what it has, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.nameserver.conftest import HostedZone, dig
from zones.nameserver.endpoint import Endpoint, new_key, read_key, saved
from zones.nameserver.errors import CommandFailed, KeyRefused, NameServerError, Unreachable
from zones.nameserver.private import LOOPBACK, PrivateNamed, free_port
from zones.nameserver.rndc import MAX_COMMAND_BYTES, Rndc
from zones.nameserver.statistics import statistics, zone_serials


def test_it_listens_on_the_port_that_was_asked_for_and_on_loopback_only(tmp_path: Path) -> None:
    port = free_port()
    server = PrivateNamed(tmp_path / "named", port)
    endpoint = server.start()
    try:
        assert (endpoint.host, endpoint.port) == (LOOPBACK, port)
        listening = {
            connection.laddr.ip
            for connection in psutil.Process(server.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {LOOPBACK}
    finally:
        server.stop()


def test_ports_keys_and_zones_are_the_same_after_a_restart(
    own_named: PrivateNamed, host: Callable[..., HostedZone]
) -> None:
    before = own_named.start()
    zone = host(before)
    assert own_named.restart() == before == saved(own_named.directory)
    assert zone.dig("www", "A") == ["300 192.0.2.1"]


def test_files_with_secrets_are_for_the_owner_only(own_named: PrivateNamed) -> None:
    endpoint = own_named.start()
    for file in own_named.directory.rglob("*"):
        if not file.is_file():
            continue
        text = file.read_text(errors="replace")
        if endpoint.tsig.secret in text or endpoint.rndc_key.secret in text:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_secrets_are_in_no_printed_form(own_named: PrivateNamed) -> None:
    endpoint = own_named.start()
    assert endpoint.tsig.secret not in repr(endpoint)
    assert endpoint.tsig.secret not in str(endpoint)


def test_what_it_does_not_serve_is_not_looked_for_outside(own_named: PrivateNamed) -> None:
    endpoint = own_named.start()
    assert dig(endpoint, "www.example.com", "A", "+rec") == []
    log = (own_named.directory / "log" / "named.log").read_text()
    asked = {line.rsplit("'", 1)[1].strip(": ") for line in log.splitlines() if "resolving" in line}
    assert asked == {"127.0.0.1#53"}


def test_a_taken_port_is_an_error_in_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(NameServerError, match=f"port {port} .* is taken .* DNSADMIN_NAMED_PORT") as refused:
            PrivateNamed(tmp_path / "named", port).start()
    assert refused.value.code == "in_use"


def test_two_never_work_in_one_directory(own_named: PrivateNamed) -> None:
    with pytest.raises(NameServerError) as refused:
        PrivateNamed(own_named.directory).start()
    assert refused.value.code == "runs_elsewhere"
    assert own_named.poll() is None


def test_one_whose_site_was_killed_is_ended_and_replaced(own_named: PrivateNamed) -> None:
    before = own_named.start()
    orphan = own_named.pid
    assert orphan
    os.close(own_named._lock)  # type: ignore[arg-type]  # as the kernel does when the site dies
    own_named._lock = None
    heir = PrivateNamed(own_named.directory, before.port)
    try:
        assert heir.start() == before
        assert heir.pid != orphan
        assert own_named.poll() is not None
    finally:
        heir.stop()


def test_a_stopped_process_is_ended_all_the_same(own_named: PrivateNamed) -> None:
    pid = own_named.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    own_named.stop()
    assert not psutil.pid_exists(pid)


def test_it_is_seen_that_it_died(own_named: PrivateNamed) -> None:
    assert own_named.poll() is None
    assert own_named.pid
    os.kill(own_named.pid, signal.SIGKILL)
    own_named._process.wait(5)  # type: ignore[union-attr]
    assert own_named.poll() == -signal.SIGKILL
    own_named.restart()
    assert own_named.poll() is None


def test_a_program_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(NameServerError, match="install BIND 9") as refused:
        PrivateNamed(tmp_path / "named", program="no-such-named").start()
    assert refused.value.code == "not_installed"


def test_a_configuration_that_named_refuses_is_told_with_its_words(own_named: PrivateNamed) -> None:
    own_named.stop()
    (own_named.directory / "rpz-zones.conf").write_text("nonsense;\n")
    with pytest.raises(NameServerError, match="unknown option 'nonsense'") as refused:
        own_named.start()
    assert refused.value.code == "not_started"


def test_the_included_files_are_there_for_response_policies_and_forward_zones(own_named: PrivateNamed) -> None:
    endpoint = own_named.start()
    forward = f"forwarders {{ {LOOPBACK} port {endpoint.port}; }};"
    (own_named.directory / "forward-zones.conf").write_text(f"zone forward.test {{ type forward; {forward} }};\n")
    (own_named.directory / "zones" / "rpz").write_text(
        "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.example.net.\nbad.test 60 CNAME .\n"
    )
    (own_named.directory / "rpz-zones.conf").write_text('zone rpz.local { type primary; file "zones/rpz"; };\n')
    (own_named.directory / "rpz-options.conf").write_text('response-policy { zone "rpz.local"; };\n')
    Rndc(endpoint).call("reconfig")
    assert {"rpz.local"} <= zone_serials(endpoint).keys()
    own_named.restart()
    assert {"rpz.local"} <= zone_serials(endpoint).keys()


def test_it_runs_from_a_copy_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does where AppArmor confines the installed one."""
    enabled = tmp_path / "enabled"
    enabled.write_text("Y\n")
    monkeypatch.setattr("zones.nameserver.private._APPARMOR", enabled)
    monkeypatch.setattr("zones.nameserver.private._APPARMOR_PROFILE", enabled)
    server = PrivateNamed(tmp_path / "named")
    server.start()
    try:
        assert psutil.Process(server.pid).exe() == str(tmp_path / "named" / "bin" / "named")
    finally:
        server.stop()


# -- the control channel ------------------------------------------------------------------------------------------------


def rndc(endpoint: Endpoint, command: str) -> subprocess.CompletedProcess[str]:
    configuration = endpoint.zone_dir.parent / "rndc.conf"
    return subprocess.run(["rndc", "-c", configuration, *command.split()], capture_output=True, text=True, timeout=10)


@pytest.mark.parametrize("command", ["status", "zonestatus {zone}", "showzone {zone}", "querylog on", "null"])
def test_our_control_channel_answers_what_the_rndc_program_prints(zone: HostedZone, command: str) -> None:
    command = command.format(zone=zone.name)
    assert Rndc(zone.endpoint).call(command).strip() == rndc(zone.endpoint, command).stdout.strip()


@pytest.mark.parametrize("command", ["zonestatus nowhere.test", "no-such-command", "freeze nowhere.test"])
def test_what_the_rndc_program_calls_a_failure_is_one_with_the_same_reason(endpoint: Endpoint, command: str) -> None:
    printed = rndc(endpoint, command)
    assert printed.returncode == 1
    with pytest.raises(CommandFailed) as failed:
        Rndc(endpoint).call(command)
    assert failed.value.reason in printed.stderr
    assert failed.value.result > 0


def test_long_answers_and_commands_near_the_limit_pass(endpoint: Endpoint) -> None:
    comment = "x" * (MAX_COMMAND_BYTES - 200)
    with pytest.raises(CommandFailed):
        Rndc(endpoint).call(f"zonestatus nowhere.test IN {comment}")
    with pytest.raises(NameServerError) as refused:
        Rndc(endpoint).call("x" * (MAX_COMMAND_BYTES + 1))
    assert refused.value.code == "too_large"


def test_a_wrong_rndc_key_is_told_from_a_server_that_is_down(own_named: PrivateNamed) -> None:
    endpoint = own_named.start()
    with pytest.raises(KeyRefused, match="does not accept our rndc key"):
        Rndc(msgspec.structs.replace(endpoint, rndc_key=new_key(endpoint.rndc_key.name))).call("status")
    own_named.stop()
    with pytest.raises(Unreachable, match="cannot be reached"):
        Rndc(endpoint).call("status")


def test_a_server_that_hangs_does_not_hang_the_caller(own_named: PrivateNamed) -> None:
    endpoint = own_named.start()
    assert own_named.pid
    os.kill(own_named.pid, signal.SIGSTOP)
    with pytest.raises(Unreachable) as failed:
        Rndc(endpoint, timeout_s=0.3).call("status")
    assert failed.value.code == "timed_out"
    with pytest.raises(Unreachable):
        statistics(endpoint, timeout_s=0.3)


def test_something_else_behind_the_port_is_told_as_such(endpoint: Endpoint) -> None:
    with pytest.raises(NameServerError):
        Rndc(msgspec.structs.replace(endpoint, rndc_port=endpoint.port), timeout_s=1).call("status")


# -- keys and statistics ------------------------------------------------------------------------------------------------


def test_keys_are_read_as_the_tools_of_bind_write_them(tmp_path: Path) -> None:
    for algorithm in ("hmac-sha256", "hmac-sha512"):
        text = subprocess.run(["tsig-keygen", "-a", algorithm, "Some.Key"], capture_output=True, text=True).stdout
        file = tmp_path / "key"
        file.write_text(f"# comment: key wrong {{ }}\n/* more */ {text}\nkey second {{ algorithm x; secret y; }};\n")
        key = read_key(file)
        assert (key.name, key.algorithm) == ("some.key", algorithm)
        assert f'"{key.secret}"' in text


@pytest.mark.parametrize(
    "text", ["", "nothing here", "key a { algorithm hmac-sha256; };", 'key a { algorithm b; secret "c"; };']
)
def test_a_file_without_a_key_is_an_error_that_shows_nothing_of_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(NameServerError) as refused:
        read_key(file)
    assert refused.value.code == "bad_key_file"
    assert str(file) in str(refused.value)


def test_the_statistics_tell_version_start_and_serials(zone: HostedZone) -> None:
    told = statistics(zone.endpoint)
    assert told.version.startswith("9.")
    assert told.booted_at <= told.configured_at
    assert told.serials[zone.name] == 7
