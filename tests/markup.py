"""Whether pages are valid HTML, as html-validate sees it, which is fetched once."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from .outside import fetched, run_quietly

NEEDS_NODE = [
    pytest.mark.outside,
    pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine"),
]
_VERSION = "9.7.1"
# How it is typed, capitals and white space, is no matter of validity.
_RULES = {"extends": ["html-validate:standard", "html-validate:a11y"], "root": True}


def assert_valid_html(pages: Mapping[str, str], folder: Path) -> None:
    """Check pages, by a name that files can have."""
    tool = fetched(f"html-validate-{_VERSION}", _fetch)
    written = []
    for name, page in pages.items():
        written.append(folder / f"{name}.html")
        written[-1].write_text(page, encoding="utf-8")
    config = folder / "rules.json"
    config.write_text(json.dumps(_RULES))
    command = ["node", str(tool / "node_modules/html-validate/bin/html-validate.mjs")]
    done = subprocess.run(
        [*command, "--config", str(config), *map(str, written)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _fetch(folder: Path) -> None:
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-save")
    run_quietly("npm", "install", *quiet, f"html-validate@{_VERSION}", folder=folder)
