"""Brings the catalogues of pages, mail and timelines up to date: ``make translations``.

Finds every text, puts new ones into each ``.po`` (empty, to be translated), compiles the ``.mo``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileParser, write_po

import flask_stripe_credits.mail
import flask_stripe_credits.timeline
import flask_stripe_credits.web.pages

PAGES = Path(flask_stripe_credits.web.pages.__file__).parent
MAIL = Path(flask_stripe_credits.mail.__file__).parent
TIMELINE = Path(flask_stripe_credits.timeline.__file__)
_TEMPLATES = {"fsc_text": None, "fsc_plural": (1, 2)}
_CODE = {"text": None, "plural": (1, 2), "Phrase": None}


class LastingCatalog(Catalog):
    """Doesn't name the version of Babel, so that the next one writes the same files."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        *headers, (name, value) = [
            (name, value) for name, value in self._get_mime_headers() if name != "Generated-By"
        ]
        return [*headers, (name, f"{value}\n")]

    @mime_headers.setter
    def mime_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        self._set_mime_headers(headers)


def main() -> None:
    for po in catalogues():
        catalogue = up_to_date(po)
        po.write_bytes(as_po(catalogue))
        po.with_suffix(".mo").write_bytes(as_mo(catalogue))
        missing = [message.id for message in catalogue if message.id and not message.string]
        print(f"{po}: {len(catalogue)} texts, {len(missing)} to translate")


def catalogues() -> list[Path]:
    return sorted(PAGES.glob("translations/*/LC_MESSAGES/flask_stripe_credits.po"))


def up_to_date(po: Path) -> Catalog:
    """The catalogue with the texts that there are now."""
    catalogue = LastingCatalog(locale=po.parts[-3])
    with po.open("rb") as file:
        PoFileParser(catalogue).parse(file)
    catalogue.update(_template(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    return catalogue


def texts() -> set[Any]:
    """Every text: its English, or a pair for singular and plural."""
    return {message.id for message in _template() if message.id}


def as_po(catalogue: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=100, no_location=True, sort_output=True)
    return buffer.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, catalogue)
    return buffer.getvalue()


def _template() -> Catalog:
    template = Catalog()
    for message in _found():
        template.add(message)
    return template


def _found() -> Iterator[Any]:
    for path in (TIMELINE, *sorted(PAGES.rglob("*")), *sorted(MAIL.rglob("*"))):
        if path.suffix == ".py":
            method, keywords = "python", _CODE
        elif path.suffix in (".html", ".txt"):
            method, keywords = "jinja2", _TEMPLATES
        else:
            continue
        with path.open("rb") as file:
            options = {"encoding": "utf-8", "trimmed": "true"}
            for _, message, _, _ in extract(method, file, keywords, options=options):
                yield message


if __name__ == "__main__":
    main()
