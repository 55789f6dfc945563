"""The catalogue as a TOML file: one ``[[packages]]`` table each, in the order of display."""

from __future__ import annotations

import json
import reprlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ..errors import InvalidCatalog
from .rules import FIELDS, is_package_code, missing_fields, wrong_fields, wrong_step


@dataclass(frozen=True, slots=True)
class PackageSpec:
    """A package as a file describes it.

    :ivar unit_amount: the final price, minor units of ``currency``.
    :ivar discount_percentage: for display only.
    :ivar is_active: None leaves it as it is; a new package is active.
    """

    package_code: str
    package_name: str
    credits: int
    unit_amount: int
    currency: str
    description: str | None = None
    discount_percentage: int = 0
    is_active: bool | None = None


# The order of display is the order in the file.
_FIELDS = [name for name in FIELDS if name != "display_order"]


def default_catalog() -> bytes:
    """The catalogue that ships with this package, as TOML."""
    return (files("flask_stripe_credits") / "packages.toml").read_bytes()


def parse_packages(content: bytes) -> list[PackageSpec]:
    """Read a catalogue.

    :raises InvalidCatalog: when anything in it is wrong; says all that is.
    """
    tables = _tables(content)
    problems: list[str] = []
    specs: list[PackageSpec] = []
    seen: dict[str, int] = {}
    for number, table in enumerate(tables, start=1):
        wrong = list(_problems(table))
        code = table.get("package_code") if isinstance(table, dict) else None
        name = f"package {number}" + (f" ({code})" if is_package_code(code) else "")
        if isinstance(code, str) and seen.setdefault(code, number) != number:
            wrong.append(f"package_code is already that of package {seen[code]}")
        problems += [f"{name}: {problem}" for problem in wrong]
        if not wrong:
            specs.append(PackageSpec(**{**table, "description": table.get("description") or None}))
    if problems:
        raise InvalidCatalog(problems)
    return specs


def _tables(content: bytes) -> list[Any]:
    try:
        document = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidCatalog(["the file isn't UTF-8 text"]) from None
    except (ValueError, RecursionError) as error:
        raise InvalidCatalog([f"the file isn't valid TOML: {error}"]) from None
    unknown = sorted(document.keys() - {"packages"})
    if unknown:
        shown = ", ".join(map(reprlib.repr, unknown))
        raise InvalidCatalog([f"the file may hold nothing but [[packages]]; it also holds {shown}"])
    tables = document.get("packages")
    if not isinstance(tables, list) or not tables:
        raise InvalidCatalog(["the file holds no [[packages]]"])
    return tables


def _problems(table: Any) -> Iterable[str]:
    if not isinstance(table, dict):
        yield "must be a table of its own, headed [[packages]]"
        return
    problems = [
        *wrong_fields(table, _FIELDS),
        *missing_fields(table, _FIELDS),
        *wrong_step(table.get("unit_amount"), table.get("currency")),
    ]
    yield from (problem for _, problem in problems)


def format_packages(specs: Iterable[PackageSpec]) -> str:
    """Write a catalogue as TOML that :func:`parse_packages` reads back to the same."""
    return "\n".join(_format(spec) for spec in specs)


def _format(spec: PackageSpec) -> str:
    values = {name: getattr(spec, name) for name in _FIELDS}
    lines = [f"{name} = {_toml(value)}\n" for name, value in values.items() if value is not None]
    return "[[packages]]\n" + "".join(lines)


def _toml(value: str | int | bool) -> str:
    # JSON's escapes are all TOML's too; TOML also wants DEL escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
