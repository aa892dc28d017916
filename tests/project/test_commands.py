"""Every management command of the project explains itself."""

from __future__ import annotations

import pytest
from django.core.management import get_commands, load_command_class

APPS = ("dnsadmin", "monitoring", "realtime", "security", "zones")
COMMANDS = sorted(name for name, app in get_commands().items() if app in APPS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_with_an_example(name: str) -> None:
    command = load_command_class(get_commands()[name], name)
    text = " ".join(command.create_parser("manage.py", name).format_help().split())
    assert command.help.strip(), "what is it for?"
    assert f"manage.py {name}" in text[text.lower().index("example") :], "the example shows how it is called"
