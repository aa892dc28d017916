"""An existing BIND instead of the private one: driven by the same code, and told what its configuration lacks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import call_command

from tests.nameserver.conftest import HostedZone
from zones.nameserver.conf import NamedSettings
from zones.nameserver.diagnosis import Finding, diagnose
from zones.nameserver.endpoint import Endpoint, endpoint, new_key
from zones.nameserver.errors import NameServerError
from zones.nameserver.private import PrivateNamed
from zones.nameserver.rndc import Rndc
from zones.nameserver.statistics import asked_serials, figures, serials, zone_serials

Configure = Callable[..., None]


@pytest.fixture
def existing(own_named: PrivateNamed, settings: Any) -> Endpoint:
    """A running BIND that the site knows by its settings only."""
    where = own_named.start()
    settings.NAMED = NamedSettings(
        host=where.host,
        port=where.port,
        rndc_port=where.rndc_port,
        rndc_key_file=own_named.directory / "rndc.key",
        tsig_key_file=own_named.directory / "tsig.key",
        statistics_url=where.statistics_url,
        zone_dir=where.zone_dir,
        log_dir=where.log_dir,
    )
    return where


@pytest.fixture
def change_settings(existing: Endpoint, settings: Any) -> Configure:
    def change(**values: Any) -> None:
        settings.NAMED = msgspec.structs.replace(settings.NAMED, **values)

    return change


@pytest.fixture
def change_configuration(existing: Endpoint, own_named: PrivateNamed) -> Configure:
    """Replace text of `named.conf` and have it read again."""

    def change(old: str, new: str) -> None:
        file = own_named.directory / "named.conf"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        Rndc(existing).call("reconfig")

    return change


def by_code(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.code: finding for finding in findings}


def test_a_server_known_by_settings_is_the_same_to_us(existing: Endpoint) -> None:
    assert endpoint() == msgspec.structs.replace(existing, private=False)


def test_missing_settings_are_named(settings: Any) -> None:
    settings.NAMED = NamedSettings(host="127.0.0.1")
    with pytest.raises(NameServerError, match="DNSADMIN_NAMED_RNDC_KEY_FILE and DNSADMIN_NAMED_TSIG_KEY_FILE"):
        endpoint()
    (finding,) = diagnose()
    assert finding.ok is False
    assert "tsig-keygen" in finding.remedy


def test_a_server_in_order_passes_every_check_and_keeps_nothing_of_it(existing: Endpoint) -> None:
    findings = diagnose()
    assert [finding.code for finding in findings if not finding.ok] == []
    assert {"port", "tsig", "rndc", "zone_dir", "new_zones", "updates", "transfers", "statistics", "logs"} <= {
        finding.code for finding in findings
    }
    assert list(existing.zone_dir.iterdir()) == []
    assert zone_serials(existing) == {}


def test_a_server_that_is_down(existing: Endpoint, own_named: PrivateNamed) -> None:
    own_named.stop()
    found = by_code(diagnose())
    assert found["port"].ok is False
    assert f"listen-on port {existing.port}" in found["port"].remedy
    assert found["tsig"].ok is None
    assert found["rndc"].ok is False
    assert f"controls {{ inet 127.0.0.1 port {existing.rndc_port}" in found["rndc"].remedy
    assert found["statistics"].ok is False
    assert found["new_zones"].ok is None


def test_a_tsig_key_that_the_server_does_not_know(change_settings: Configure, tmp_path: Path) -> None:
    key = new_key("stranger")
    file = tmp_path / "stranger.key"
    file.write_text(key.clause())
    change_settings(tsig_key_file=file)
    found = by_code(diagnose())
    assert found["port"].ok
    assert found["tsig"].ok is False
    assert found["tsig"].remedy == f'include "{file}";'
    assert key.secret not in str(diagnose())


def test_the_remedy_for_an_unknown_key_is_one(
    existing: Endpoint, change_settings: Configure, own_named: PrivateNamed, tmp_path: Path
) -> None:
    file = tmp_path / "stranger.key"
    file.write_text(new_key("stranger").clause())
    change_settings(tsig_key_file=file)
    configuration = own_named.directory / "named.conf"
    configuration.write_text(f"{by_code(diagnose())['tsig'].remedy}\n{configuration.read_text()}")
    Rndc(existing).call("reconfig")
    assert by_code(diagnose())["tsig"].ok


def test_a_wrong_rndc_key(change_settings: Configure, tmp_path: Path) -> None:
    file = tmp_path / "rndc.key"
    file.write_text(new_key("dnsadmin-rndc").clause())
    change_settings(rndc_key_file=file)
    finding = by_code(diagnose())["rndc"]
    assert finding.ok is False
    assert "does not accept our rndc key" in finding.detail
    assert f'include "{file}";' in finding.remedy


def test_a_server_that_takes_no_new_zones(change_configuration: Configure) -> None:
    change_configuration("allow-new-zones yes;", "")
    finding = by_code(diagnose())["new_zones"]
    assert finding.ok is False
    assert finding.remedy == "options { allow-new-zones yes; };"


def test_a_zone_directory_that_the_site_cannot_write(change_settings: Configure, tmp_path: Path) -> None:
    change_settings(zone_dir=tmp_path / "nowhere")
    found = by_code(diagnose())
    assert found["zone_dir"].ok is False
    assert found["new_zones"].ok is None


def test_a_zone_directory_that_the_server_cannot_write(existing: Endpoint, own_named: PrivateNamed) -> None:
    """The server of another user: it reads the zone, and cannot keep the journal of its changes."""
    if subprocess.run(["id", "-u"], capture_output=True, text=True).stdout.strip() != "0":
        pytest.skip("only root can start a server of another user")
    own_named.stop()
    for path in (own_named.directory, *own_named.directory.rglob("*")):
        subprocess.run(["chown", "nobody", path], check=True)
    for path in own_named.directory.parents:
        if path.stat().st_mode & 0o001 == 0:
            path.chmod(path.stat().st_mode | 0o011)
    subprocess.run(["chown", "root", existing.zone_dir], check=True)
    existing.zone_dir.chmod(0o755)
    server = subprocess.Popen(
        ["runuser", "-u", "nobody", "--", "named", "-f", "-c", str(own_named.directory / "named.conf"), "-n", "1"],
        start_new_session=True,
    )
    try:
        _wait_until_up(existing)
        found = by_code(diagnose())
        assert found["new_zones"].ok
        assert found["updates"].ok is False
        assert f"install -d -o bind -g root -m 2775 {existing.zone_dir}" in found["updates"].remedy
    finally:
        subprocess.run(["rndc", "-c", own_named.directory / "rndc.conf", "stop"], check=False, capture_output=True)
        server.wait(20)


def test_statistics_and_logs_that_are_not_set(existing: Endpoint, change_settings: Configure) -> None:
    change_settings(statistics_url="", log_dir=None)
    found = by_code(diagnose())
    assert found["statistics"].ok is False
    assert "DNSADMIN_NAMED_STATISTICS_URL" in found["statistics"].remedy
    assert found["logs"].ok is None
    assert "category queries" in found["logs"].remedy


def test_serials_can_be_asked_for_without_a_statistics_channel(existing: Endpoint) -> None:
    from zones.nameserver.hosting import add_zone

    add_zone(existing, "there.test", "@ 60 SOA ns h 5 6 7 8 9\n@ 60 NS ns.example.net.\n")
    assert asked_serials(existing, ["there.test", "not-there.test"]) == zone_serials(existing) == {"there.test": 5}
    assert serials(existing, ["there.test", "not-there.test"]) == {"there.test": 5}


def test_serials_of_a_private_server_are_read_without_a_question(named: PrivateNamed, zone: HostedZone) -> None:
    where = zone.endpoint
    before = figures(where).counters["dns_queries"]
    assert serials(where, [zone.name]) == {zone.name: 7}
    assert figures(where).counters["dns_queries"] == before


def test_the_command_says_it_all_and_ends_with_a_status(
    existing: Endpoint, change_configuration: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("nameserver_check")
    assert "ok      Taking a new zone" in capsys.readouterr().out
    change_configuration("allow-new-zones yes;", "")
    with pytest.raises(SystemExit) as ended:
        call_command("nameserver_check", "--json")
    assert ended.value.code == 1
    findings = {finding["code"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["new_zones"]["ok"] is False
    assert findings["updates"]["ok"] is None


def _wait_until_up(where: Endpoint) -> None:
    import time

    for _ in range(200):
        try:
            Rndc(where).call("status")
            return
        except NameServerError:
            time.sleep(0.05)
    raise AssertionError("named did not come up")
