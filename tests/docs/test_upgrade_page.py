"""What the page about upgrading promises of versions is what the package has."""

from __future__ import annotations

import re
import tomllib

from flask_stripe_credits.webhook_endpoints.wanted import API_VERSION

from .pages import ROOT, read, sections

PAGE = "how-to/upgrade.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_ranges_are_those_of_the_project() -> None:
    (stripe,) = [line for line in PROJECT["dependencies"] if line.startswith("stripe")]
    promised = sections(PAGE)["What you can rely on"]
    assert f"`{stripe}`" in promised
    assert f"`{API_VERSION}`" in promised
    assert f"from {PROJECT['requires-python'].removeprefix('>=')} on" in promised


def test_the_version_has_a_section() -> None:
    version = re.match(r"\d+\.\d+\.\d+", PROJECT["version"])
    assert version is not None
    assert version[0] in sections(PAGE)


def test_what_contributors_copy_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    recipe = text.partition("## A change of the tables")[2].partition("\n## ")[0]
    paths = re.findall(r"`(tests/[\w/.]+)`", recipe) + re.findall(r"\]\((docs/[\w/.-]+)\)", recipe)
    assert len(paths) == 4
    for path in paths:
        assert (ROOT / path).exists(), path
    assert read(PAGE)
