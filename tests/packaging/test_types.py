"""The wheel tells type checkers what the source does: a host's files, checked against it.

If its types were missing, no wrong use would be reported, and each ignored one would be an error.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.packaging

FILES = ("host.py", "wrong_uses.py")
Checker = Callable[[Path, Path], tuple[int, str]]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder with the host's files and nothing else of ours."""
    for name in FILES:
        shutil.copy(ROOT / "tests" / "typing" / name, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "strict", "enableTypeIgnoreComments": false,'
        ' "reportUnnecessaryTypeIgnoreComment": "error"}'
    )
    return tmp_path


def check(folder: Path, *command: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def mypy(folder: Path, python: Path) -> tuple[int, str]:
    return check(folder, "mypy", "--strict", "--python-executable", str(python), ".")


def pyright(folder: Path, python: Path) -> tuple[int, str]:
    return check(folder, "pyright", "--pythonpath", str(python), ".")


@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda checker: checker.__name__)
def test_a_hosts_types_are_known_and_its_mistakes_reported(
    checker: Checker, host: Path, wheel_venv: Path
) -> None:
    code, told = checker(host, wheel_venv)
    assert code == 0, told
