"""`tools/dev.py`: what it asks of a machine, and how it behaves where it may not change it."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def dev() -> ModuleType:
    """The script as a module of the test's own, so that a test may point it elsewhere."""
    spec = importlib.util.spec_from_file_location("dev", CHECKOUT / "tools" / "dev.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bare_checkout() -> Iterator[Path]:
    """A checkout without a virtual environment, that everybody may read and write."""
    directory = Path(tempfile.mkdtemp(prefix="dnsadmin-bare-"))
    directory.chmod(0o777)
    shutil.copytree(CHECKOUT / "tools", directory / "tools")
    yield directory
    shutil.rmtree(directory)


def run_as_ordinary_user(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command with almost no programs on the PATH, as somebody who is not root."""
    nobody = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    groups = [] if nobody else None
    return subprocess.run(
        command,
        env={"PATH": "/nonexistent"},
        user=nobody,
        group=nobody,
        extra_groups=groups,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def public_python() -> str:
    """A Python that every user may start; the one of this environment may lie in somebody's home."""
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        try:
            if run_as_ordinary_user([candidate, "-c", "import ensurepip, venv"]).returncode == 0:
                return candidate
        except PermissionError:
            continue
    pytest.skip("no Python here that an ordinary user may start")


@pytest.mark.parametrize(
    ("command", "packages"),
    [
        ("run", "bind9-utils bind9-dnsutils nodejs npm"),
        ("check", "nodejs npm"),
        ("test", "bind9-utils bind9-dnsutils nodejs npm redis-server chromium curl openssl"),
    ],
)
def test_who_is_not_root_is_told_the_one_line_that_installs_what_is_missing(
    bare_checkout: Path, command: str, packages: str
) -> None:
    done = run_as_ordinary_user([public_python(), str(bare_checkout / "tools" / "dev.py"), command])
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == f"sudo apt install {packages}"
    assert not (bare_checkout / ".venv").exists(), "nothing is begun that cannot be finished"


def test_installed_services_are_not_started_and_no_policy_is_left_behind(dev: ModuleType, tmp_path: Path) -> None:
    dev.POLICY = tmp_path / "policy-rc.d"
    with dev.services_not_started():
        assert subprocess.run([dev.POLICY], check=False).returncode == 101
    assert not dev.POLICY.exists()


def test_a_policy_of_the_machine_is_respected(dev: ModuleType, tmp_path: Path) -> None:
    dev.POLICY = tmp_path / "policy-rc.d"
    dev.POLICY.write_text("#!/bin/sh\nexit 104\n")
    with dev.services_not_started():
        pass
    assert dev.POLICY.read_text() == "#!/bin/sh\nexit 104\n"


def test_debians_programs_are_found_off_the_path_of_ordinary_users(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert dev.program("initdb")
    assert dev.program("named")
    assert dev.program("no-such-program") is None


@pytest.mark.parametrize("command", ["run", "test", "check", "bench", "soak"])
def test_make_only_calls_the_script(command: str) -> None:
    # We may run under make ourselves.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "ARGS"))}
    done = subprocess.run(["make", "-n", command], cwd=CHECKOUT, env=own, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["python3", "tools/dev.py", command]


def test_help_names_every_command_with_its_purpose() -> None:
    done = subprocess.run(
        [sys.executable, CHECKOUT / "tools" / "dev.py", "--help"], capture_output=True, text=True, check=True
    )
    for line in (
        "run    Bring the database up to date",
        "check  Run every check",
        "example: python3 tools/dev.py test",
    ):
        assert line in done.stdout
