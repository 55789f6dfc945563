"""OpenAPI 3.1, generated from the schemas."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .openapi_operation import JSON, describe, query_parameter

if TYPE_CHECKING:
    from apispec import APISpec


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

    from .admin.openapi import describe_admin

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
    describe_admin(spec)
    return spec.to_dict()


def _describe_shop(spec: APISpec) -> None:
    from . import schemas

    describe(
        spec,
        "/packages",
        "get",
        "List the packages that are for sale",
        {200: ("The active packages, in display order.", schemas.PackageSchema(many=True))},
        problems=(401, 503),
        extra_responses={"304": {"description": "Not modified since the given `ETag`."}},
    )
    describe(
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

    describe(
        spec,
        "/history",
        "get",
        "List the signed-in user's purchases",
        {200: ("Newest first.", schemas.HistoryItemSchema(many=True))},
        problems=(401, 422, 503),
        parameters=[
            query_parameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
            ),
            query_parameter(
                "offset", {"type": "integer", "minimum": 0, "maximum": 1000000, "default": 0}
            ),
            query_parameter("after", {"type": "string", "format": "uuid"}),
        ],
    )
    describe(
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

    describe(
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
        extra={"requestBody": {"content": {JSON: {"schema": {"type": "object"}}}}},
    )
    _describe_monitoring(spec)
    describe(
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
                "content": {JSON: {"schema": {"type": "object"}}},
            }
        },
    )


def _describe_monitoring(spec: APISpec) -> None:
    from . import schemas

    describe(
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
    describe(
        spec,
        "/health/live",
        "get",
        "Whether this process answers",
        {200: ("It does.", schemas.LivenessSchema())},
        problems=(),
        security=[],
    )
    describe(
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
