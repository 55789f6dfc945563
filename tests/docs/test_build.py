"""The documentation builds without warnings, and every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import DOCS, PAGES, ROOT, read

FROM_THE_NETWORK = re.compile(r'<(?:link|script|img)[^>]+(?:href|src)="(https?:[^"]+)"')


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-b", "html", str(DOCS), str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "tutorial" / "first-purchase.html").exists()
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'<(?:link|script|img)[^>]+(?:href|src)="(https?:[^"]+)"', page.read_text()
        )
        assert loaded == [], f"{page.name} loads {loaded} from the network"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_to_files_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in link]
    for link in links:
        assert (ROOT / link).exists(), f"{page} links to {link}"


def test_every_page_is_in_the_table_of_contents() -> None:
    index = read("index.md")
    for page in PAGES:
        name = page.removesuffix(".md")
        assert name == "index" or f"\n{name}\n" in index, name


def test_S5_pages_name_no_key_that_looks_real() -> None:
    for page in [*PAGES, "../README.md"]:
        text = read(page)
        assert not re.search(r"(sk|rk|pk)_(test|live)_[A-Za-z0-9]{16,}", text), page
        assert not re.search(r"whsec_[A-Za-z0-9]{24,}", text), page
