"""The pages in the reader's language, where the host has Flask-Babel; in English without."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import flask_babel
import pytest
from babel.messages.catalog import Catalog

from flask_stripe_credits.web.pages import formats
from flask_stripe_credits.web.pages.formats import MINUS
from tests.hosts import Host, make_host
from tests.translations import as_mo, as_po, catalogues, texts, up_to_date
from tests.web.pages.conftest import PAGES

SUMMER = dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC)
WINTER = dt.datetime(2026, 1, 1, 23, 30, tzinfo=dt.UTC)
_VARIABLES = re.compile(r"%\((\w+)\)s")


def host_of(
    locale: str, zone: str = "UTC", folder: Path | None = None, *, late: bool = False
) -> Host:
    babel = flask_babel.Babel()

    def init(host: Host) -> None:
        host.app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(folder or "translations")
        babel.init_app(host.app, locale_selector=lambda: locale, timezone_selector=lambda: zone)

    host = make_host("sqlite://", STRIPE_CREDITS_PAGES=PAGES, before_init=None if late else init)
    if late:
        init(host)
    return host


@pytest.mark.parametrize("po", catalogues(), ids=lambda po: po.parts[-3])
def test_every_text_is_translated_and_compiled(po: Path) -> None:
    catalogue = up_to_date(po)
    assert as_po(catalogue).decode() == po.read_text(encoding="utf-8"), "run make translations"
    assert as_mo(catalogue) == po.with_suffix(".mo").read_bytes(), "run make translations"
    assert len(catalogue) == len(texts()) > 50
    for message in catalogue:
        if not message.id:
            continue
        pairs = zip(_several(message.id), _several(message.string), strict=True)
        for english, translated in pairs:
            assert translated, english
            assert not message.fuzzy, english
            assert set(_VARIABLES.findall(translated)) == set(_VARIABLES.findall(english))


def _several(texts: object) -> tuple[str, ...]:
    return texts if isinstance(texts, tuple) else (str(texts),)


@pytest.mark.parametrize("late", [False, True])
def test_german_readers_get_german_pages(late: bool) -> None:
    host = host_of("de", "Europe/Berlin", late=late)
    host.load_packages()
    page = host.client.get(PAGES).text
    assert '<html lang="de">' in page
    for expected in ("Credits kaufen", "1.000", "45,00\xa0$", "10\xa0% sparen", "9,00\xa0$ je"):
        assert expected in page
    # As a word: three letters may be in a random token.
    assert not re.search(r"\bBuy\b", page)
    bought = host.add_purchase(status="completed", amount_paid=1_000, created_at=SUMMER)
    page = host.client.get(f"{PAGES}/history").text
    assert "02.07.2026, 00:30 MESZ" in page
    assert 'datetime="2026-07-01T22:30:00Z"' in page
    assert "Bezahlt" in page
    # The first of July ends when it ends in Berlin.
    assert str(bought["id"]) not in host.client.get(f"{PAGES}/history?until=2026-07-01").text
    assert str(bought["id"]) in host.client.get(f"{PAGES}/history?since=2026-07-02").text


def test_without_flask_babel_they_are_english_and_in_utc() -> None:
    host = make_host("sqlite://", STRIPE_CREDITS_PAGES=PAGES)
    with host.app.test_request_context():
        assert formats.moment(SUMMER) == "1 Jul 2026, 22:30 UTC"
        assert formats.money(-123_456, "eur") == f"{MINUS}\N{EURO SIGN}1,234.56"
        assert formats.day_begins(dt.date(2026, 7, 1)) == dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    assert '<html lang="en">' in host.client.get(PAGES).text


def test_a_language_without_a_catalogue_is_answered_in_english_altogether() -> None:
    host = host_of("fr")
    host.load_packages()
    page = host.client.get(PAGES).text
    assert '<html lang="en">' in page
    assert "$45.00" in page
    assert "Buy credits" in page
    assert '<html lang="en-GB">' in host_of("en_GB").client.get(PAGES).text


def test_a_host_brings_a_catalogue_and_corrects_ours(tmp_path: Path) -> None:
    def write(locale: str, **texts: str) -> None:
        catalogue = Catalog(locale=locale)
        for message, translated in texts.items():
            catalogue.add(message.replace("_", " "), translated)
        folder = tmp_path / locale / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "flask_stripe_credits.mo").write_bytes(as_mo(catalogue))

    write("fr", Buy_credits="Acheter des crédits")
    write("de", Buy_credits="Punkte kaufen")
    page = host_of("fr", folder=tmp_path).client.get(PAGES).text
    assert '<html lang="fr">' in page
    assert "Acheter des crédits" in page
    page = host_of("de", folder=tmp_path).client.get(PAGES).text
    assert "Punkte kaufen" in page
    assert "Käufe" in page


@pytest.mark.parametrize(
    ("amount", "currency", "english", "german"),
    [
        (1_050, "usd", "$10.50", "10,50\xa0$"),
        (500, "jpy", "\xa5500", "500\xa0\xa5"),
        (1_230, "bhd", "BHD\xa01.230", "1,230\xa0BHD"),
        (50_000, "isk", "ISK\xa0500", "500\xa0ISK"),
        (1_234_567, "eur", "\N{EURO SIGN}12,345.67", "12.345,67\xa0\N{EURO SIGN}"),
    ],
)
def test_money_has_the_decimals_that_stripe_charges(
    amount: int, currency: str, english: str, german: str
) -> None:
    for locale, expected in (("en", english), ("de", german)):
        with host_of(locale).app.test_request_context():
            assert formats.money(amount, currency) == expected


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"])
def test_a_day_begins_where_the_reader_is(zone: str, begins: Callable[[str, dt.date], str]) -> None:
    summer, winter = dt.date(2026, 7, 1), dt.date(2026, 1, 1)
    hours = {"UTC": (0, 0), "Europe/Berlin": (2, 1), "America/New_York": (-4, -5)}
    at_summer, at_winter = hours.get(zone, (5.5, 5.5))
    for date, offset in ((summer, at_summer), (winter, at_winter)):
        midnight = dt.datetime.combine(date, dt.time(), dt.UTC) - dt.timedelta(hours=offset)
        assert begins(zone, date) == midnight.isoformat()


@pytest.fixture
def begins() -> Callable[[str, dt.date], str]:
    def found(zone: str, date: dt.date) -> str:
        with host_of("en", zone).app.test_request_context():
            return formats.day_begins(date).astimezone(dt.UTC).isoformat()

    return found
