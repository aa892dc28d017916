#!/usr/bin/env python3
"""Django's command line, with the project's settings."""

import atexit
import gc
import os
import sys


def main() -> None:
    atexit.register(gc.freeze)  # the memory goes anyway: at the end Python need not search it for cycles
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsadmin.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads what we print has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
