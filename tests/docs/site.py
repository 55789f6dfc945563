"""The documentation as it is built, read the way a browser reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

# Of <link> only these are fetched; the others tell where something else is.
_FETCHED_LINKS = {"stylesheet", "icon", "shortcut icon", "preload", "manifest"}
_IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?([^\"')\s;]+)")


@dataclass
class Page(HTMLParser):
    """What one page of the site has.

    :ivar ids: what an address of it may end with after ``#``.
    :ivar links: where it leads.
    :ivar fetched: what a browser loads for it.
    """

    ids: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        if tag == "link" and found.get("rel", "") in _FETCHED_LINKS:
            self.fetched.add(found["href"])
        self.fetched |= {found[name] for name in ("src", "poster", "data") if name in found}
        for one in found.get("srcset", "").split(","):
            self.fetched |= set(one.split()[:1])
        self.fetched |= set(_IN_STYLES.findall(found.get("style", "")))


def read_page(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def read_styles(path: Path) -> set[str]:
    """What a style sheet loads; what it carries itself isn't loaded."""
    found = _IN_STYLES.findall(path.read_text(encoding="utf-8"))
    return {one for one in found if not one.startswith(("data:", "#"))}
