"""In pip's place: everything that a requirements file pins is installed here, in just that version."""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def found(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


pins = re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)\s*(?:\\|$)", Path(sys.argv[1]).read_text(), re.MULTILINE)
different = {name: (pinned, found(name)) for name, pinned in pins if found(name) != pinned}
if not pins or different:
    sys.exit(f"{sys.argv[1]}: {different or 'nothing is pinned'}")
