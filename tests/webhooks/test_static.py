"""What must not stand in the source, whatever the other tests can see of it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import flask_stripe_credits

PACKAGE = Path(flask_stripe_credits.__file__).parent
WEBHOOKS = sorted((PACKAGE / "webhooks").glob("*.py"))
FACTS = sorted((PACKAGE / "facts").glob("*.py"))
SECRETS = {"signature", "signatures", "expected", "secret", "secrets", "digest", "header"}


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} | {
        part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)
    }


def _unsafe_comparisons(source: str) -> list[str]:
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        and any(isinstance(op, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)) for op in node.ops)
        and _names(node) & SECRETS
    ]


@pytest.mark.parametrize("path", WEBHOOKS, ids=lambda path: path.name)
def test_E14_signatures_are_compared_in_constant_time(path: Path) -> None:
    assert _unsafe_comparisons(path.read_text()) == []


def test_E14_the_check_can_fail() -> None:
    assert _unsafe_comparisons("if expected == value: pass")
    assert _unsafe_comparisons("if value not in self.signatures: pass")
    assert "compare_digest" in (PACKAGE / "webhooks" / "signature.py").read_text()


@pytest.mark.parametrize("path", WEBHOOKS, ids=lambda path: path.name)
def test_E25_E26_nothing_switches_the_check_off(path: Path) -> None:
    source = path.read_text()
    # What the operator's own test of the endpoint sends is a request.
    sends = r"|request|headers" if path.name != "probe.py" else ""
    forbidden = rf"\b(testing|debug|app\.config|environ|getenv{sends}|skip\w*)\b"
    assert re.findall(forbidden, source, re.IGNORECASE) == []


def test_E26_of_the_request_only_one_header_is_read_by_the_webhook() -> None:
    tree = ast.parse((PACKAGE / "web" / "webhook.py").read_text())
    (view,) = (
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "webhook"
    )
    read = {
        ast.unparse(node)
        for node in ast.walk(view)
        if isinstance(node, (ast.Attribute, ast.Call)) and "request" in ast.unparse(node)
    }
    assert read <= {
        "request.content_encoding",
        "request.headers",
        "request.headers.get",
        "request.headers.get('Stripe-Signature')",
        "receive(state, read_body(LARGEST_EVENT), request.headers.get('Stripe-Signature'))",
    }


def test_B06_of_metadata_only_the_markers_are_read() -> None:
    """Metadata is a pointer, never a quantity: users, credits and amounts come from our rows."""
    objects = sorted((PACKAGE / "stripe_objects").glob("*.py"))
    source = "".join(path.read_text() for path in objects)
    read = re.findall(r"metadata(?:\.get\(|\[|, )([A-Z_a-z\"']+)", source)
    others = {"PACKAGE_MARKER", "REQUEST_MARKER", "FINGERPRINT_MARKER", '"credits"'}
    assert set(read) <= {"SITE_MARKER", "PURCHASE_MARKER"} | others
    # It stops an operator who types something else, and is never granted.
    reading = [path for path in PACKAGE.rglob("*.py") if ".credits_told" in path.read_text()]
    assert [path.name for path in reading] == ["rebuild.py"]
    assert {"SITE_MARKER", "PURCHASE_MARKER"} <= set(read)
    for path in (*FACTS, *WEBHOOKS, PACKAGE / "fulfillment.py"):
        assert "metadata" not in path.read_text(), path.name


def test_the_webhook_never_imports_stripe() -> None:
    for path in (*FACTS, *WEBHOOKS, PACKAGE / "fulfillment.py"):
        imported = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert "stripe" not in imported
