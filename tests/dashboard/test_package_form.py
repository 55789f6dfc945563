"""Two operators at one package: the form changes what its operator changed, and nothing that the
other one did meanwhile. Read from the row."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from html import unescape
from typing import Any

import flask_babel
import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from flask_stripe_credits.catalog.changes import Row
from flask_stripe_credits.catalog.editing import edit_package
from flask_stripe_credits.web.pages.dashboard import package as package_page

from ..hosts import PREFIX, Host
from .conftest import DASHBOARD, OPERATOR, make_dashboard_host

FORM = f"{DASHBOARD}/packages/starter"
_FIELD = re.compile(r'<input [^>]*name="(\w+)"[^>]* value="([^"]*)"')
_CHOSEN = re.compile(r'<option value="(\w+)" selected>')
_ALERT = re.compile(r'<p [^>]*role="alert">(.*?)</p>', re.S)
_CHANGES = re.compile(r"<del>(.*?)</del> <ins>(.*?)</ins>")


@dataclass
class Desk:
    """An operator's browser, and the host that it is at."""

    host: Host
    client: FlaskClient

    def row(self) -> dict[str, Any]:
        """What can be changed of the package, as it is."""
        (found,) = self.host.rows(self.host.credits.Package, package_code="starter")
        return {name: found[name] for name in STARTER}


def desk_at(database_url: str, **config: Any) -> Desk:
    host = make_dashboard_host(database_url, **config)
    return Desk(host, host.client)


@pytest.fixture
def desk(database_url: str) -> Desk:
    return desk_at(database_url)


@pytest.fixture
def sqlite_desk(sqlite_url: str) -> Desk:
    return desk_at(sqlite_url)


STARTER = {"unit_amount": 1_000, "currency": "usd", "credits": 1_000, "is_active": True}


def fields(page: str) -> dict[str, str]:
    """What a browser sends of the page's form: nothing but what is in it."""
    form = page[page.index("fsc-confirm") :]
    found = {name: unescape(value) for name, value in _FIELD.findall(form)}
    if chosen := _CHOSEN.search(form):
        found["is_active"] = chosen[1]
    return found


def alerts(page: str) -> list[str]:
    return [unescape(one) for one in _ALERT.findall(page)]


def proceed(desk: Host, opened: str, **typed: str) -> str:
    """Press *Continue*."""
    answer = desk.client.get(FORM, query_string=fields(opened) | typed)
    assert answer.status_code == 200, answer.text
    return answer.text


def asked(desk: Host, **typed: str) -> str:
    """The page that asks whether to change the package."""
    return proceed(desk, desk.client.get(FORM).text, **typed)


def confirm(desk: Host, page: str, **forged: str) -> Any:
    return desk.client.post(FORM, data=fields(page) | forged)


def patch(desk: Host, **values: Any) -> None:
    """What the other operator does."""
    answer = desk.host.client.patch(f"{PREFIX}/admin/packages/starter", json=values)
    assert answer.status_code == 200, answer.text


def audited(desk: Host) -> list[dict[str, Any]]:
    return [
        line["details"]["after"]
        for line in desk.host.rows(desk.host.credits.AuditLog, actor=OPERATOR)
    ]


def test_the_price_of_another_operator_stays_and_confirming_again_adds_to_it(desk: Desk) -> None:
    page = asked(desk, credits="1200")
    patch(desk, unit_amount=2_000)
    answer = confirm(desk, page)
    assert answer.status_code == 409
    assert desk.row() == STARTER | {"unit_amount": 2_000}
    assert alerts(answer.text) == [
        "The price was changed from $10.00 to $20.00 meanwhile. "
        "Nothing was saved: look at it again."
    ]
    assert _CHANGES.findall(answer.text) == [("1,000", "1,200")]
    assert confirm(desk, answer.text).status_code == 303
    assert desk.row() == STARTER | {"unit_amount": 2_000, "credits": 1_200}
    assert audited(desk) == [{"unit_amount": 2_000}, {"credits": 1_200}]


