"""JSON in and out, and what stands in the address."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response, request
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from ..config import Settings
from ..strict_json import MalformedJSON, parse_json
from .body import read_body
from .protection import refuse_cross_site

# Not the host's JSON provider: what our numbers and texts look like is part of our format.
encode_json: Callable[[Any], str] = json.JSONEncoder(sort_keys=True).encode


def json_answer(document: Any, status: int = 200) -> Response:
    """Build an answer."""
    return Response(encode_json(document) + "\n", status, content_type="application/json")


class NotJSON(BadRequest):
    """The body can't be read."""

    ours = True
    problem_code = "bad_request"
    description: str = "The body is not JSON."


def json_request(settings: Settings, limit: int) -> dict[str, Any]:
    """Return the object in the body of a request that acts on a cookie.

    :param limit: bytes.
    :raises werkzeug.exceptions.UnsupportedMediaType: it isn't said to be JSON.
    :raises .protection.CrossSite: a page of another site made it.
    :raises PayloadTooLarge: it is longer than ``limit``.
    :raises NotJSON: it isn't.
    :raises marshmallow.ValidationError: it is no object.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("send JSON")
    refuse_cross_site(settings)
    try:
        document = parse_json(read_body(limit))
    except MalformedJSON:
        raise NotJSON from None
    if not isinstance(document, dict):
        raise ValidationError({"_schema": ["Must be a JSON object."]})
    return document


def query_of(schema: Schema) -> dict[str, Any]:
    """Return the parameters of the address.

    :raises marshmallow.ValidationError: one of them is wrong or given twice, or ``schema`` doesn't
        know it and doesn't pass over what it doesn't know.
    """
    repeated = {
        name: ["Must be given once."]
        for name, values in request.args.lists()
        if len(values) > 1 and name in schema.fields
    }
    if repeated:
        raise ValidationError(repeated)
    found: dict[str, Any] = schema.load(request.args.to_dict())
    return found


def link_to_next(response: Response, query: Mapping[str, Any]) -> None:
    """Say where the next page is: the same path with another query."""
    path = quote(request.script_root + request.path)
    response.headers["Link"] = f'<{path}?{urlencode(query)}>; rel="next"'
