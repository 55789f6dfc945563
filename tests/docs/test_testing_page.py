"""The suite of the page about testing, run as a reader's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import blocks, sections, tables

PAGE = "how-to/test-your-app.md"
TESTS = 10


def write_suite(folder: Path) -> None:
    """The page's files, and the app of the page about embedding as ``shop.py``."""
    code = [one.code for one in blocks("how-to/embed.md") if one.language == "python"]
    (folder / "shop.py").write_text("\n\n".join(code))
    for one in blocks(PAGE):
        (folder / one.name).write_text(one.code)


def run_suite(python: str | Path, folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if "STRIPE" not in key}
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=environment | {"PYTHONPATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout


@pytest.mark.parametrize("without", ["flask", "nothing"], ids=["alone", "beside-pytest-flask"])
def test_the_suite_of_the_page_passes(tmp_path: Path, without: str) -> None:
    write_suite(tmp_path)
    told = run_suite(sys.executable, tmp_path, "-p", f"no:{without}")
    assert f"{TESTS} passed" in told, told


def test_a_broken_credit_manager_fails_the_suite(tmp_path: Path) -> None:
    write_suite(tmp_path)
    shop = (tmp_path / "shop.py").read_text()
    assert "@credits.on_grant\n" in shop
    (tmp_path / "shop.py").write_text(shop.replace("@credits.on_grant\n", ""))
    told = run_suite(sys.executable, tmp_path)
    assert "7 failed, 3 passed" in told, told


def test_a_whole_purchase_is_five_lines() -> None:
    (page,) = (one.code for one in blocks(PAGE) if one.name == "test_purchase.py")
    body = page.partition("def test_a_purchase")[2].strip().splitlines()[1:]
    assert len(body) == 5


def test_every_kind_of_chaos_is_on_the_page() -> None:
    from dataclasses import fields

    from flask_stripe_credits.sandbox import Chaos

    (table,) = tables(sections(PAGE)["Chaos"])
    named = [row[0].strip("`").partition("=")[0] for row in table[1:]]
    assert sorted(named) == sorted(field.name for field in fields(Chaos))
