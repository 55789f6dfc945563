"""One operation of the OpenAPI document: what a method of a path takes and answers."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from .openapi_examples import REQUESTS, RESPONSES
from .openapi_problems import DESCRIPTIONS, refer_to, status_of, tells_when_to_retry

if TYPE_CHECKING:
    from apispec import APISpec

JSON = "application/json"
_PROBLEM_JSON = "application/problem+json"
SIGNED_IN: list[dict[str, list[str]]] = [{"cookie": []}, {"bearer": []}]

RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {
        "description": "Seconds after which trying again may help.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
NEXT_PAGE: dict[str, Any] = {
    "Link": {
        "description": 'While there are more: `<…>; rel="next"`, the address of the next page.',
        "schema": {"type": "string"},
    }
}


def query_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describe a parameter of the address."""
    return {"in": "query", "name": name, "schema": schema}


def describe(
    spec: APISpec,
    path: str,
    method: str,
    summary: str,
    answers: dict[int, tuple[str, Any]],
    *,
    name: str,
    tag: str,
    problems: tuple[str, ...],
    parameters: list[dict[str, Any]] | None = None,
    body: Any = None,
    security: list[dict[str, list[str]]] | None = None,
    headers: dict[str, Any] | None = None,
    extra_responses: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> None:
    """Describe what one method of one path takes and answers.

    :param answers: status → what it means, and the schema of the JSON.
    :param name: of the operation, for programs that make clients of the document.
    :param problems: the codes of problem documents.
    :param body: the schema of the JSON that is sent.
    :param security: how to sign in; None: as a user.
    :param headers: of the answers.
    :param extra_responses: answers that aren't JSON of a schema.
    """
    responses = dict(extra_responses or {})
    for status, (description, schema) in answers.items():
        content = {"schema": schema, "example": RESPONSES[name]}
        responses[str(status)] = {"description": description, "content": {JSON: content}}
        if headers is not None:
            responses[str(status)]["headers"] = headers
    responses |= _problem_responses(problems)
    operation: dict[str, Any] = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "responses": responses,
        "security": SIGNED_IN if security is None else security,
        **(extra or {}),
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        content = {"schema": body, "example": REQUESTS[name]}
        operation["requestBody"] = {"required": True, "content": {JSON: content}}
    spec.path(path, operations={method: operation})


def _problem_responses(codes: tuple[str, ...]) -> dict[str, Any]:
    from . import schemas

    found = {}
    for status, group in groupby(sorted(set(codes), key=status_of), status_of):
        here = sorted(group)
        content = {"schema": schemas.ProblemSchema(), "examples": refer_to(here)}
        found[str(status)] = {
            "description": DESCRIPTIONS[status],
            "content": {_PROBLEM_JSON: content},
            **({"headers": RETRY_AFTER} if tells_when_to_retry(here) else {}),
        }
    return found
