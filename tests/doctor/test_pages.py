"""The how-tos that begin with the doctor name what is there."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest

from flask_stripe_credits import monitoring
from flask_stripe_credits.doctor import CHECKS

from ..docs.pages import codes, read, sections, tables
from ..hosts import Host
from .faults import FAULTS


def test_the_alerts_are_those_that_the_package_ships() -> None:
    rules = (Path(monitoring.__file__).with_name("rules.yml")).read_text()
    shipped = set(re.findall(r"alert: (\w+)", rules))
    assert {fault.alert for fault in FAULTS if fault.alert} <= shipped


def test_the_page_names_the_same_faults() -> None:
    rows = next(tables(sections("how-to/troubleshoot.md")["What breaks, and what tells"]))
    assert rows[1:] == [
        [
            fault.name,
            f"`{fault.check}`",
            f"`{fault.logged}`" if fault.logged else "",
            "`{}`: `{}`".format(*fault.counted) if fault.counted else "",
            f"`{fault.alert}`" if fault.alert else "",
        ]
        for fault in FAULTS
    ]


def commands_on(page: str) -> set[str]:
    """The commands of ours that a page names, in its text and in its blocks."""
    text = read(page)
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    return {
        command
        for command in [*codes(text), *blocks.splitlines()]
        if command.startswith("flask credits ")
    }


@pytest.mark.parametrize("page", ["how-to/troubleshoot.md", "how-to/go-live.md"])
def test_the_commands_on_a_page_are_there(sqlite_host: Host, page: str) -> None:
    runner = sqlite_host.app.test_cli_runner()
    found = commands_on(page)
    assert len(found) > 8
    for command in found:
        words = [word for word in shlex.split(command)[1:] if not word.isupper()]
        options = [word for word in words if word.startswith("--")]
        names = itertools.takewhile(lambda word: not word.startswith("-"), words)
        told = runner.invoke(args=[*names, "--help"])
        assert told.exit_code == 0, command
        assert all(option in told.output for option in options), command


def test_the_checks_on_a_page_are_there() -> None:
    ids = {check.id for check in CHECKS}
    (symptoms,) = tables(sections("how-to/troubleshoot.md")["From a symptom to a command"])
    asked = [ask for _, ask, _ in symptoms if ask.startswith("`flask credits doctor`:")]
    assert len(asked) > 5
    assert {id for ask in asked for id in codes(ask)[1:]} <= ids
    _, checklist = (
        table
        for name in ("2. The settings", "3. Stripe")
        for table in tables(sections("how-to/go-live.md")[name])
    )
    assert {id for row in checklist[1:] for id in codes(row[1])} <= ids
