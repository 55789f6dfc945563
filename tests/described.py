"""Hold every answer of every test's host against the ``openapi.json`` that it gives out."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask, Response
from flask import request as asked

from flask_stripe_credits.state import state_of
from flask_stripe_credits.web.openapi import openapi_document

Json = dict[str, Any]
PROBLEM = "application/problem+json"
_BLUEPRINT = "stripe_credits"
# Where a buyer, a client or a cache has to do something with them.
_HEADERS = ("Retry-After", "Link", "ETag")
# What was answered and isn't described, in this process since the last test.
_mistakes: list[str] = []


def watch(app: Flask) -> None:
    """Note every answer of the app's API that its document doesn't describe."""
    document = openapi_document(state_of(app).settings.url_prefix)

    @app.after_request
    def check(response: Response) -> Response:
        if asked.blueprint == _BLUEPRINT:
            call = f"{asked.method} {asked.path} -> {response.status_code}"
            _mistakes.extend(f"{call}: {one}" for one in mistakes(document, response))
        return response


def mistakes(document: Json, response: Response) -> Iterator[str]:
    """Say what of the answer to the current request ``document`` doesn't describe."""
    # Of the health load balancers look at the status, and people at the checks.
    problem = response.status_code >= 400 and not asked.path.endswith("/health")
    if problem and response.content_type != PROBLEM:
        yield f"{response.content_type} is no problem document"
    path, method = _path(document), asked.method.lower().replace("head", "get")
    operation = document["paths"].get(path, {}).get(method)
    if operation is None:
        # What isn't a route says so, and which methods one has.
        if response.status_code not in (204, 404, 405):
            yield "the route isn't described"
        return
    found = operation["responses"].get(str(response.status_code))
    if found is None:
        yield "the status isn't described"
        return
    for name in _HEADERS:
        if name in response.headers and name not in found.get("headers", {}):
            yield f"the header {name} isn't described"
    if "content" in found and asked.method != "HEAD":
        exactly, roughly = response.content_type, response.mimetype
        content = found["content"].get(exactly) or found["content"].get(roughly)
        if content is None:
            yield f"{response.content_type} isn't described"
        elif not response.is_streamed:
            yield from _mistakes_of_body(path, method, content, response)


def _mistakes_of_body(path: str, method: str, content: Json, response: Response) -> Iterator[str]:
    if response.content_type.startswith("text/"):
        return
    body = response.get_json()
    validator = _validator(path, method, response.status_code, response.content_type)
    for error in validator.iter_errors(body):
        yield f"{list(error.instance_path)}: {error.message}"
    if response.content_type == PROBLEM and body["code"] not in content["examples"]:
        yield f"the code {body['code']} isn't described"


@functools.cache
def _validator(path: str, method: str, status: int, content_type: str) -> Any:
    document = openapi_document("")
    content = document["paths"][path][method]["responses"][str(status)]["content"]
    schema = {**content[content_type]["schema"], "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def _path(document: Json) -> str:
    (server,) = document["servers"]
    rule = asked.url_rule.rule if asked.url_rule is not None else ""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule).removeprefix(server["url"])


@pytest.fixture(autouse=True)
def every_answer_is_described(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which a host answered something that its document doesn't describe."""
    _mistakes.clear()
    yield
    found = sorted(set(_mistakes))
    if request.node.get_closest_marker("undescribed") is not None:
        assert found, "all of it is described after all"
        found = []
    _mistakes.clear()
    assert not found, "\n".join(found)
