"""The buyers' and the machines' routes in the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import schemas
from .openapi_operation import JSON, NEXT_PAGE, describe, query_parameter
from .openapi_problems import BODY, DATABASE

if TYPE_CHECKING:
    from apispec import APISpec

_BUYERS, _MACHINES = "Buyers", "Machines"
_ETAG = {
    "ETag": {
        "description": "For `If-None-Match`.",
        "schema": {"type": "string"},
    }
}
_PURCHASE_PROBLEMS = (
    *("unauthorized", *BODY),
    *("package_not_found", "redirect_not_allowed", "too_many_sessions"),
    *("idempotency_key_in_flight", "idempotency_key_reused"),
    *("configuration_error", "not_configured"),
    *("stripe_rejected", "stripe_unavailable", "stripe_refused_key"),
    *DATABASE,
)
_WEBHOOK_PROBLEMS = (
    *("bad_request", "invalid_signature", "malformed_event"),
    *("payload_too_large", "unsupported_media_type"),
    *("not_configured", "fulfillment_failed", "stripe_unavailable", "stripe_refused_key"),
    *DATABASE,
)


def describe_shop(spec: APISpec) -> None:
    """Describe every route that isn't below ``/admin``."""
    _describe_selling(spec)
    _describe_purchases(spec)
    _describe_machine_routes(spec)
    _describe_monitoring(spec)


def _describe_selling(spec: APISpec) -> None:
    describe(
        spec,
        "/packages",
        "get",
        "List the packages that are for sale",
        {200: ("The active packages, in display order.", schemas.PackageSchema(many=True))},
        name="listPackages",
        tag=_BUYERS,
        problems=("unauthorized", *DATABASE),
        headers=_ETAG,
        extra_responses={
            "304": {"description": "Not modified since the given `ETag`.", "headers": _ETAG}
        },
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
        name="openCheckout",
        tag=_BUYERS,
        problems=_PURCHASE_PROBLEMS,
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
    describe(
        spec,
        "/history",
        "get",
        "List the signed-in user's purchases",
        {200: ("Newest first.", schemas.HistoryItemSchema(many=True))},
        headers=NEXT_PAGE,
        name="listHistory",
        tag=_BUYERS,
        problems=("unauthorized", "validation_failed", *DATABASE),
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
        name="showPurchase",
        tag=_BUYERS,
        problems=("unauthorized", "not_found", *DATABASE),
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
    describe(
        spec,
        "/webhook",
        "post",
        "Receive an event of Stripe's",
        {200: ("Taken.", schemas.WebhookAnswerSchema())},
        name="receiveEvent",
        tag=_MACHINES,
        problems=_WEBHOOK_PROBLEMS,
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
    describe(
        spec,
        "/openapi.json",
        "get",
        "This document",
        {},
        name="readOpenapi",
        tag=_MACHINES,
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
    describe(
        spec,
        "/health",
        "get",
        "Whether this process can sell and grant credits",
        {
            200: ("Send it requests.", schemas.HealthSchema()),
            503: ("Send them elsewhere.", schemas.HealthSchema()),
        },
        name="checkHealth",
        tag=_MACHINES,
        problems=(),
        security=[],
    )
    describe(
        spec,
        "/health/live",
        "get",
        "Whether this process answers",
        {200: ("It does.", schemas.LivenessSchema())},
        name="checkLiveness",
        tag=_MACHINES,
        problems=(),
        security=[],
    )
    describe(
        spec,
        "/metrics",
        "get",
        "Metrics for Prometheus, where `STRIPE_CREDITS_METRICS_TOKEN` is set",
        {},
        name="readMetrics",
        tag=_MACHINES,
        problems=("unauthorized", "not_found", "not_configured"),
        security=[{"metrics": []}],
        extra_responses={
            "200": {
                "description": "Prometheus' text format.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
    )
