"""Tests that need something of others from outside: left out unless ``--outside`` asks for them.

What they need is fetched once into a cache outside the tree. Where it can't be had they are skipped
and say why: nobody has to have a network to work on this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

_PATIENCE_SECONDS = 180
# Tried once a run: without a network every try takes its time.
_in_vain: dict[str, str] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--outside", action="store_true", help="run the tests that fetch something, and only them"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    outside = config.getoption("--outside")
    left_out = [item for item in items if (item.get_closest_marker("outside") is None) == outside]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def fetched(name: str, fetch: Callable[[Path], object]) -> Path:
    """Return a folder outside the tree that ``fetch`` has filled, now or some time ago.

    :param name: of the folder, with the version of what is in it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "flask-stripe-credits-tests" / name
    if folder.is_dir():
        return folder
    if name in _in_vain:
        pytest.skip(_in_vain[name])
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        fetch(fresh)
        fresh.rename(folder)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if folder.is_dir():  # another worker was quicker
            return folder
        _in_vain[name] = f"{name} can't be fetched: {error}"
        pytest.skip(_in_vain[name])
    return folder


def run_quietly(*command: str, folder: Path) -> None:
    """Run a command that fetches something.

    :raises OSError: when there is no such command.
    :raises subprocess.SubprocessError: when it fails or takes too long.
    """
    subprocess.run(
        command, cwd=folder, check=True, capture_output=True, timeout=_PATIENCE_SECONDS, text=True
    )
