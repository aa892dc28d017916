"""What is installed: pinned by hash, from nowhere in particular, and recent enough to be safe."""

from __future__ import annotations

import json
import re
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.version import Version

CHECKOUT = Path(__file__).resolve().parent.parent.parent
LOCKS = ["requirements.txt", "requirements-dev.txt"]

FLOORS = {
    "daphne": "4.2.2",  # CVE-2026-44545, unlimited message size; CVE-2026-44546, header smuggling
    "django": "5.2.14",  # CVE-2026-33034 and CVE-2026-5766, memory limits under ASGI; CVE-2026-1287, SQL injection
    "pyjwt": "2.12.0",  # CVE-2026-32597, unknown `crit` headers were accepted
    "djangorestframework-simplejwt": "5.5.1",  # CVE-2024-22513, tokens of deactivated users
    "djangorestframework": "3.15.2",  # CVE-2024-21520, XSS in the browsable API
    "channels": "3.0.3",  # CVE-2020-35681, scopes mixed up between requests
    "twisted": "26.4.0",  # CVE-2026-42304, in twisted.names
    "autobahn": "20.12.3",  # CVE-2020-35678, header injection
    "websockets": "9.1",  # CVE-2021-33880, timing of credential checks
    "uvicorn": "0.11.7",  # CVE-2020-7694 and CVE-2020-7695, log injection and response splitting
    "h11": "0.16.0",  # CVE-2025-43859, request smuggling
}
"""The least version of a package without the known vulnerabilities that would matter here."""


def pins(name: str) -> dict[str, str]:
    """Package -> version, of the packages that apply to this Python."""
    found = {}
    for line in (CHECKOUT / name).read_text().splitlines():
        if pin := re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)(?: ; (.*?))? \\", line):
            package, version, marker = pin.groups()
            if not marker or Marker(marker).evaluate():
                found[package.lower()] = version
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_by_hash_and_nothing_else_is_said(name: str) -> None:
    for line in (CHECKOUT / name).read_text().splitlines():
        assert re.fullmatch(
            r"[A-Za-z0-9._-]+(\[[^]]*\])?==[^ ]+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line
        ), line


@pytest.mark.parametrize("name", [*LOCKS, "package-lock.json"])
def test_no_lock_file_names_a_host_or_a_place_on_a_machine(name: str) -> None:
    text = (CHECKOUT / name).read_text()
    assert not re.search(r"https?:|file:|git\+|--(extra-)?index-url|--find-links|\"resolved\"| /", text)


def test_javascript_packages_are_pinned_by_hash_and_only_two_are_served() -> None:
    packages = json.loads((CHECKOUT / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert [name for name, package in packages.items() if not package.get("integrity")] == []
    assert [name for name, package in packages.items() if not package.get("dev")] == [
        "node_modules/punycode",
        "node_modules/uplot",
    ]


def test_what_runs_is_what_is_tested() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


def test_this_environment_holds_what_is_pinned() -> None:
    pinned = pins("requirements-dev.txt")
    assert {name: installed_version(name) for name in pinned} == pinned


@pytest.mark.parametrize(("package", "floor"), FLOORS.items())
def test_no_package_has_a_known_vulnerability(package: str, floor: str) -> None:
    assert Version(pins("requirements.txt")[package]) >= Version(floor)
