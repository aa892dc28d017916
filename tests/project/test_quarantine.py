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
STILL_WORKS = (
    "tests/realtime/test_protocol.py",
    "tests/realtime/test_routes.py",
)


@pytest.mark.timeout(600)  # the checks of a whole checkout
def test_the_rest_stands_without_the_old_sockets(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        source, target = CHECKOUT / name, copy / name
        if not source.is_file() or "legacy" in Path(name).parts:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.suffix in CODE and TAG in (text := source.read_text()):
            target.write_text("".join(line for line in text.splitlines(keepends=True) if TAG not in line))
        else:
            shutil.copy(source, target)
    (copy / "node_modules").symlink_to(CHECKOUT / "node_modules")

    def run(*command: str) -> None:
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/bin",
            "DNSADMIN_DATA_DIR": str(tmp_path / "data"),
            "HOME": str(tmp_path),
        }
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"

    python = sys.executable
    run(python, "-m", "ruff", "check", ".")
    run(str(Path(python).parent / "lint-imports"), "--no-cache")
    run(python, "manage.py", "check", "--fail-level", "WARNING")
    run(python, "manage.py", "makemigrations", "--check", "--dry-run")
    run("node_modules/.bin/tsc", "--noEmit")
    run(python, "-c", "import dnsadmin.asgi")
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *STILL_WORKS)
