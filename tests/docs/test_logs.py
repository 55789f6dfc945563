"""``reference/logs.md`` lists every line that is logged, with its event and level, and no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from flask_stripe_credits import logs

from .pages import ROOT, codes, read, sections, tables

PACKAGE = ROOT / "flask_stripe_credits"
LEVELS = {
    "info": "INFO",
    "warning": "WARNING",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "CRITICAL",
}
Line = tuple[str, str, str]


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        # The sandbox isn't ours to watch in production: it logs for the developer beside it.
        if name not in ("logs.py", "cli/sandbox.py") and not name.startswith("sandbox/"):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def lines(tree: ast.Module) -> Iterator[Line]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "log"
            and node.func.attr in LEVELS
        ):
            event, message = (ast.literal_eval(argument) for argument in node.args[:2])
            yield event, LEVELS[node.func.attr], message


def test_every_line_that_is_logged_is_documented_and_no_other() -> None:
    logged = {line for _, tree in modules() for line in lines(tree)}
    (rows,) = tables(sections("reference/logs.md")["Events"])
    documented = [(row[0].strip("`"), row[1], row[2].strip("`")) for row in rows[1:]]
    assert len(documented) == len(set(documented))
    assert set(documented) == logged
    assert len(logged) > 30
    assert all(row[3] for row in rows[1:])


def test_nothing_is_logged_in_another_way() -> None:
    """Or it could be forged, would lack the attributes, and nobody would find it on the page."""
    for name, tree in modules():
        ways = {
            node.func.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "logging"
        }
        # The gateway quiets the library's own logger.
        assert ways <= ({"getLogger"} if name == "gateway/connection.py" else set()), name


def test_the_attributes_are_documented() -> None:
    (rows,) = tables(sections("reference/logs.md")["Attributes of every record"])
    assert [row[0].strip("`") for row in rows[1:]] == list(logs.FIELDS)
    assert {"time", "level", "logger", "message", "exception"} <= set(
        codes(read("reference/logs.md"))
    )
