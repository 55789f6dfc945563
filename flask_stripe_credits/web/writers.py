"""Write rows as a schema describes them, without asking the schema again for every value.

``Schema.dump`` takes longer than all the rest of a page of fifty purchases. A writer is compiled
from the schema once, so that the schema stays the only description of the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from marshmallow import Schema, fields

from .schemas import UTC, utc

Row = Mapping[str, Any]

_CONVERTERS: dict[type[fields.Field[Any]], Callable[[Any], Any]] = {
    fields.String: str,
    fields.Integer: int,
    fields.Float: float,
    fields.Boolean: bool,
    UTC: utc,
}


def compile_writer(
    schema: type[Schema], computed: Mapping[str, Callable[[Row], Any]]
) -> Callable[[Iterable[Row]], list[dict[str, Any]]]:
    """Return a function that writes rows as ``schema().dump(rows, many=True)`` does.

    :param computed: fields that aren't columns, made from the row.
    :raises KeyError: when another field is of a kind that isn't known here.
    """
    described = schema().dump_fields
    columns = [
        (name, _CONVERTERS[type(field)])
        for name, field in described.items()
        if name not in computed
    ]
    made = [(name, computed[name]) for name in described if name in computed]

    def write(rows: Iterable[Row]) -> list[dict[str, Any]]:
        written = []
        for row in rows:
            item = {
                name: None if (value := row[name]) is None else convert(value)
                for name, convert in columns
            }
            for name, make in made:
                item[name] = make(row)
            written.append(item)
        return written

    return write
