"""One operation of the OpenAPI document: what a method of a path takes and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apispec import APISpec

JSON = "application/json"
_PROBLEM_JSON = "application/problem+json"
SIGNED_IN: list[dict[str, list[str]]] = [{"cookie": []}, {"bearer": []}]

PROBLEMS = {
    400: "The request can't be understood.",
    401: "Nobody is signed in.",
    403: "The request came from another site, or its user is no administrator.",
    404: "There is no such thing, or it is somebody else's.",
    409: "It can't be done as things are, or is just being done: see `code`.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "A field or parameter is not valid, or the `Idempotency-Key` was used with another body.",
    429: "Too many checkouts in the last hour. See `Retry-After`.",
    500: "This server is set up wrongly.",
    502: "Stripe didn't accept the request.",
    503: "Try again later. See `Retry-After`.",
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
    problems: tuple[int, ...],
    parameters: list[dict[str, Any]] | None = None,
    body: Any = None,
    security: list[dict[str, list[str]]] | None = None,
    extra_responses: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> None:
    """Describe what one method of one path takes and answers.

    :param answers: status → what it means, and the schema of the JSON.
    :param problems: the statuses of problem documents.
    :param security: how to sign in; None: as a user.
    :param extra_responses: answers that aren't JSON of a schema.
    """
    from . import schemas

    responses = dict(extra_responses or {})
    for status, (description, schema) in answers.items():
        responses[str(status)] = {
            "description": description,
            "content": {JSON: {"schema": schema}},
        }
    for status in problems:
        responses[str(status)] = {
            "description": PROBLEMS[status],
            "content": {_PROBLEM_JSON: {"schema": schemas.ProblemSchema()}},
        }
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": responses,
        "security": SIGNED_IN if security is None else security,
        **(extra or {}),
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": body}}}
    spec.path(path, operations={method: operation})
