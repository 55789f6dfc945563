"""What the code doesn't do, read from the code itself."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "flask_stripe_credits"
SOURCES = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
# The sandbox and what starts it are for a developer's own machine.
OF_A_DEVELOPER = ("sandbox/", "testing/", "cli/dev/")

RUNS = {
    "eval",
    "exec",
    "compile",
    "os.system",
    "os.popen",
    "render_template_string",
    "yaml.load",
    "Markup",
}
RUNNING_MODULES = {"pickle", "marshal", "shelve", "subprocess", "ctypes", "code", "pty"}
CONNECTING_MODULES = {
    "requests": {"gateway/transport.py"},
    # An operator's `flask credits webhook test`, to the app's own address.
    "http.client": {"webhooks/probe.py"},
    "urllib.request": {"webhooks/probe.py"},
    "ssl": {"webhooks/probe.py"},
    # The host's mail server.
    "smtplib": {"mail/sending.py", "doctor/mail.py"},
    "socket": set(),
    "httpx": set(),
    "aiohttp": set(),
    "urllib3": set(),
    "ftplib": set(),
}
# Numbers and words of our own, names of our own tables, and two spellings of BEGIN.
WRITTEN_INTO_SQL = {
    "catalog/changes.py": "LOCK TABLE",
    "monitoring/watch.py": "statement_timeout",
    "migration_lock.py": "PRAGMA",
    "statements.py": "repr(value)",
    "unit_of_work.py": "begin",
}


@functools.cache
def trees() -> list[tuple[str, ast.Module]]:
    return [
        (name, ast.parse(path.read_text(encoding="utf-8")))
        for name, path in sorted(SOURCES.items())
        if not name.startswith(OF_A_DEVELOPER)
    ]


def imports(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def what_runs(tree: ast.AST) -> set[str]:
    return {name for name, _ in calls(tree) if name in RUNS} | (imports(tree) & RUNNING_MODULES)


def sql_with_values(tree: ast.AST) -> list[str]:
    """Statements as text that aren't written out where they are used."""
    found = []
    for name, call in calls(tree):
        as_text = name in ("sa.text", "sa.literal_column", "sqlalchemy.text")
        written_out = bool(call.args) and isinstance(call.args[0], ast.Constant)
        if (as_text or name.endswith(".exec_driver_sql")) and not written_out:
            found.append(ast.unparse(call))
    return found


def test_nothing_that_comes_in_is_run() -> None:
    assert {name: found for name, tree in trees() if (found := what_runs(tree))} == {}


def test_no_value_is_written_into_sql() -> None:
    for name, tree in trees():
        # The pages have a function of this name that translates.
        assert not imports(tree) & {"sqlalchemy.text", "sqlalchemy.literal_column"}, name
        for statement in sql_with_values(tree):
            assert name in WRITTEN_INTO_SQL, f"{name}: {statement}"
            assert WRITTEN_INTO_SQL[name] in statement


def test_the_constants_of_statements_are_written_in_their_module() -> None:
    (tree,) = (tree for name, tree in trees() if name == "statements.py")
    made = [ast.unparse(call.args[0]) for name, call in calls(tree) if name == "_constant"]
    assert len(made) > 8
    ours = r"\d+|'[a-z]+'|FIRST_DEAD_REFUND|WITHDRAWN\.start|WITHDRAWN\.stop - 1"
    assert [one for one in made if not re.fullmatch(ours, one)] == []


@pytest.mark.parametrize("module", sorted(CONNECTING_MODULES))
def test_only_these_modules_open_connections(module: str) -> None:
    assert {name for name, tree in trees() if module in imports(tree)} == CONNECTING_MODULES[module]


def test_every_template_escapes() -> None:
    templates = [path for path in PACKAGE.rglob("*.html") if "sandbox" not in path.parts]
    assert len(templates) > 20
    for path in templates:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe\b|autoescape", text), path


def test_the_checks_can_fail() -> None:
    code = 'import pickle, socket\neval(x)\nsa.text(f"SELECT {x}")\nc.exec_driver_sql("BEGIN")'
    tree = ast.parse(code)
    assert what_runs(tree) == {"eval", "pickle"}
    assert sql_with_values(tree) == ["sa.text(f'SELECT {x}')"]
    assert "socket" in imports(tree)
