"""What `deploy/` holds, as far as it can be examined without the programs that it is for."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from tests.parts.site import CHECKOUT

DEPLOY = CHECKOUT / "deploy"


def services() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"])


def test_prometheus_accepts_the_rules() -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool (package prometheus) is not installed")
    done = subprocess.run(
        ["promtool", "check", "rules", DEPLOY / "prometheus" / "rules.yml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_copied_into_the_image_is_there() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    copied = [shlex.split(line)[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    assert [name for names in copied for name in names if not (CHECKOUT / name).exists()] == []


def test_what_is_secret_or_built_elsewhere_stays_out_of_the_image() -> None:
    assert {".git", ".venv", "node_modules", "var"} <= set((CHECKOUT / ".dockerignore").read_text().split())


def test_the_services_run_commands_of_the_site_and_mount_what_is_there() -> None:
    volumes = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["volumes"]
    for name, service in services().items():
        command = service.get("command", [])
        assert command[1:2] != ["manage.py"] or command[2] in get_commands(), name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in volumes or (DEPLOY / source).exists(), f"{name}: {volume}"
        for needed in service.get("depends_on", []):
            assert needed in services(), f"{name}: {needed}"


def test_all_processes_of_the_site_live_as_on_one_machine() -> None:
    """They share the private name server: its files, its process id, and its ports on loopback."""
    processes = [each for name, each in services().items() if name.startswith("web") or name == "monitors"]
    assert len(processes) == 3
    for process in processes:
        assert (process["network_mode"], process["pid"]) == ("service:machine", "service:machine")
        assert process["volumes"] == services()["migrate"]["volumes"]
    ports = {str(process["environment"]["DNSADMIN_PORT"]) for process in processes}
    proxied = (DEPLOY / "nginx" / "compose.conf").read_text()
    assert all(f"server machine:{port};" in proxied for port in ports)


def test_every_variable_given_to_a_process_is_a_setting() -> None:
    settings = (DEPLOY / "dnsadmin.env").read_text().splitlines()
    variables = {line.partition("=")[0] for line in settings if line.startswith("DNSADMIN_")}
    variables |= set(services()["web2"]["environment"])
    known = set((CHECKOUT / "docs" / "reference" / "settings.md").read_text().split("`"))
    assert variables <= known, variables - known
