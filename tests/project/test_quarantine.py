"""The old sockets can be taken out: without their folder and the tagged lines, everything else still stands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
TAG = "legacy".upper()  # not as it is, or this line would be cut as well
CODE = {".py", ".js", ".html", ".json"}
IMPORT_ALL = """
import importlib, pkgutil
from dnsadmin.asgi import application
for app in ("dnsadmin", "security", "monitoring", "zones", "realtime"):
    for module in pkgutil.walk_packages([app], f"{app}."):
        importlib.import_module(module.name)
"""
CHECK = """
import sys
sys.path.insert(0, "tools")
import dev
chosen = [step for step in dev.steps() if any(word in step.name for word in sys.argv[1:]) or not sys.argv[1:]]
chosen.append(dev.Step("JavaScript tests", dev.JAVASCRIPT_TESTS))
failed = [f"{outcome.step.name}: {outcome.output}" for outcome in dev.perform_all(chosen) if outcome.code]
sys.exit("\\n".join(failed) or 0)
"""
"""What `make check` does, and the tests of the JavaScript, on what is installed here already."""
QUICK_CHECKS = ("format", "lint", "import contracts", "migrations", "system checks", "JavaScript")
STILL_WORKS = (
    "tests/realtime/test_protocol.py",
    "tests/realtime/test_routes.py",
)
SO_DO = (
    "tests/realtime",
    "tests/alerts",
    "tests/system",
    "tests/pages/test_connection.py",
    "tests/pages/test_truth.py",
)


class Copy:
    """A checkout without the old sockets, as whoever removes them has it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "checkout"
        self._environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "DNSADMIN_DATA_DIR": str(directory / "data"),
            "HOME": str(directory),
        }
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in listed.stdout.splitlines():
            source, target = CHECKOUT / name, self.directory / name
            if not source.is_file() or "legacy" in Path(name).parts:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix in CODE and TAG in (text := source.read_text()):
                target.write_text("".join(line for line in text.splitlines(keepends=True) if TAG not in line))
            else:
                shutil.copy(source, target)
        (self.directory / "node_modules").symlink_to(CHECKOUT / "node_modules")
        (self.directory / ".venv").symlink_to(sys.prefix)
        # What is generated from the code follows it.
        self.run("manage.py", "settings_reference")
        self.run("manage.py", "realtime_export")

    def run(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(arguments)}:\n{done.stdout[-5000:]}{done.stderr[-3000:]}"

    def test(self, *paths: str) -> None:
        self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *paths)


@pytest.mark.timeout(600)  # the checks of a whole checkout
def test_the_rest_stands_without_the_old_sockets(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    copy.run("-c", CHECK, *QUICK_CHECKS)
    copy.run("-c", IMPORT_ALL)
    copy.test("--collect-only")
    copy.test(*STILL_WORKS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_check_and_most_that_uses_sockets_works_without_the_old_ones(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    copy.run("-c", CHECK)
    copy.test(*SO_DO)
