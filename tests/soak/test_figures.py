"""The long tests stay out of an ordinary run, and their figures come out of a long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ..figures import scaled

ROOT = Path(__file__).resolve().parents[2]

SUITE = """
import pytest

def test_short():
    pass

@pytest.mark.soak
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_long(database, figures):
    figures(sessions=1200, lost=0)
    figures(deliveries=3600)
    figures.detail("kills by step", {"commit": 7})
"""


def _run(folder: Path, *arguments: str) -> str:
    (folder / "test_it.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = soak: long\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.figures", str(folder), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_long_tests_are_left_out_of_an_ordinary_run(tmp_path: Path) -> None:
    said = _run(tmp_path)
    assert "1 passed, 2 deselected" in said
    assert "figures" not in said


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_long_run_prints_one_table(tmp_path: Path, workers: str) -> None:
    said = _run(tmp_path, "--soak", "-n", workers)
    assert "2 passed" in said
    assert "| test_long | sqlite     | 1,200    | 3,600      | 0    | 0       |" in said
    assert "test_long[postgresql]: kills by step" in said


def test_counts_are_scaled_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOAK_SCALE", raising=False)
    assert scaled(2000) == 2000
    monkeypatch.setenv("SOAK_SCALE", "0.1")
    assert (scaled(2000), scaled(3), scaled(3, least=2)) == (200, 1, 2)
