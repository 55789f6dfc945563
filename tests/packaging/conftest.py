"""The wheel, and a clean virtual environment with it: made once per run, for all workers."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return ``folder``, filled by ``make`` if no other worker of this run has done so."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        finished = folder / "finished"
        if not finished.exists():
            make(folder)
            finished.touch()
    return folder


def run(*command: str | Path) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="session")
def built_wheel(run_directory: Path) -> Path:
    """The wheel of the source tree as it is now."""

    def make(folder: Path) -> None:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
        run(*build, "--outdir", folder, ROOT)

    (wheel,) = made_once(run_directory / "wheel", make).glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def wheel_venv(run_directory: Path, built_wheel: Path) -> Path:
    """The Python of a virtual environment with the wheel and psycopg, without pip."""

    def install(folder: Path) -> None:
        run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
        python = folder / "venv" / "bin" / "python"
        # What is imported is compiled when it is; the rest needn't be.
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
        run(*pip, "--no-compile", "--disable-pip-version-check", built_wheel, "psycopg[binary]")

    return made_once(run_directory / "environment", install) / "venv" / "bin" / "python"
