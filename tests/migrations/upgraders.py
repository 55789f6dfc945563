"""Start processes that upgrade databases when they are asked to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .conftest import APPLIED

SCRIPT = Path(__file__).with_name("upgrader.py")


class Upgrader:
    """One process, ready to upgrade."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, url: str, revision: str = "head") -> None:
        """Have the database at ``url`` upgraded, without waiting for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([url, revision]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the end of the upgrade that was asked for."""
        return dict(json.loads(self.read()))

    def read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def upgraders(
    count: int, python: str | Path = sys.executable, *arguments: str | Path
) -> Iterator[list[Upgrader]]:
    """Start ``count`` processes and wait until all have imported what they need."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with ExitStack() as stack:
        started = []
        for _ in range(count):
            process = subprocess.Popen(
                [python, str(SCRIPT), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
            )
            started.append(Upgrader(stack.enter_context(process)))
        for upgrader in started:
            assert upgrader.read() == "ready"
        yield started


def upgrade_at_once(
    processes: Sequence[Upgrader], url: str, revision: str = "head", applied: str = APPLIED
) -> None:
    """Upgrade one database in all ``processes``: all succeed and one of them did it."""
    for upgrader in processes:
        upgrader.ask(url, revision)
    answers = [upgrader.answer() for upgrader in processes]
    assert Counter((answer["exit_code"], answer["output"]) for answer in answers) == {
        (0, applied): 1,
        (0, "Nothing to do: the credit tables are at that revision already\n"): len(processes) - 1,
    }
