"""Hold every answer of an app against the ``openapi.json`` that it gives out."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, request
from jsonschema import Draft202012Validator

from flask_stripe_credits.state import state_of
from flask_stripe_credits.web.openapi import openapi_document


class Watch:
    """Collects what the watched apps answered that their document doesn't describe."""

    def __init__(self) -> None:
        self.apps: list[Flask] = []
        self.mistakes: list[str] = []

    def __call__(self, app: Flask) -> None:
        self.apps.append(app)
        document = openapi_document(state_of(app).settings.url_prefix)

        @app.after_request
        def check(response: Response) -> Response:
            if request.blueprint == "stripe_credits":
                self._check(document, response)
            return response

    def _check(self, document: dict[str, Any], response: Response) -> None:
        call = f"{request.method} {request.path} -> {response.status_code}"
        if response.status_code >= 400 and response.content_type != "application/problem+json":
            self.mistakes.append(f"{call}: {response.content_type} is no problem document")
        operation = _operation(document)
        if operation is None:
            if response.status_code not in (204, 404, 405):
                self.mistakes.append(f"{call}: the route isn't described")
            return
        found = operation["responses"].get(str(response.status_code))
        if found is None:
            self.mistakes.append(f"{call}: the status isn't described")
        elif "content" in found and request.method != "HEAD":
            content = found["content"].get(response.content_type)
            if content is None:
                self.mistakes.append(f"{call}: {response.content_type} isn't described")
            elif not response.is_streamed:
                schema = {**content["schema"], "components": document["components"]}
                for error in Draft202012Validator(schema).iter_errors(response.get_json()):
                    self.mistakes.append(f"{call}: {error.json_path}: {error.message}")


def _operation(document: dict[str, Any]) -> dict[str, Any] | None:
    (server,) = document["servers"]
    rule = request.url_rule.rule if request.url_rule is not None else ""
    path = re.sub(r"<(\w+)>", r"{\1}", rule).removeprefix(server["url"])
    method = "get" if request.method == "HEAD" else request.method.lower()
    operation: dict[str, Any] | None = document["paths"].get(path, {}).get(method)
    return operation


@contextlib.contextmanager
def described() -> Iterator[Watch]:
    """Watch apps; at the end every answer must have been as described."""
    watch = Watch()
    yield watch
    assert not watch.mistakes, "\n".join(watch.mistakes)
