"""The administrators' routes in the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...catalog.rules import (
    LARGEST_DISPLAY_ORDER,
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
)
from ...facts import PurchaseStatus
from ...integers import LARGEST_INTEGER
from ...purchase_search import LONGEST_TEXT
from ...reports import Bucket
from ..figures_schema import FiguresSchema
from ..openapi_examples import REQUESTS
from ..openapi_operation import JSON, NEXT_PAGE, describe, query_parameter
from ..openapi_problems import BODY, DATABASE
from . import schemas

if TYPE_CHECKING:
    from apispec import APISpec

_TAG = "Administrators"
_LOOKING = ("unauthorized", "not_administrator", "validation_failed", *DATABASE)
_ACTING = (*_LOOKING, *BODY)
# What asks Stripe and hands credits over.
_ASKING = (
    *("not_configured", "stripe_rejected", "stripe_unavailable", "stripe_refused_key"),
    "fulfillment_failed",
)
_PACKAGE_CODE = {"type": "string", "pattern": "^[a-z0-9_-]{1,50}$"}
_MOMENT = {
    "type": "string",
    "format": "date-time",
    "description": "UTC unless it names another zone. A day alone is its midnight.",
}
_DECIDED_ON = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,255}$"}

_FILTERS = [
    query_parameter("status", {"type": "string", "enum": [str(one) for one in PurchaseStatus]}),
    query_parameter("user_id", {"type": "string", "minLength": 1, "maxLength": 255}),
    query_parameter("package_code", {"type": "string", "minLength": 1, "maxLength": 50}),
    query_parameter("since", _MOMENT),
    query_parameter("until", _MOMENT),
    query_parameter("text", {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT}),
]

_PACKAGE_FIELDS: dict[str, Any] = {
    "package_name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
    "description": {"type": ["string", "null"], "maxLength": LONGEST_DESCRIPTION},
    "credits": {"type": "integer", "minimum": 1, "maximum": LARGEST_INTEGER},
    "unit_amount": {
        "type": "integer",
        "minimum": 0,
        "maximum": LARGEST_INTEGER,
        "description": "The final price in minor units of `currency`.",
    },
    "currency": {"type": "string", "pattern": "^[a-z]{3}$"},
    "discount_percentage": {"type": "integer", "minimum": 0, "maximum": 100},
    "is_active": {"type": "boolean"},
    "display_order": {"type": "integer", "minimum": 0, "maximum": LARGEST_DISPLAY_ORDER},
}
_NEW_PACKAGE = {
    "type": "object",
    "properties": {"package_code": _PACKAGE_CODE, **_PACKAGE_FIELDS},
    "required": ["package_code", "package_name", "credits", "unit_amount", "currency"],
    "additionalProperties": False,
}
_PACKAGE_CHANGES = {
    "type": "object",
    "properties": {
        "package_code": {**_PACKAGE_CODE, "description": "Must be what it is: it can't change."},
        **_PACKAGE_FIELDS,
    },
    "additionalProperties": False,
}


def describe_admin(spec: APISpec) -> None:
    """Describe every route below ``/admin``."""
    _describe_purchases(spec)
    _describe_acts(spec)
    _describe_packages(spec)
    describe(
        spec,
        "/admin/figures",
        "get",
        "Show the figures of a period",
        {200: ("The figures. Money is in minor units.", FiguresSchema())},
        name="showFigures",
        tag=_TAG,
        problems=_LOOKING,
        parameters=[
            query_parameter("since", _MOMENT),
            query_parameter("until", _MOMENT),
            query_parameter("package_code", _PACKAGE_CODE),
            query_parameter("bucket", {"type": "string", "enum": [str(one) for one in Bucket]}),
        ],
    )


def _describe_purchases(spec: APISpec) -> None:
    describe(
        spec,
        "/admin/purchases",
        "get",
        "Find purchases",
        {200: ("Newest first.", schemas.AdminPurchaseSchema(many=True))},
        headers=NEXT_PAGE,
        name="findPurchases",
        tag=_TAG,
        problems=_LOOKING,
        parameters=[
            *_FILTERS,
            query_parameter(
                "limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
            ),
            query_parameter("after", {"type": "string", "format": "uuid"}),
        ],
    )
    describe(
        spec,
        "/admin/purchases.csv",
        "get",
        "Export purchases for a spreadsheet",
        {},
        name="exportPurchases",
        tag=_TAG,
        problems=_LOOKING,
        parameters=_FILTERS,
        extra_responses={
            "200": {
                "description": "All that fit, newest first. Money is in major units.",
                "content": {"text/csv; charset=utf-8; header=present": {"schema": _TEXT}},
            }
        },
    )
    describe(
        spec,
        "/admin/purchases/{purchase_id}",
        "get",
        "Show one purchase with all that happened to it",
        {200: ("The purchase and its story.", schemas.AdminPurchaseDetailSchema())},
        name="showAnyPurchase",
        tag=_TAG,
        problems=(*_LOOKING, "not_found"),
        parameters=[_in_path("purchase_id", _UUID)],
    )


def _describe_acts(spec: APISpec) -> None:
    describe(
        spec,
        "/admin/purchases/{purchase_id}/refund",
        "post",
        "Give money back, and take the credits for it back; safe to repeat",
        {
            200: ("It was made before; nothing was done now.", schemas.RefundSchema()),
            201: ("It was made, or an unfinished one was finished.", schemas.RefundSchema()),
        },
        name="refundPurchase",
        tag=_TAG,
        problems=(*_ACTING, *_ASKING, "not_found", "refund_refused"),
        body=schemas.RefundRequestSchema(),
        parameters=[_in_path("purchase_id", _UUID)],
    )
    describe(
        spec,
        "/admin/events/{event_id}/replay",
        "post",
        "Do once more what an event says; safe to repeat",
        {200: ("What became of it.", schemas.ReplayedSchema())},
        name="replayEvent",
        tag=_TAG,
        problems=(*_ACTING, *_ASKING, "replay_refused"),
        body=schemas.NothingSchema(),
        parameters=[_in_path("event_id", {"type": "string"})],
    )
    describe(
        spec,
        "/admin/reviews",
        "get",
        "List what waits for a decision",
        {200: ("At most 500.", schemas.WaitingItemSchema(many=True))},
        name="listWaiting",
        tag=_TAG,
        problems=_LOOKING,
    )
    describe(
        spec,
        "/admin/reviews/{target}",
        "post",
        "Decide on a purchase, an event or an orphan",
        {200: ("What it came to.", schemas.ReviewSchema())},
        name="decide",
        tag=_TAG,
        problems=(*_ACTING, *_ASKING, "not_found", "review_refused"),
        body=schemas.ReviewRequestSchema(),
        parameters=[_in_path("target", _DECIDED_ON)],
    )


def _describe_packages(spec: APISpec) -> None:
    package = schemas.AdminPackageSchema()
    describe(
        spec,
        "/admin/packages",
        "get",
        "List all packages",
        {200: ("In display order.", schemas.AdminPackageSchema(many=True))},
        name="listAllPackages",
        tag=_TAG,
        problems=_LOOKING,
    )
    describe(
        spec,
        "/admin/packages",
        "post",
        "Make a new package",
        {200: ("It is there already, the same.", package), 201: ("The new package.", package)},
        name="createPackage",
        tag=_TAG,
        problems=(*_ACTING, "package_exists"),
        extra=_body("createPackage", _NEW_PACKAGE),
    )
    named = [_in_path("package_code", _PACKAGE_CODE)]
    describe(
        spec,
        "/admin/packages/{package_code}",
        "patch",
        "Change some fields of a package",
        {200: ("The package as it is now.", package)},
        name="updatePackage",
        tag=_TAG,
        problems=(*_ACTING, "package_not_found"),
        parameters=named,
        extra=_body("updatePackage", _PACKAGE_CHANGES),
    )
    for act, summary in (
        ("activate", "Put a package on sale"),
        ("deactivate", "Take a package off sale"),
    ):
        describe(
            spec,
            f"/admin/packages/{{package_code}}/{act}",
            "post",
            summary,
            {200: ("The package as it is now.", package)},
            name=f"{act}Package",
            tag=_TAG,
            problems=(*_ACTING, "package_not_found"),
            body=schemas.NothingSchema(),
            parameters=named,
        )


_TEXT = {"type": "string"}
_UUID = {"type": "string", "format": "uuid"}


def _in_path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": "path", "name": name, "required": True, "schema": schema}


def _body(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": schema, "example": REQUESTS[name]}
    return {"requestBody": {"required": True, "content": {JSON: content}}}
