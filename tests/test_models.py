"""The types that hosts see of the models are those of the tables."""

from __future__ import annotations

import datetime as dt
import types
import typing
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from flask_stripe_credits import models as module
from flask_stripe_credits.errors import ConfigurationError
from flask_stripe_credits.models import CreditPurchaseMixin, Models, build_models
from flask_stripe_credits.tables import UTCDateTime


def _named(kind: sa.types.TypeEngine[Any]) -> Any:
    """The Python type of a column's type."""
    if isinstance(kind, UTCDateTime):
        return dt.datetime
    return dict[str, Any] if isinstance(kind, sa.JSON) else kind.python_type


def _annotated(model: type[Any]) -> dict[str, Any]:
    names = {"Mapped": Mapped, "dt": dt, "uuid": uuid, "Any": Any}
    hints = typing.get_type_hints(model, globalns=vars(module), localns=names)
    return {
        name: typing.get_args(hint)[0]
        for name, hint in hints.items()
        if typing.get_origin(hint) is Mapped
    }


@pytest.mark.parametrize("name", Models.names())
def test_a_model_has_the_columns_of_its_table(name: str) -> None:
    model = getattr(build_models(sa.MetaData()), name)
    annotated = _annotated(model)
    columns = {attribute.key: attribute.columns[0] for attribute in sa.inspect(model).column_attrs}
    assert set(annotated) == set(columns)
    assert set(columns.values()) == set(model.__table__.columns)
    for attribute, column in columns.items():
        plain = _named(column.type)
        expected = plain | None if column.nullable else plain
        assert annotated[attribute] == expected, attribute
        assert isinstance(expected, types.UnionType) == column.nullable


def test_a_model_is_made_by_its_columns_names() -> None:
    models: Any = build_models(sa.MetaData())
    assert models.Buyer(user_id="alice").user_id == "alice"
    with pytest.raises(TypeError, match="nothing"):
        models.Buyer(nothing=1)


@pytest.mark.parametrize("part", ["column", "relationship", "declared"])
def test_what_a_purchase_class_can_not_have_is_refused(part: str) -> None:
    value: Any = {
        "column": mapped_column(sa.String),
        "relationship": relationship("Invoice"),
        "declared": declared_attr(lambda cls: relationship("Invoice")),
    }[part]
    purchase_class: Any = type("Purchase", (CreditPurchaseMixin,), {"invoice": value})
    with pytest.raises(ConfigurationError, match=r"Purchase\.invoice would not be mapped"):
        build_models(sa.MetaData(), purchase_class)
