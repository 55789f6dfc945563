"""OpenAPI 3.1, generated from the schemas."""

from __future__ import annotations

import functools
from typing import Any

_TAGS = {
    "Buyers": "For pages and clients of your users: each sees their own purchases.",
    "Machines": "For Stripe, load balancers and Prometheus.",
    "Administrators": "For whoever the app's `admin_check` says. All money is in minor units.",
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

    from .admin.openapi import describe_admin
    from .openapi_problems import examples
    from .openapi_shop import describe_shop

    spec = APISpec(
        title="Credits",
        version=version("flask-stripe-credits"),
        openapi_version="3.1.0",
        info={
            "summary": "Buy credits through Stripe Checkout.",
            "description": "Every error is an RFC 9457 problem document with a stable `code`.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
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
    for code, example in examples().items():
        spec.components.example(code, example)
    for name, description in _TAGS.items():
        spec.tag({"name": name, "description": description})
    describe_shop(spec)
    describe_admin(spec)
    return spec.to_dict()
