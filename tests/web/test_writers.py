"""What the compiled writers write is what the schemas say."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields

from flask_stripe_credits.integers import LARGEST_INTEGER
from flask_stripe_credits.money import Money
from flask_stripe_credits.web import schemas
from flask_stripe_credits.web.writers import compile_writer

CURRENCIES = ("usd", "eur", "jpy", "kwd", "isk")
AMOUNTS = st.integers(0, LARGEST_INTEGER)
TIMES = st.datetimes(timezones=st.just(dt.UTC))
WRITTEN = {
    schemas.PackageSchema: schemas.PACKAGE_FIELDS,
    schemas.HistoryItemSchema: schemas.HISTORY_FIELDS,
    schemas.PurchaseDetailSchema: schemas.HISTORY_FIELDS,
}


def _values_of(field: fields.Field[Any]) -> st.SearchStrategy[Any]:
    values: st.SearchStrategy[Any] = {
        fields.String: st.text() | st.builds(uuid.uuid4),
        fields.Integer: AMOUNTS,
        fields.Float: AMOUNTS,
        fields.Boolean: st.booleans(),
        schemas.UTC: TIMES,
    }[type(field)]
    return st.none() | values if field.allow_none else values


def _rows_of(schema: type[Schema]) -> st.SearchStrategy[dict[str, Any]]:
    described = schema().dump_fields
    columns = {name: _values_of(field) for name, field in described.items()}
    more = {
        "unit_amount": AMOUNTS,
        "amount_paid": st.none() | AMOUNTS,
        "amount_refunded": AMOUNTS,
        "currency": st.sampled_from(CURRENCIES),
        "stripe_payment_intent_id": st.none() | st.text(),
    }
    return st.fixed_dictionaries(columns | more)


def _by_schema(
    schema: type[Schema], made: Mapping[str, Callable[[Mapping[str, Any]], Any]], row: Any
) -> Any:
    return schema().dump({**row, **{name: make(row) for name, make in made.items()}})


@pytest.mark.parametrize("schema", WRITTEN)
@given(data=st.data())
def test_a_writer_writes_what_the_schema_dumps(schema: type[Schema], data: Any) -> None:
    made = WRITTEN[schema]
    rows = data.draw(st.lists(_rows_of(schema), max_size=3))
    written = compile_writer(schema, made)(rows)
    assert written == [_by_schema(schema, made, row) for row in rows]


def test_a_writer_refuses_a_kind_of_field_that_it_does_not_know() -> None:
    class Odd(Schema):
        when = fields.Date()

    with pytest.raises(KeyError):
        compile_writer(Odd, {})


@given(amount=st.integers(-LARGEST_INTEGER, LARGEST_INTEGER), currency=st.sampled_from(CURRENCIES))
def test_B17_the_number_on_the_wire_is_the_one_nearest_to_the_exact_amount(
    amount: int, currency: str
) -> None:
    exact = Money(amount, currency).major
    number = schemas.in_major_units(amount, currency)
    assert number == float(exact)
    assert Decimal(repr(number)) == exact or abs(amount) > 10**15
