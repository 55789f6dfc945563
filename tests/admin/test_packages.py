"""The catalogue over HTTP: what buyers see changes, the code doesn't, and who did it is kept."""

from __future__ import annotations

from typing import Any

from flask_stripe_credits.web.schemas import PackageSchema

from ..hosts import PREFIX
from .conftest import Operator

NEW = {
    "package_code": "gold",
    "package_name": "Gold",
    "description": None,
    "credits": 9_000,
    "unit_amount": 8_000,
    "currency": "usd",
}


def audited(operator: Operator) -> list[tuple[str, str, Any]]:
    lines = operator.shop.rows(operator.shop.credits.AuditLog)
    return [
        (line["actor"], line["action"], line["details"])
        for line in sorted(lines, key=lambda line: line["id"])
        if line["actor"] == "olivia"
    ]


def on_sale(operator: Operator) -> list[str]:
    return [
        row["package_code"] for row in operator.shop.client.get(f"{PREFIX}/packages").json or []
    ]


def test_all_packages_are_listed_also_those_off_sale(operator: Operator) -> None:
    assert operator.post("/packages/pro/deactivate").status_code == 200
    assert "pro" not in on_sale(operator)
    found = {row["package_code"]: row for row in operator.get("/packages")}
    assert set(found) == {"starter", "standard", "pro", "enterprise"}
    assert found["pro"]["is_active"] is False
    more = {"display_order", "created_at", "updated_at"}
    assert set(found["pro"]) == set(PackageSchema().fields) | more


def test_a_new_package_is_on_sale_at_once_and_made_once(operator: Operator) -> None:
    made = operator.post("/packages", **NEW)
    assert made.status_code == 201, made.text
    assert (made.json["credits"], made.json["price_usd"]) == (9_000, 80.0)
    assert "gold" in on_sale(operator)
    assert operator.post("/packages", **NEW).status_code == 200
    other = operator.post("/packages", **NEW | {"credits": 1})
    assert (other.status_code, other.json["code"]) == (409, "package_exists")
    (line,) = audited(operator)
    assert line[:2] == ("olivia", "package.created")
    assert line[2]["before"] is None
    assert line[2]["after"]["unit_amount"] == 8_000


def test_what_is_changed_is_kept_before_and_after(operator: Operator) -> None:
    changed = operator.ask("PATCH", "/packages/pro", json={"unit_amount": 12_345})
    assert changed.status_code == 200, changed.text
    before = changed.json["unit_amount"]
    assert before == 12_345
    assert operator.ask("PATCH", "/packages/pro", json={"unit_amount": 12_345}).status_code == 200
    ((_, action, details),) = audited(operator)
    assert action == "package.updated"
    assert details["before"]["unit_amount"] != details["after"]["unit_amount"] == 12_345


def test_off_sale_and_on_again(operator: Operator) -> None:
    for act, active in (("deactivate", False), ("deactivate", False), ("activate", True)):
        answer = operator.post(f"/packages/pro/{act}")
        assert (answer.status_code, answer.json["is_active"]) == (200, active)
        assert ("pro" in on_sale(operator)) is active
    assert [line[1] for line in audited(operator)] == ["package.updated"] * 2


WRONG_CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"package_code": "platinum"}, "package_code"),
    ({"credits": 0}, "credits"),
    ({"credits": 1.5}, "credits"),
    ({"unit_amount": "100"}, "unit_amount"),
    ({"currency": "USD"}, "currency"),
    ({"package_name": ""}, "package_name"),
    ({"is_active": 1}, "is_active"),
    ({"stripe_price_id": "price_1"}, "stripe_price_id"),
    ({"id": "1"}, "id"),
]


def test_a_wrong_field_is_named_and_nothing_changes(small_operator: Operator) -> None:
    before = small_operator.get("/packages")
    for body, field in WRONG_CHANGES:
        answer = small_operator.ask("PATCH", "/packages/pro", json={"display_order": 9, **body})
        assert answer.status_code == 422, answer.text
        assert list((answer.json or {})["errors"]) == [field]
    assert small_operator.get("/packages") == before
    assert audited(small_operator) == []


def test_the_code_may_be_said_if_it_is_the_same(small_operator: Operator) -> None:
    body = {"package_code": "pro", "credits": 5}
    assert small_operator.ask("PATCH", "/packages/pro", json=body).status_code == 200


def test_an_unknown_package_is_404(small_operator: Operator) -> None:
    for code in ("nothing", "PRO", "%00", "a" * 51):
        for method, path in (("PATCH", ""), ("POST", "/activate"), ("POST", "/deactivate")):
            answer = small_operator.ask(method, f"/packages/{code}{path}")
            assert (answer.status_code, (answer.json or {})["code"]) == (404, "package_not_found")
