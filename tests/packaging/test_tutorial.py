"""The tutorial as it is written, from the wheel and an empty folder, in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.docs.pages import Block, blocks, codes, sections
from tests.ports import free_port
from tests.sandbox.chromium import MARKS, browser

PAGE = "tutorial/first-purchase.md"
MOST_LINES, MOST_COMMANDS = 10, 5
READY = "Ctrl-C stops all"

pytestmark = [pytest.mark.packaging]
__all__ = ["browser"]


def new_lines() -> list[str]:
    """What the page has a host add to its own app."""
    (app,) = (block for block in blocks(PAGE) if block.what == "file")
    return [line for line in app.code.splitlines() if line.endswith("  # new")]


def commands() -> list[str]:
    """What the page has its reader type, up to the purchase."""
    typed = (block.code for block in blocks(PAGE) if block.what in ("run", "server"))
    return [line for code in typed for line in code.splitlines()]


def test_it_takes_few_lines_and_few_commands() -> None:
    lines, typed = new_lines(), commands()
    assert 0 < len(lines) <= MOST_LINES
    assert 0 < len(typed) <= MOST_COMMANDS
    words = sections(PAGE)["Your first purchase"]
    numbers = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    assert f"{numbers[len(typed)]} commands, {numbers[len(lines)]} lines" in words


class Stranger:
    """Somebody who follows the page in one folder, with one terminal and a browser."""

    def __init__(self, folder: Path, wheel: Path, port: int, sandbox_port: int) -> None:
        self.folder, self.server = folder, None
        self._ports = {"5000": str(port), "5001": str(sandbox_port)}
        self._laps: list[tuple[str, float]] = []
        self._started = time.monotonic()
        constraint = folder.parent / "constraint.txt"
        constraint.write_text(f"flask-stripe-credits @ {wheel.as_uri()}\n")
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLASK_", "STRIPE_", "PYTHON", "VIRTUAL_ENV"))
        } | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PIP_CONSTRAINT": str(constraint),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            # What is imported is compiled when it is; the rest needn't be.
            "PIP_NO_COMPILE": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def on_our_ports(self, text: str) -> str:
        """The page relies on ports that everybody's machine has free but this one."""
        return re.sub(r"\b500[01]\b", lambda found: self._ports[found[0]], text)

    def lap(self, what: str) -> None:
        self._laps.append((what, time.monotonic() - self._started))

    def times(self) -> str:
        return "\n".join(f"{seconds:6.1f} s  {what}" for what, seconds in self._laps)

    def save(self, block: Block, change: Callable[[str], str]) -> None:
        (self.folder / block.name).write_text(change(block.code))

    def run(self, code: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        self.lap(code.strip().splitlines()[-1])

    def start(self, code: str) -> str:
        """Start the server and return what it says until it is ready."""
        ports = f"--port {self._ports['5000']} --sandbox-port {self._ports['5001']}"
        self.server = subprocess.Popen(
            ["bash", "-euc", f". .venv/bin/activate\nexec {code.strip()} {ports}"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.server.stdout is not None
        said = ""
        for line in self.server.stdout:
            said += line
            if READY in line:
                self.lap(code.strip())
                return said
        raise AssertionError(said)

    def stop(self) -> str:
        server = self.server
        if server is None or server.poll() is not None:
            return ""
        server.send_signal(signal.SIGINT)
        said, _ = server.communicate(timeout=60)
        assert server.returncode == 0, said
        return said


@pytest.fixture
def strangers(built_wheel: Path, tmp_path: Path) -> Iterator[Callable[[str], Stranger]]:
    made: list[Stranger] = []

    def arrive(name: str) -> Stranger:
        (tmp_path / name).mkdir()
        made.append(Stranger(tmp_path / name, built_wheel, free_port(), free_port()))
        return made[-1]

    yield arrive
    for stranger in made:
        stranger.stop()


@pytest.fixture
def window(browser: object) -> Iterator[Page]:
    context = browser.new_context()  # type: ignore[attr-defined]
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def marked(test: Callable[..., None]) -> Callable[..., None]:
    for mark in [*MARKS, pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")]:
        test = mark(test)
    return test


@marked
def test_a_stranger_buys_and_is_refunded_on_both_databases(
    strangers: Callable[[str], Stranger],
    window: Page,
    new_postgres_database: Callable[[], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    stranger = strangers("sqlite")
    for block in blocks(PAGE):
        if block.what == "run":
            stranger.run(block.code)
    follow(stranger, window, lambda code: code)

    postgres = strangers("postgresql")
    (postgres.folder / ".venv").symlink_to(stranger.folder / ".venv")
    postgres.run(". .venv/bin/activate\npip install 'psycopg[binary]'")
    url = new_postgres_database()
    window.context.clear_cookies()
    follow(postgres, window, lambda code: code.replace("sqlite:///app.db", url))
    with capsys.disabled():
        print(f"\n{stranger.times()}\nthe same on PostgreSQL:\n{postgres.times()}")


def follow(stranger: Stranger, window: Page, change: Callable[[str], str]) -> None:
    """Do what the page says, beginning with the file."""
    (app,) = (block for block in blocks(PAGE) if block.what == "file")
    (server,) = (block for block in blocks(PAGE) if block.what == "server")
    (prints,) = (block for block in blocks(PAGE) if block.what == "prints")
    stranger.save(app, change)
    said = stranger.start(server.code)
    shown = stranger.on_our_ports(prints.code)
    assert matches(shown, said), f"the page shows\n{shown}\nbut it was\n{said}"
    buy(stranger, window)
    refund(stranger, window)
    told = stranger.stop()
    assert re.search(r"checkout\.session\.completed -> .*: 200", told), told
    assert told.endswith("Stopped.\n")


def buy(stranger: Stranger, window: Page) -> None:
    sign_in, choose, pay, back, again = items(stranger, "4. Buy")
    url, name, said = codes(sign_in)
    window.goto(url)
    window.get_by_label("Name").fill(name)
    window.get_by_role("button", name=bold(sign_in)[0]).click()
    expect(window.get_by_text(said)).to_be_visible()
    link, button = bold(choose)
    window.get_by_role("link", name=link).click()
    (package,) = re.findall(r" \*([^*]+)\*\.", choose)
    window.get_by_role("button", name=f"{button} {package}").click()
    card, expiry, cvc, zip_code = codes(pay)
    window.get_by_label("Email").fill("alice@example.com")
    window.get_by_label("Card number").fill(card)
    window.get_by_label("Expiry").fill(expiry)
    window.get_by_label("CVC").fill(cvc)
    window.get_by_label("Name on card").fill("Alice Example")
    window.get_by_label("ZIP").fill(zip_code)
    window.get_by_role("button", name=bold(pay)[0]).click()
    expect(window.get_by_text(codes(back)[0])).to_be_visible()
    stranger.lap("paid, and the credits are there")
    url, said = codes(again)
    window.goto(url)
    expect(window.get_by_text(said)).to_be_visible()


def refund(stranger: Stranger, window: Page) -> None:
    act, again = items(stranger, "5. Give the money back")
    window.goto(codes(act)[0])
    window.get_by_role("main").get_by_role("link", name="$10.00").click()
    window.get_by_role("button", name=bold(act)[0]).click()
    expect(window.get_by_text("refunded", exact=False).first).to_be_visible()
    url, said = codes(again)
    deadline = time.monotonic() + 30
    window.goto(url)
    while window.get_by_text(said).count() == 0:
        assert time.monotonic() < deadline, window.content()
        window.reload()
    stranger.lap("refunded, and the credits are gone")


def items(stranger: Stranger, section: str) -> list[str]:
    """The numbered steps of a section, each on one line."""
    text = stranger.on_our_ports(sections(PAGE)[section])
    found = re.findall(r"^\d\. (.+(?:\n {3}.+)*)", text, re.MULTILINE)
    return [re.sub(r"\s+", " ", item) for item in found]


def bold(item: str) -> list[str]:
    return re.findall(r"\*\*([^*]+)\*\*", item)


def matches(shown: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def test_a_wrong_output_would_be_noticed() -> None:
    assert matches("a … c\n", "a b b c\n")
    assert not matches("a … c\n", "a b b d\n")
    assert not matches('{"balance":1000}\n', '{"balance":2000}\n')
