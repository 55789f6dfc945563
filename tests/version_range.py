"""Print the constraints of one cell of the range of versions that ``pyproject.toml`` allows.

Run as a script, for ``make test-range``: what we promise is what we try. Arguments are
``flask=3.0`` for the newest of a series, ``stripe=lowest`` for the lowest that is allowed,
``all=lowest``; ``flask=`` constrains nothing, so that the newest is taken.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def lowest_versions() -> dict[str, str]:
    """Name → lowest version, for each dependency of the package."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    found = [re.match(r"([\w-]+)>=([\d.]+)", line) for line in project["dependencies"]]
    if None in found:
        raise SystemExit("a dependency in pyproject.toml has no lower bound")
    return {match[1]: match[2] for match in found if match}


def constraints(cell: Iterable[str]) -> list[str]:
    """One line for each dependency that the cell fixes."""
    lowest = lowest_versions()
    chosen: dict[str, str] = {}
    for part in cell:
        name, _, version = part.partition("=")
        names = [name] if name in lowest else list(lowest) if name == "all" else None
        if names is None:
            raise SystemExit(f"{name!r} is no dependency in pyproject.toml")
        if version == "lowest":
            chosen |= {one: lowest[one] for one in names}
        elif version:
            chosen |= dict.fromkeys(names, f"{version}.*")
    return [f"{name}=={version}" for name, version in chosen.items()]


if __name__ == "__main__":
    print("\n".join(constraints(sys.argv[1:])))
