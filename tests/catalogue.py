"""The catalogue of faults and the tests that cover them: ``python -m tests.catalogue``.

``catalogue.toml`` words the faults. A test covers those whose ids its name begins with
(``test_A05_A06_…``). :func:`page` makes ``docs/reference/faults.md`` of both.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PAGE = ROOT / "docs" / "reference" / "faults.md"

_ID = r"_[A-Z]\d{1,2}(?=_|$)"
_IDS_IN_FRONT = re.compile(rf"test((?:{_ID})+)")

_HEADINGS = {
    "guide": "What the guide gets wrong",
    "invariants": "What always holds",
    "deliveries": "Deliveries: twice, late, in any order",
    "payments": "Payments",
    "crashes": "Crashes, databases and receivers",
    "stripe": "Stripe at its worst",
    "webhook": "The webhook and hostile input",
    "http": "The HTTP API and its users",
    "operations": "Operations and releases",
}
_INTRODUCTION = """\
<!-- Made by `make catalogue` from tests/catalogue.toml and the tests' names. Don't edit. -->

# Faults and their tests

What must not go wrong when credits are sold, and the tests that show that it doesn't, found by the
ids at the front of their names (files below `tests/`). A row marked *open* waits for what it names.
"""


@dataclass(frozen=True)
class Catalogue:
    """The data file: id → our wording, by section, and the ids that wait, id → for what."""

    sections: Mapping[str, Mapping[str, str]]
    open: Mapping[str, str]

    @property
    def ids(self) -> list[str]:
        return [id_ for rows in self.sections.values() for id_ in rows]


def read_catalogue() -> Catalogue:
    document = tomllib.loads((TESTS / "catalogue.toml").read_text(encoding="utf-8"))
    return Catalogue(open=document.pop("open"), sections=document)


def covered_ids(test_name: str) -> list[str]:
    """The ids that stand at the front of a test's name."""
    front = _IDS_IN_FRONT.match(test_name)
    return _ids(front[1]) if front else []


def misplaced_ids(test_name: str) -> list[str]:
    """What looks like an id and stands where it counts for nothing."""
    return _ids(test_name)[len(covered_ids(test_name)) :]


def _ids(text: str) -> list[str]:
    return [found[1:] for found in re.findall(_ID, text)]


def test_names() -> Iterator[tuple[str, str]]:
    """File (relative to ``tests``) and name of each test function, sorted."""
    for path in sorted(TESTS.rglob("test_*.py")):
        where = path.relative_to(TESTS).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            functions = (ast.FunctionDef, ast.AsyncFunctionDef)
            if isinstance(node, functions) and node.name.startswith("test"):
                yield where, node.name


def coverage() -> dict[str, dict[str, list[str]]]:
    """Id → file → names of the tests that cover it, all sorted."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for where, name in test_names():
        for id_ in covered_ids(name):
            found[id_][where].add(name)
    return {
        id_: {where: sorted(names) for where, names in sorted(files.items())}
        for id_, files in found.items()
    }


def page() -> str:
    """What ``docs/reference/faults.md`` has to say now."""
    catalogue, covered = read_catalogue(), coverage()
    parts = [_INTRODUCTION]
    for section, heading in _HEADINGS.items():
        parts.append(f"\n## {heading}\n\n| id | fault | tests |\n| --- | --- | --- |\n")
        for id_, fault in catalogue.sections[section].items():
            tests = _tests(covered.get(id_, {})) or f"*open*: {catalogue.open.get(id_, '?')}"
            parts.append(f"| {id_} | {fault} | {tests} |\n")
    return "".join(parts)


def _tests(files: Mapping[str, list[str]]) -> str:
    return "<br>".join(
        f"{where}: " + ", ".join(f"`{name}`" for name in names) for where, names in files.items()
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