def test_what_was_taken_off_sale_does_not_come_back(desk: Desk) -> None:
    page = asked(desk, price="11.00")
    patch(desk, is_active=False)
    answer = confirm(desk, page)
    assert answer.status_code == 409
    assert desk.row() == STARTER | {"is_active": False}
    (alert,) = alerts(answer.text)
    assert alert.startswith("It was for sale, and was taken off sale meanwhile. Nothing was saved")
    assert confirm(desk, answer.text).status_code == 303
    assert desk.row() == STARTER | {"is_active": False, "unit_amount": 1_100}


def test_what_changed_while_the_fields_were_filled_in_is_told_before_it_is_asked(
    desk: Desk,
) -> None:
    opened = desk.client.get(FORM).text
    patch(desk, unit_amount=2_000, is_active=False)
    page = proceed(desk, opened, credits="1200")
    (alert,) = alerts(page)
    assert "from $10.00 to $20.00" in alert
    assert "taken off sale" in alert
    assert _CHANGES.findall(page) == [("1,000", "1,200")]
    assert confirm(desk, page).status_code == 303
    assert desk.row() == STARTER | {"unit_amount": 2_000, "is_active": False, "credits": 1_200}


def test_both_changed_the_same_field_and_the_second_one_sees_the_first(desk: Desk) -> None:
    page = asked(desk, price="11.00", credits="1200")
    patch(desk, unit_amount=2_000, credits=5)
    answer = confirm(desk, page)
    assert desk.row() == STARTER | {"unit_amount": 2_000, "credits": 5}
    assert alerts(answer.text) == [
        "The price was changed from $10.00 to $20.00 meanwhile. "
        "The credits were changed from 1,000 to 5 meanwhile. Nothing was saved: look at it again."
    ]
    assert _CHANGES.findall(answer.text) == [("$20.00", "$11.00"), ("5", "1,200")]
    assert confirm(desk, answer.text).status_code == 303
    assert desk.row() == STARTER | {"unit_amount": 1_100, "credits": 1_200}


