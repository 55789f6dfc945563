"""The documentation builds without warnings, needs no network, and every link leads somewhere."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .pages import PAGES, ROOT, read
from .site import Page, read_page, read_styles

pytestmark = pytest.mark.xdist_group("site")

FRONT_PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: read_page(path) for path in site.rglob("*.html")}


def test_every_page_is_built_without_a_warning(pages: dict[Path, Page], site: Path) -> None:
    there = {path.relative_to(site).with_suffix(".md").as_posix() for path in pages}
    assert set(PAGES) <= there


def test_nothing_is_loaded_from_the_network(pages: dict[Path, Page], site: Path) -> None:
    assert all(page.fetched for page in pages.values())
    for path, page in pages.items():
        for address in page.fetched:
            assert _is_a_file_of(site, path, address), f"{path.name} loads {address}"
    styles = list(site.rglob("*.css"))
    assert len(styles) > 2
    for path in styles:
        for address in read_styles(path):
            assert _is_a_file_of(site, path, address), f"{path.name} loads {address}"


def test_every_link_leads_to_a_page_and_its_place(pages: dict[Path, Page], site: Path) -> None:
    followed = 0
    for path, page in pages.items():
        for link in page.links:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                assert address.scheme in ("https", "http"), f"{path.name}: {link}"
                continue
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            assert target.is_file(), f"{path.name}: {link}"
            if address.fragment and target in pages:
                assert address.fragment in pages[target].ids | {"top"}, f"{path.name}: {link}"
                followed += 1
    assert followed > 100


def test_addresses_of_others_are_https() -> None:
    for page in [*PAGES, *(f"../{name}" for name in FRONT_PAGES)]:
        for address in re.findall(r"\]\((https?:[^)\s]+)\)", read(page)):
            found = urlsplit(address)
            assert (found.scheme, found.port) == ("https", None), f"{page}: {address}"
            assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", found.netloc), f"{page}: {address}"


def _anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", FRONT_PAGES)
def test_links_of_the_front_pages_lead_to_files_and_places(page: str) -> None:
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in links:
        name, _, place = link.partition("#")
        target = ROOT / name if name else ROOT / page
        assert target.exists(), f"{page} links to {link}"
        if place:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert place in map(_anchor, headings), f"{page} links to {link}"


def test_every_page_says_which_version_it_is_of(site: Path) -> None:
    for page in PAGES:
        assert version("flask-stripe-credits") in (site / page).with_suffix(".html").read_text()


def test_every_page_is_in_the_table_of_contents() -> None:
    index = read("index.md")
    for page in PAGES:
        name = page.removesuffix(".md")
        assert name == "index" or f"\n{name}\n" in index, name


def _is_a_file_of(site: Path, place: Path, address: str) -> bool:
    found = urlsplit(address)
    if found.scheme == "data":
        return True
    target = (place.parent / unquote(found.path)).resolve()
    return not (found.scheme or found.netloc) and target.is_relative_to(site) and target.is_file()


def test_S5_pages_name_no_key_that_looks_real() -> None:
    for page in [*PAGES, "../README.md"]:
        text = read(page)
        assert not re.search(r"(sk|rk|pk)_(test|live)_[A-Za-z0-9]{16,}", text), page
        assert not re.search(r"whsec_[A-Za-z0-9]{24,}", text), page
