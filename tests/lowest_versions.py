"""Print a constraints file with the lowest versions that ``pyproject.toml`` allows.

Run as a script, for ``make test-lowest``: what we promise is what we try.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def lowest_versions() -> list[str]:
    """One ``name==version`` for each dependency of the package."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    found = [re.match(r"([\w-]+)>=([\d.]+)", line) for line in project["dependencies"]]
    if None in found:
        raise SystemExit("a dependency in pyproject.toml has no lower bound")
    return ["==".join(match.groups()) for match in found if match]


if __name__ == "__main__":
    print("\n".join(lowest_versions()))