def test_what_another_operator_changes_after_the_form_was_read_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = asked(desk, credits="1200")

    def edited_first(*arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        edit_package(desk.host.state, "starter", {"unit_amount": 2_000}, actor="bob")
        return edit_package(*arguments, **named)

    monkeypatch.setattr(package_page, "edit_package", edited_first)
    answer = confirm(desk, page)
    assert answer.status_code == 409
    assert "from $10.00 to $20.00" in answer.text
    assert desk.row() == STARTER | {"unit_amount": 2_000}


def test_a_form_that_waits_for_another_edit_sees_what_that_one_did(
    postgres_database_url: str,
) -> None:
    desk = desk_at(postgres_database_url)
    page = asked(desk, credits="1200")
    answers: list[Any] = []
    posting = threading.Thread(target=lambda: answers.append(confirm(desk, page)))
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def slow(locked: Row) -> dict[str, Any]:
        posting.start()
        given_up = time.monotonic() + 30
        while posting.is_alive() and time.monotonic() < given_up:
            with desk.host.db.engine.connect() as connection:
                if connection.scalar(waiting):
                    break
        return {"unit_amount": 2_000}

    with desk.host.app.app_context():
        edit_package(desk.host.state, "starter", slow, actor="bob")
    posting.join()
    assert [answer.status_code for answer in answers] == [409]
    assert desk.row() == STARTER | {"unit_amount": 2_000}


def test_a_price_that_was_meant_in_another_currency_is_not_taken(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    page = asked(desk, price="11.00", credits="1200")
    patch(desk, currency="eur")
    answer = confirm(desk, page)
    assert desk.row() == STARTER | {"currency": "eur"}
    assert "from $10.00 to €10.00" in answer.text
    assert _CHANGES.findall(answer.text) == [("1,000", "1,200")]
    assert confirm(desk, answer.text).status_code == 303
    assert desk.row() == STARTER | {"currency": "eur", "credits": 1_200}


def test_the_same_form_sent_twice_writes_once(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    page = asked(desk, credits="1200")
    assert confirm(desk, page).status_code == 303
    again = confirm(desk, page)
    assert again.status_code == 409
    (alert,) = alerts(again.text)
    assert alert.startswith("The credits were changed from 1,000 to 1,200 meanwhile.")
    assert fields(again.text)["credits"] == "1200"
    assert desk.row() == STARTER | {"credits": 1_200}
    assert audited(desk) == [{"credits": 1_200}]


def test_a_mistake_in_one_field_does_not_make_the_others_the_operators(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    opened = desk.client.get(FORM).text
    patch(desk, unit_amount=2_000)
    mistaken = desk.client.get(FORM, query_string=fields(opened) | {"credits": "many"})
    assert mistaken.status_code == 422
    page = proceed(desk, mistaken.text, credits="1200")
    assert _CHANGES.findall(page) == [("1,000", "1,200")]
    assert confirm(desk, page).status_code == 303
    assert desk.row() == STARTER | {"unit_amount": 2_000, "credits": 1_200}


GARBLED = [
    "",
    "1000",
    "1000 usd 1000",
    "1000 usd 1000 maybe",
    "-1 usd 1000 yes",
    "1000 USD 1000 yes",
    "1000 usd 1000 yes\n",
    "\N{ARABIC-INDIC DIGIT ONE} usd 1000 yes",
    "9999999999999999 usd 1000 yes",
    "1000 usd 9999999999999999 yes",
    f"{'9' * 5_000} usd 1000 yes",
    "1000 usd 1000 yes\0",
    '"><script>',
]


@pytest.mark.parametrize("garbled", GARBLED, ids=range(len(GARBLED)))
def test_a_form_that_does_not_say_what_it_showed_writes_nothing(
    sqlite_desk: Desk, garbled: str
) -> None:
    desk = sqlite_desk
    page = asked(desk, credits="1200")
    told = ["The form doesn't say what it showed. This is how it is now: try again."]
    for answer in (
        confirm(desk, page, shown=garbled),
        desk.client.get(FORM, query_string=fields(page) | {"shown": garbled}),
    ):
        assert answer.status_code == 422
        assert alerts(answer.text) == told
        assert fields(answer.text)["shown"] == "1000 usd 1000 yes"
        assert fields(answer.text)["credits"] == "1000"
    assert desk.row() == STARTER
    assert confirm(desk, proceed(desk, answer.text, credits="1200")).status_code == 303
    assert desk.row() == STARTER | {"credits": 1_200}


@pytest.mark.parametrize("wrong", ["", "maybe", "YES"])
def test_a_sale_that_is_neither_yes_nor_no_is_told_and_writes_nothing(
    sqlite_desk: Desk, wrong: str
) -> None:
    desk = sqlite_desk
    answer = confirm(desk, asked(desk, credits="1200"), is_active=wrong)
    assert answer.status_code == 422
    assert alerts(answer.text) == ["Choose whether it is for sale."]
    assert fields(answer.text)["is_active"] == "yes"
    assert desk.row() == STARTER


def test_a_form_of_the_release_before_writes_nothing(desk: Desk) -> None:
    form = fields(asked(desk, credits="1200"))
    form.pop("shown")
    answer = desk.client.post(FORM, data=form)
    assert answer.status_code == 422
    assert len(alerts(answer.text)) == 1
    assert desk.row() == STARTER


@pytest.mark.parametrize("shown", ["0 zzz 1 no", "9007199254740992 kwd 9007199254740992 yes"])
def test_what_was_never_shown_is_told_as_a_difference(sqlite_desk: Desk, shown: str) -> None:
    desk = sqlite_desk
    answer = confirm(desk, asked(desk, credits="1200"), shown=shown)
    assert answer.status_code == 409
    (alert,) = alerts(answer.text)
    assert "Nothing was saved" in alert
    assert desk.row() == STARTER


def test_a_reader_of_german_is_told_in_german(sqlite_url: str) -> None:
    desk = desk_at(
        sqlite_url,
        before_init=lambda host: flask_babel.Babel(host.app, locale_selector=lambda: "de"),
    )
    page = asked(desk, credits="1200")
    patch(desk, unit_amount=2_000, is_active=False)
    (alert,) = alerts(confirm(desk, page).text)
    assert "inzwischen von 10,00\xa0$ auf 20,00\xa0$ geändert worden. Es war im Verkauf" in alert
    assert alert.endswith("nichts gespeichert worden: Bitte noch einmal ansehen.")
    assert desk.row() == STARTER | {"unit_amount": 2_000, "is_active": False}
