"""What any page names has to exist: commands and their options, settings, and data that parses."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import click
import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_stripe_credits import StripeCredits
from flask_stripe_credits.config import read_settings

from .pages import PAGES, read

EVERYWHERE = [*PAGES, *(f"../{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY"))]
_COMMAND = re.compile(r"flask (?:--app \S+ )?credits((?: [^\s`|&;#()<>]+)*)")
_WORD = re.compile(r"[a-z][a-z0-9-]*")
_SETTING = re.compile(r"\b_?STRIPE_[A-Z0-9_]+")
_BLOCK = re.compile(r"^ *```(json|toml)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def group() -> click.Group:
    app = Flask("named")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    StripeCredits(app, SQLAlchemy(app))
    found = app.cli.commands["credits"]
    assert isinstance(found, click.Group)
    return found


def mistake(group: click.Group, words: list[str]) -> str | None:
    """Say what of a command line isn't there."""
    command: click.Command = group
    context = click.Context(group)
    for word in words:
        name = word.partition("=")[0].rstrip(".,:")
        if isinstance(command, click.Group) and not name.startswith("-"):
            below = command.get_command(context, name)
            if below is None:
                # `…`, `"$@"` and the like stand for any.
                return f"there is no command {name!r}" if _WORD.fullmatch(name) else None
            command = below
        elif name.startswith("--"):
            options = {
                one for found in command.params for one in (*found.opts, *found.secondary_opts)
            }
            passed_on = any(one.nargs == -1 for one in command.params)
            if name not in options | {"--help"} and not passed_on:
                return f"{command.name} has no {name}"
    return None


@pytest.mark.parametrize("page", EVERYWHERE)
def test_every_command_that_a_page_names_exists(page: str, group: click.Group) -> None:
    text = read(page).replace("\\\n", " ")
    for line in _COMMAND.findall(text):
        found = mistake(group, line.split())
        assert found is None, f"{page}: flask credits{line}: {found}"


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("db upgrade", True),
        ("db upgrades", False),
        ("refund ID --amount 1", True),
        ("refund ID --amounts 1", False),
        ("nothing", False),
        ("…", True),
    ],
)
def test_a_command_that_is_not_there_would_be_noticed(
    line: str, right: bool, group: click.Group
) -> None:
    assert (mistake(group, line.split()) is None) is right


class _Asked(dict[str, Any]):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return default


@pytest.mark.parametrize("page", EVERYWHERE)
def test_every_setting_that_a_page_names_is_read(page: str) -> None:
    asked = _Asked()
    read_settings({}, environ=asked)
    prefixes = {"STRIPE_", "STRIPE_CREDITS_"}
    named = set(_SETTING.findall(read(page))) - prefixes
    assert named <= asked.names, f"{page}: {sorted(named - asked.names)}"


@pytest.mark.parametrize("page", EVERYWHERE)
def test_what_is_shown_as_data_parses(page: str) -> None:
    parsers = {"json": json.loads, "toml": tomllib.loads}
    for language, text in _BLOCK.findall(read(page)):
        if "…" not in text:
            parsers[language](text)
