"""Somebody clones the repository and types what the README says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.example_app.demo_process import STOP_SECONDS, DemoProcess
from tests.example_app.http_buyer import buy_and_pay, refund

from .test_second_host import ROOT, blocks, commands

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine"),
]
TRY_IT = ("make demo", "make test")


def clone(target: Path) -> None:
    """Make ``target`` what a clone of the tree would be if all of it were committed now."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).exists():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target / name)
        return
    ignored = shutil.ignore_patterns(".venv*", ".demo", "dist", "_build", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, target, ignore=ignored, dirs_exist_ok=True)


class ClonesDemo(DemoProcess):
    """``make demo``, in a folder where nothing has been made before."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / ".demo")
        self.folder = folder

    def spawn(self) -> subprocess.Popen[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            # What a make, a virtual environment or an app around this test has set.
            if not name.startswith(("MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON", "FLASK_", "STRIPE_"))
        }
        ports = {"PORT": str(self.port), "SANDBOX_PORT": str(self.sandbox_port)}
        self.process = subprocess.Popen(
            TRY_IT[0].split(),
            cwd=self.folder,
            env=environment | ports,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return self.process

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Press Ctrl-C, which a terminal sends to make and to all that it started."""
        process, self.process = self.process, None
        if process is None:
            return 0, ""
        if process.poll() is None:
            os.killpg(process.pid, number)
        said, _ = process.communicate(timeout=STOP_SECONDS)
        return process.returncode, said


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[ClonesDemo]:
    clone(tmp_path / "clone")
    demo = ClonesDemo(tmp_path / "clone")
    yield demo
    demo.stop()


def test_make_demo_in_a_fresh_clone_sells(demo: ClonesDemo) -> None:
    assert not (demo.folder / ".venv").exists() and (demo.folder / "Makefile").exists()
    said = demo.start()
    assert demo.url in said and demo.sandbox_url in said
    purchase = buy_and_pay(demo, "alice")
    assert demo.ledger("alice") == [(1_000, "purchase")]
    assert demo.balance("alice") == 1_000
    session = demo.session_of(purchase["purchase_id"])
    refund(demo, session)
    demo.wait_for_ledger("alice", [(1_000, "purchase"), (-1_000, "refund")])
    _, said = demo.stop()
    assert "Stopped" in said
    there = {path.name for path in demo.folder.iterdir()}
    assert {".venv", ".demo"} <= there


def test_every_command_of_the_readme_is_one_that_is_run() -> None:
    """``make test`` is what runs this, in CI in a fresh clone; the rest is test_second_host's."""
    typed = {line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()}
    run = {line for start in ("export ", "flask ", "curl ") for line in commands(start)}
    others = {line.split(" #")[0].strip() for line in typed if line} - run
    assert others == set(TRY_IT)
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{command.split()[1]}: " in makefile for command in TRY_IT)
