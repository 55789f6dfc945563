"""The drawings show what is so: the floors of the contract, and the statements of a payment."""

from __future__ import annotations

import re
from html import unescape

import sqlalchemy as sa

from tests import drawings
from tests.kills.test_webhook_steps import OF_A_PAYMENT, steps_on

from ..hosts import Host
from .pages import read, sections, tables

PAGE = "explanation/exactly-once.md"
_TABLES = re.compile(r"\b(?:credit_[a-z_]+|ledger_entry)\b")


def test_the_drawings_are_what_make_drawings_draws() -> None:
    made = drawings.drawings()
    there = set(drawings.FOLDER.glob("*.svg"))
    assert there == set(made)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, "out of date: run `make drawings`"
        shown = f"](pictures/{path.name})"
        assert any(shown in read(page) for page in (PAGE, "explanation/architecture.md"))


def test_the_house_has_every_floor_of_the_contract_in_its_order() -> None:
    chips = re.findall(r'class="code"[^>]*>([a-z_]+)<', drawings.floors())
    assert chips == drawings.layers()
    assert len(chips) > 50


def test_a_payment_sends_the_statements_that_are_drawn(host: Host) -> None:
    sent: list[str] = []

    def statement(*arguments: object) -> None:
        text = str(arguments[2])
        sent.append(f"{text.split()[0]} {_TABLES.findall(text)[0]}")

    def commit(_: object) -> None:
        sent.append("COMMIT")

    purchase = host.add_purchase()
    with host.app.app_context():
        engine = host.db.engine
    for name, listener in (("after_cursor_execute", statement), ("commit", commit)):
        sa.event.listen(engine, name, listener)
    assert host.pay(purchase).status_code == 200
    says = [one for one in drawings.DELIVERY if isinstance(one, drawings.Says)]
    drawn = [one.statement for one in says if one.to == "database"]
    assert steps_on(host, drawn) == sent
    assert set(drawn) <= {step.replace("after COMMIT", "COMMIT") for step in OF_A_PAYMENT.values()}


def test_every_place_to_die_at_has_its_line() -> None:
    numbers = [one.stop for one in drawings.DELIVERY if isinstance(one, drawings.Says) and one.stop]
    assert numbers == list(range(1, len(numbers) + 1))
    (rows,) = tables(sections(PAGE)["One delivery"])
    assert [int(row[0]) for row in rows[1:]] == numbers
    kept = [row[1].split(":")[0].split(",")[0] for row in rows[1:]]
    # Before the commit there is nothing, after it there is everything.
    assert kept == ["nothing"] * 6 + ["everything"] * 2


def test_the_drawings_say_in_words_what_they_show() -> None:
    for text in drawings.drawings().values():
        words = re.search(r"<desc>(.+)</desc>", text)
        assert words is not None and len(unescape(words[1]).split()) > 20
        assert "aria-label=" in text and "<script" not in text
