"""Every page is valid HTML, as html-validate sees it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.hosts import Host
from tests.outside import fetched, run_quietly
from tests.web.pages.conftest import PAGES, buyer_of
from tests.web.pages.states import paths

_VERSION = "9.7.1"
# How it is typed, capitals and white space, is no matter of validity.
_RULES = {"extends": ["html-validate:standard", "html-validate:a11y"], "root": True}


def _fetch(folder: Path) -> None:
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--no-save")
    run_quietly("npm", "install", *quiet, f"html-validate@{_VERSION}", folder=folder)


@pytest.mark.outside
@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
def test_every_page_is_valid_html(small_pages: Host, tmp_path: Path) -> None:
    tool = fetched(f"html-validate-{_VERSION}", _fetch)
    small_pages.credits.balance_loader(lambda user_id: -100)
    written = []
    for name, path in paths(small_pages):
        page = small_pages.client.get(PAGES + path).text
        written.append(tmp_path / f"{name.replace(' ', '-')}.html")
        written[-1].write_text(page, encoding="utf-8")
    refused = buyer_of(small_pages).press(unit_amount="1")
    written.append(tmp_path / "refused.html")
    written[-1].write_text(refused.text, encoding="utf-8")
    config = tmp_path / "rules.json"
    config.write_text(json.dumps(_RULES))
    command = ["node", str(tool / "node_modules/html-validate/bin/html-validate.mjs")]
    done = subprocess.run(
        [*command, "--config", str(config), *map(str, written)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(written) == 19
    assert done.returncode == 0, done.stdout + done.stderr
