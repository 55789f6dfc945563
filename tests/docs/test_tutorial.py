"""The tutorial's files and commands, run as they are written, on a real sandbox and a real app."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pages import Block, blocks

PAGE = "tutorial/first-purchase.md"
READY_SECONDS = 60

needs_shell = pytest.mark.skipif(
    shutil.which("bash") is None or shutil.which("curl") is None,
    reason="the tutorial's commands need bash and curl",
)


class Reader:
    """Somebody who follows the page in one folder, with a terminal and servers in others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {documented: _free_port() for documented in ("5000", "5001")}
        self.servers: list[subprocess.Popen[bytes]] = []
        # The page activates a virtual environment; this one has the package already.
        (folder / ".venv" / "bin").mkdir(parents=True)
        (folder / ".venv" / "bin" / "activate").write_text(
            f'export PATH="{Path(sys.executable).parent}:$PATH"\n'
        )
        (folder / "terminal").write_text(". .venv/bin/activate\n")
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLASK_", "STRIPE_")) and not name.lower().endswith("_proxy")
        }

    def follow(self, block: Block, printed: str) -> str:
        """Do what ``block`` says; return what was printed."""
        code = block.code
        for documented, port in self.ports.items():
            code = code.replace(f"127.0.0.1:{documented}", f"127.0.0.1:{port}")
        if block.what == "file":
            (self.folder / block.name).write_text(code)
        elif block.what == "run":
            return self._run(code)
        elif block.what == "server":
            self._serve(code, self.ports[block.name])
        elif block.what == "prints":
            assert _matches(code, printed), f"the page shows\n{code}\nbut it was\n{printed}"
        return ""

    def stop(self) -> None:
        for server in self.servers:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(10)

    def _run(self, code: str) -> str:
        # What a terminal remembers between two commands: variables, and functions.
        script = (
            f"set -aeu -o pipefail\n. ./terminal\n{code}\n{{ export -p; declare -f; }} > terminal\n"
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _serve(self, code: str, port: int) -> None:
        # The page relies on the ports that are everybody's default.
        environment = self.environment | {"FLASK_RUN_PORT": str(port)}
        code = code.replace("flask credits sandbox", f"flask credits sandbox --port {port}")
        log = (self.folder / f"server-{port}.log").open("wb")
        with log:
            server = subprocess.Popen(
                ["bash", "-euc", code],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.servers.append(server)
        deadline = time.monotonic() + READY_SECONDS
        while not _listens(port):
            assert server.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < deadline, Path(log.name).read_text()
            time.sleep(0.05)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.stop()


@needs_shell
def test_the_tutorial_ends_with_a_paid_purchase_and_its_balance(reader: Reader) -> None:
    followed = blocks(PAGE)
    assert [block.name for block in followed if block.what == "server"] == ["5001", "5000"]
    assert followed[-1].what == "prints" and '"balance":1000' in followed[-1].code
    printed = ""
    for block in followed:
        printed = reader.follow(block, printed) or printed


def test_a_wrong_output_would_be_noticed() -> None:
    assert _matches("a … c\n", "a b b c\n")
    assert not _matches("a … c\n", "a b b d\n")
    assert not _matches('{"balance":1000}\n', '{"balance":2000}\n')


def _matches(shown: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
