from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from ..docs.pages import sections, tables
from ..hosts import PREFIX, Host
from ..stripe_stub import NewShop
from .test_history import FIELDS as HISTORY_FIELDS
from .test_packages import FIELDS as PACKAGE_FIELDS


def document(host: Host, **options: Any) -> dict[str, Any]:
    answer = host.client.get(f"{PREFIX}/openapi.json", **options)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    found: dict[str, Any] = answer.json or {}
    return found


@pytest.fixture
def openapi(small_shop: Host) -> dict[str, Any]:
    return document(small_shop)


def test_the_document_is_valid_openapi(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(openapi).iter_errors()] == []


def test_it_needs_no_user(small_shop: Host) -> None:
    small_shop.user = None
    assert document(small_shop)["info"]["title"]


def test_every_route_is_described_and_no_other(small_shop: Host, openapi: dict[str, Any]) -> None:
    routes = {
        (rule.rule.removeprefix(PREFIX).replace("<", "{").replace(">", "}"), method.lower())
        for rule in small_shop.app.url_map.iter_rules()
        if rule.rule.startswith(PREFIX) and not rule.endpoint.endswith(".all_else")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    described = {
        (path, method) for path, operations in openapi["paths"].items() for method in operations
    }
    assert routes == described


def test_the_schemas_name_the_fields_that_are_sent(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]
    for name, fields in (
        ("Package", PACKAGE_FIELDS),
        ("HistoryItem", HISTORY_FIELDS),
        ("PurchaseDetail", HISTORY_FIELDS | {"checkout_url", "expires_at", "delivered"}),
        ("Checkout", {"checkout_url", "session_id", "purchase_id", "status", "expires_at"}),
    ):
        assert set(schemas[name]["properties"]) == fields
        assert set(schemas[name]["required"]) == fields
    assert schemas["PurchaseRequest"]["required"] == ["package_code"]
    assert schemas["PurchaseRequest"]["additionalProperties"] is False


def test_every_field_has_a_type(openapi: dict[str, Any]) -> None:
    for name, schema in openapi["components"]["schemas"].items():
        for field, described in schema["properties"].items():
            assert described.keys() & {"type", "$ref", "enum"}, f"{name}.{field}"
    created = openapi["components"]["schemas"]["HistoryItem"]["properties"]["created_at"]
    assert (created["type"], created["format"]) == ("string", "date-time")


@pytest.mark.parametrize(
    ("key", "fits"), [("a", True), (" ~", True), ("a" * 255, True), ("é", False), ("", False)]
)
def test_D09_it_says_which_characters_an_idempotency_key_may_have(
    openapi: dict[str, Any], key: str, fits: bool
) -> None:
    (header,) = openapi["paths"]["/purchase"]["post"]["parameters"]
    assert header["name"] == "Idempotency-Key"
    assert Draft202012Validator(header["schema"]).is_valid(key) is fits


def test_errors_are_described_as_problems(openapi: dict[str, Any]) -> None:
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            for status, answer in operation["responses"].items():
                # Load balancers look at the status, and people at the checks.
                if int(status) >= 400 and path != "/health":
                    assert list(answer["content"]) == ["application/problem+json"], (path, method)


def operations(openapi: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in openapi["paths"].values():
        yield from methods.values()


def contents(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything that is sent or answered, by whom."""
    for operation in operations(openapi):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for content in body.get("content", {}).values():
                yield operation["operationId"], content


def test_every_operation_has_a_name_of_its_own_a_summary_and_a_known_tag(
    openapi: dict[str, Any],
) -> None:
    found = list(operations(openapi))
    names = [one["operationId"] for one in found]
    assert len(set(names)) == len(names) > 20
    tags = {tag["name"] for tag in openapi["tags"]}
    assert {tag for one in found for tag in one["tags"]} == tags
    assert all(one["summary"] and not one["summary"].endswith(".") for one in found)
    assert openapi["info"]["license"]["identifier"] == "MIT"


def test_every_body_has_an_example_that_fits(openapi: dict[str, Any]) -> None:
    tried = 0
    for name, content in contents(openapi):
        references = content.get("examples", {}).values()
        cases = [_resolved(openapi, one)["value"] for one in references]
        cases += [content["example"]] if "example" in content else []
        free = content["schema"] in ({"type": "string"}, {"type": "object"})
        assert cases or free, f"{name} has no example"
        schema = {**content["schema"], "components": openapi["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        for case in cases:
            validator.validate(case)
            tried += 1
    assert tried > 100


def _resolved(openapi: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    found = openapi
    for part in one["$ref"].removeprefix("#/").split("/") if "$ref" in one else ():
        found = found[part]
    return found if "$ref" in one else one


def test_every_code_of_a_problem_is_in_the_document_and_on_the_page(
    openapi: dict[str, Any],
) -> None:
    described = {
        (int(status), code)
        for operation in operations(openapi)
        for status, answer in operation["responses"].items()
        for code in answer.get("content", {})
        .get("application/problem+json", {})
        .get("examples", ())
    }
    assert {code for _, code in described} == set(openapi["components"]["examples"])
    for status, code in described:
        value = openapi["components"]["examples"][code]["value"]
        assert (value["status"], value["code"]) == (status, code)
    (rows,) = tables(sections("reference/http-api.md")["Errors"])
    documented = {(int(row[0]), row[1].strip("`")) for row in rows[1:]}
    # A method that a route hasn't, and what nobody expected.
    undescribed = {
        (405, "method_not_allowed"),
        (500, "internal_error"),
        (500, "internal_server_error"),
    }
    assert documented == described | undescribed


def test_F23_the_address_is_the_path_that_the_api_is_mounted_at(new_shop: NewShop) -> None:
    host = new_shop()
    options = {"headers": {"Host": "evil.test"}, "environ_overrides": {"SCRIPT_NAME": "/shop"}}
    assert document(host)["servers"] == [{"url": PREFIX}]
    assert document(host, **options)["servers"] == [{"url": f"/shop{PREFIX}"}]
    moved = new_shop(STRIPE_CREDITS_URL_PREFIX="/pay")
    answer = moved.client.get("/pay/openapi.json")
    assert (answer.json or {})["servers"] == [{"url": "/pay"}]


def test_nothing_of_the_settings_is_shown(small_shop: Host) -> None:
    text = small_shop.client.get(f"{PREFIX}/openapi.json").text
    settings = small_shop.state.settings
    assert settings.require_secret_key().reveal() not in text
    assert small_shop.webhook_secret not in text
