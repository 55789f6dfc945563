"""OpenAPI 3.1, generated from the schemas."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apispec import APISpec

_JSON = "application/json"
_PROBLEM = "application/problem+json"
_SIGNED_IN: list[dict[str, list[str]]] = [{"cookie": []}, {"bearer": []}]

_PROBLEMS = {
    400: "The request can't be understood.",
    401: "Nobody is signed in.",
    403: "The request came from another site.",
    404: "There is no such thing, or it is somebody else's.",
    409: "A request with this `Idempotency-Key` is in progress.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A field is not valid, or the `Idempotency-Key` was used with another body.",
    429: "Too many checkouts in the last hour. See `Retry-After`.",
    500: "This server is set up wrongly.",
    502: "Stripe didn't accept the checkout.",
    503: "Try again later. See `Retry-After`.",
}


def openapi_document(prefix: str) -> dict[str, Any]:
    """Describe the API.

    :param prefix: the path that it is mounted at.
    """
    return {**_document(), "servers": [{"url": prefix}]}


@functools.cache
def _document() -> dict[str, Any]:
    # Imported at the first request for the document, which most workers never see.
    from importlib.metadata import version

    from apispec import APISpec
    from apispec.ext.marshmallow import MarshmallowPlugin

    spec = APISpec(
        title="Credits",
        version=version("flask-stripe-credits"),
        openapi_version="3.1.0",
        info={"description": "Buy credits through Stripe Checkout."},
        plugins=[
            MarshmallowPlugin(
                schema_name_resolver=lambda schema: type(schema).__name__.removesuffix("Schema")
            )
        ],
    )
    spec.components.security_scheme(
        "cookie",
        {
            "type": "apiKey",
            "in": "cookie",
            "name": "session",
            "description": "The host's own sign-in.",
        },
    )
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme("metrics", {"type": "http", "scheme": "bearer"})
    _describe_shop(spec)
    _describe_purchases(spec)
    _describe_machine_routes(spec)
    return spec.to_dict()


def _describe_shop(spec: APISpec) -> None:
    from . import schemas

    _path(
        spec,
        "/packages",
        "get",
        "List the packages that are for sale",
        {200: ("The active packages, in display order.", schemas.PackageSchema(many=True))},
        problems=(401, 503),
        extra_responses={"304": {"description": "Not modified since the given `ETag`."}},
    )
    _path(
        spec,
        "/purchase",
        "post",
        "Open a checkout",
        {
            200: ("The checkout that the same click opened before.", schemas.CheckoutSchema()),
            201: ("Send the buyer to `checkout_url`.", schemas.CheckoutSchema()),
        },
        problems=(400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503),
        body=schemas.PurchaseRequestSchema(),
        parameters=[
            {
                "in": "header",
                "name": "Idempotency-Key",
                "schema": {"type": "string", "maxLength": 255, "pattern": "^[ -~]+$"},
                "description": "Names one purchase of this user for ever.",
            }
        ],
    )


def _describe_purchases(spec: APISpec) -> None:
    from . import schemas

    _path(
        spec,
        "/history",
        "get",
        "List the signed-in user's purchases",
        {200: ("Newest first.", schemas.HistoryItemSchema(many=True))},
        problems=(401, 422, 503),
        parameters=[
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
            _query("offset", {"type": "integer", "minimum": 0, "maximum": 1000000, "default": 0}),
            _query("after", {"type": "string", "format": "uuid"}),
        ],
    )
    _path(
        spec,
        "/purchases/{purchase_id}",
        "get",
        "Show one purchase; asks Stripe while it isn't settled",
        {200: ("The purchase.", schemas.PurchaseDetailSchema())},
        problems=(401, 404, 503),
        parameters=[
            {
                "in": "path",
                "name": "purchase_id",
                "required": True,
                "schema": {"type": "string", "format": "uuid"},
            }
        ],
    )


def _describe_machine_routes(spec: APISpec) -> None:
    from . import schemas

    _path(
        spec,
        "/webhook",
        "post",
        "Receive an event of Stripe's",
        {200: ("Taken.", schemas.WebhookAnswerSchema())},
        problems=(400, 413, 415, 503),
        security=[],
        parameters=[
            {
                "in": "header",
                "name": "Stripe-Signature",
                "required": True,
                "schema": {"type": "string"},
            }
        ],
        extra={"requestBody": {"content": {_JSON: {"schema": {"type": "object"}}}}},
    )
    _describe_monitoring(spec)
    _path(
        spec,
        "/openapi.json",
        "get",
        "This document",
        {},
        problems=(),
        security=[],
        extra_responses={
            "200": {
                "description": "OpenAPI 3.1.",
                "content": {_JSON: {"schema": {"type": "object"}}},
            }
        },
    )


def _describe_monitoring(spec: APISpec) -> None:
    from . import schemas

    _path(
        spec,
        "/health",
        "get",
        "Whether this process can sell and grant credits",
        {
            200: ("Send it requests.", schemas.HealthSchema()),
            503: ("Send them elsewhere.", schemas.HealthSchema()),
        },
        problems=(),
        security=[],
    )
    _path(
        spec,
        "/health/live",
        "get",
        "Whether this process answers",
        {200: ("It does.", schemas.LivenessSchema())},
        problems=(),
        security=[],
    )
    _path(
        spec,
        "/metrics",
        "get",
        "Metrics for Prometheus, where `STRIPE_CREDITS_METRICS_TOKEN` is set",
        {},
        problems=(401, 404, 503),
        security=[{"metrics": []}],
        extra_responses={
            "200": {
                "description": "Prometheus' text format.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
    )


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": "query", "name": name, "schema": schema}


def _path(
    spec: APISpec,
    path: str,
    method: str,
    summary: str,
    answers: dict[int, tuple[str, Any]],
    *,
    problems: tuple[int, ...],
    parameters: list[dict[str, Any]] | None = None,
    body: Any = None,
    security: list[dict[str, list[str]]] | None = None,
    extra_responses: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> None:
    from . import schemas

    responses = dict(extra_responses or {})
    for status, (description, schema) in answers.items():
        responses[str(status)] = {
            "description": description,
            "content": {_JSON: {"schema": schema}},
        }
    for status in problems:
        responses[str(status)] = {
            "description": _PROBLEMS[status],
            "content": {_PROBLEM: {"schema": schemas.ProblemSchema()}},
        }
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": responses,
        "security": _SIGNED_IN if security is None else security,
        **(extra or {}),
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": body}}}
    spec.path(path, operations={method: operation})
