"""Files of ``NAME=value`` lines, as shells, containers and python-dotenv read them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path


def assignment(name: str) -> re.Pattern[str]:
    """What a line that sets ``name`` looks like; its group ``value`` is all behind the sign."""
    return re.compile(rf"\s*(?:export\s+)?{name}\s*=(?P<value>.*)", re.DOTALL)


def sourcing(path: Path) -> str:
    """What a shell is told, so that the processes it starts have what is in the file."""
    name = shlex.quote(str(path))
    return f"set -a; . {name if '/' in name else f'./{name}'}; set +a"
